"""Whether an address lies within networks."""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

DOCUMENTATION = """
name: within
short_description: Whether an address lies within one of several networks
positional: networks
options:
  _input:
    description: An address of IPv4 or IPv6.
    type: str
    required: true
  networks:
    description: Networks, as 10.0.0.0/8.
    type: list
    elements: str
    required: true
"""


def within(address: str, networks: list[str]) -> bool:
    """An IPv4 address may be written as IPv6, as servers do that listen on both."""
    known = ip_address(address)
    if isinstance(known, IPv6Address) and known.ipv4_mapped:
        known = known.ipv4_mapped
    return any(known in ip_network(network, strict=False) for network in networks)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"within": within}
