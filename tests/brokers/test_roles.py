"""The roles' data is whole: each variable that must be given is named, all files render."""

from typing import Any

import jinja2
import pytest

from tests.brokers import certificates
from tests.brokers.certificates import Authority
from tests.brokers.redis import ADDRESSES, PASSWORDS
from tests.brokers.roles import Role

HOST: dict[str, Any] = {
    "project": "shop",
    "inventory_hostname": "redis2",
    "ansible_host": ADDRESSES["redis2"],
    "groups": {"redis": list(ADDRESSES)},
    "hostvars": {name: {"ansible_host": address} for name, address in ADDRESSES.items()},
}


def test_each_use_has_its_own_file() -> None:
    """With RabbitMQ as the broker there is one less."""
    paths = [file.path for file in Role("redis").files(HOST | PASSWORDS)]
    assert [path for path in paths if path.endswith(".conf") and "placed/" in path] == [
        f"/etc/redis/placed/{name}.conf" for name in ("broker", "results", "cache", "sentinel")
    ]
    fewer = Role("redis").files(HOST | PASSWORDS | {"redis_uses": ["results", "cache"]})
    texts = {file.path: file.text for file in fewer}
    assert "/etc/redis/placed/broker.conf" not in texts
    assert "monitor broker" not in texts["/etc/redis/placed/sentinel.conf"]


def test_a_missing_password_is_named() -> None:
    """Nothing is placed with a hole in it."""
    with pytest.raises(jinja2.UndefinedError, match="'vault' is undefined"):
        list(Role("redis").files(HOST | {k: v for k, v in PASSWORDS.items() if "replication" not in k}))


@pytest.mark.parametrize(("flavour", "folder"), [("redis", "/etc/redis/tls"), ("valkey", "/etc/valkey/tls")])
def test_a_certificate_carries_name_address_and_service(flavour: str, folder: str) -> None:
    """And its key is for one account only."""
    assert certificates.names(flavour, HOST) == ["redis2", "10.30.0.12", "redis.internal"]
    files = {file.path: (file.mode, file.owner) for file in certificates.files(flavour, HOST, Authority())}
    assert files[f"{folder}/key.pem"] == (0o600, f"{flavour}:{flavour}")
