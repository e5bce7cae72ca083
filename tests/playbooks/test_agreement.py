"""What stands in two places is the same: ports in packet filter and roles, packages of roles and of bare hosts."""

from typing import Any

import pytest
import yaml

from rehearsal.catalogue import Catalogue
from tests.brokers.redis import ADDRESSES, PASSWORDS
from tests.brokers.roles import Role
from tests.playbooks.local import FOLDER

REDIS: dict[str, Any] = {
    "project": "shop",
    "inventory_hostname": "redis1",
    "ansible_host": ADDRESSES["redis1"],
    "groups": {"redis": list(ADDRESSES)},
    "hostvars": {name: {"ansible_host": address} for name, address in ADDRESSES.items()},
    **PASSWORDS,
}


def defaults(role: str) -> dict[str, Any]:
    """The role's defaults as they are written."""
    values: dict[str, Any] = yaml.safe_load((FOLDER / f"roles/{role}/defaults/main.yml").read_text(encoding="utf-8"))
    return values


def opened(group: str) -> set[int]:
    """Ports of the group's hosts that the packet filter opens to other hosts."""
    return {port for flow in defaults("base")["base_flows"] if flow["to"] == group for port in flow["ports"]}


def test_the_packet_filter_opens_what_rabbitmq_listens_on() -> None:
    """And epmd and the command line, whose ports nobody chooses."""
    ports = {value for name, value in defaults("rabbitmq").items() if name.endswith("_port")}
    assert opened("rabbitmq") == {*ports, 4369, *range(35672, 35683)}


def test_the_packet_filter_opens_what_redis_listens_on() -> None:
    """Each use, and the Sentinel."""
    values = Role("redis").variables(REDIS)
    servers = {instance["port"] for instance in values["redis_instances"].values()}
    assert opened("redis") == servers | {values["redis_sentinel_port"]}


def test_the_packet_filter_opens_what_postgresql_listens_on() -> None:
    """One port."""
    assert opened("postgresql") == {defaults("postgresql")["postgresql_port"]}


@pytest.mark.parametrize("role", ["base", "monitoring", "rabbitmq", "web"])
def test_a_bare_host_can_install_what_a_role_installs(role: str) -> None:
    """Its repository has the packages."""
    assert set(defaults(role)[f"{role}_packages"]) <= repository()


@pytest.mark.parametrize("flavour", ["redis", "valkey"])
def test_a_bare_host_can_install_either_flavour(flavour: str) -> None:
    """Its repository has both."""
    values = Role("redis").variables({**REDIS, "redis_flavour": flavour})
    assert set(values["redis_packages"]) <= repository()


def repository() -> set[str]:
    """What is downloaded for bare hosts, and what all hosts have."""
    catalogue = Catalogue.read()
    return {*catalogue.layers["packages"], *catalogue.base}
