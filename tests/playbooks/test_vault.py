"""An environment's secrets: made once, encrypted at once, never printed, renewed one by one."""

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.fleet.project import ANSIBLE
from tests.template.rendering import ROOT

Vault = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment that was just generated."""
    folder = tmp_path / "staging"
    folder.mkdir()
    return folder


@pytest.fixture
def vault(environment: Path) -> Vault:
    """The program, for that environment."""

    def call(*options: str) -> subprocess.CompletedProcess[str]:
        command = [str(ANSIBLE / "bin/python"), str(ROOT / "ansible/vault.py"), str(environment), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return call


def content(environment: Path) -> dict[str, Any]:
    """What the vault holds, as Ansible reads it."""
    password, file = environment / ".vault-password", environment / "group_vars/all/vault.yml"
    command = [str(ANSIBLE / "bin/ansible-vault"), "view", f"--vault-password-file={password}", str(file)]
    found: dict[str, Any] = yaml.safe_load(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def secrets(tree: object) -> list[str]:
    """Every value, whatever it lies in."""
    if isinstance(tree, dict):
        return [value for each in tree.values() for value in secrets(each)]
    return [str(tree)]


def test_secrets_are_made_once(environment: Path, vault: Vault) -> None:
    """All different, encrypted, with a password that only its owner reads; the second call changes nothing."""
    first = vault()
    assert first.returncode == 0, first.stderr
    made = content(environment)
    values = [value for value in secrets(made) if value]
    assert len(set(values)) == len(values) > 15
    assert not any(value in first.stdout for value in values)
    assert (environment / "group_vars/all/vault.yml").read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT;")
    assert stat.S_IMODE((environment / ".vault-password").stat().st_mode) == 0o600
    written = (environment / "group_vars/all/vault.yml").read_bytes()
    assert "nothing is missing" in vault().stdout
    assert (environment / "group_vars/all/vault.yml").read_bytes() == written


def test_the_authority_is_one(environment: Path, vault: Vault) -> None:
    """Certificate and key belong together, and it may sign nothing but hosts."""
    vault()
    made = content(environment)["vault"]["authority"]
    certificate = x509.load_pem_x509_certificate(made["certificate"].encode())
    assert load_pem_private_key(made["key"].encode(), None).public_key() == certificate.public_key()
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_what_is_there_stays(environment: Path, vault: Vault) -> None:
    """An owner's own secret, one beside them, and a file that was never encrypted."""
    file = environment / "group_vars/all/vault.yml"
    file.parent.mkdir(parents=True)
    file.write_text("mine: 1\nvault: {shop: {payment_key: from-the-provider}}\n", encoding="utf-8")
    assert vault().returncode == 0
    made = content(environment)
    assert (made["mine"], made["vault"]["shop"]["payment_key"]) == (1, "from-the-provider")
    assert file.read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT;")


def test_some_are_made_anew(environment: Path, vault: Vault) -> None:
    """Those that are named, and all below a name; of the authority the old one is kept until it is forgotten."""
    vault()
    before = content(environment)["vault"]
    assert vault("--renew", "rabbitmq.passwords", "authority").returncode == 0
    now = content(environment)["vault"]
    assert set(secrets(now["rabbitmq"]["passwords"])).isdisjoint(secrets(before["rabbitmq"]["passwords"]))
    assert (now["redis"], now["rabbitmq"]["cookie"]) == (before["redis"], before["rabbitmq"]["cookie"])
    assert now["authority"] != before["authority"] == now["authority_before"]
    assert vault("--forget", "authority_before").returncode == 0
    assert "authority_before" not in content(environment)["vault"]


def test_what_cannot_be_done_is_refused(environment: Path, vault: Vault) -> None:
    """With what to do, and the vault stays as it is."""
    vault()
    written = (environment / "group_vars/all/vault.yml").read_bytes()
    assert (
        "--renew sekret_key: no such secret; there are: secret_key, rabbitmq," in vault("--renew", "sekret_key").stderr
    )
    assert "only what was kept can be forgotten" in vault("--forget", "redis").stderr
    (environment / ".vault-password").rename(environment / "elsewhere")
    lost = vault()
    assert lost.returncode == 1
    assert "is encrypted, and" in lost.stderr
    assert (environment / "group_vars/all/vault.yml").read_bytes() == written
