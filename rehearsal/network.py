"""The network of a fleet: a bridge in a control namespace, and a namespace a host, joined to it by a veth pair.

All of it lies behind the control namespace: real production addresses can be rehearsed, and no packet leaves.
Neighbours are known in advance (static ARP), so that packets to a dead host vanish as they do in a cloud's network,
where a stale ARP entry would soon turn into "no route to host" and let a client off lightly.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from rehearsal.errors import RehearsalError
from rehearsal.inventory import HostEntry
from rehearsal.paths import NAMESPACES
from rehearsal.shell import call

#: Documentation addresses (RFC 5737): no real host has one, so the controller may.
_CONTROLLERS: Final = tuple(f"192.0.2.{number}" for number in range(1, 255))
_BRIDGE: Final = "bridge"
#: Longest name of an interface (IFNAMSIZ without its final NUL).
_LONGEST_NAME: Final = 15


def controller_address(hosts: Iterable[HostEntry]) -> str:
    """The address of this machine's side: the first that no host has."""
    taken = {host.address for host in hosts}
    return next(address for address in _CONTROLLERS if address not in taken)


def mac(address: str) -> str:
    """The hardware address that goes with an address: the same after a new boot, as a real card's."""
    return "02:52:" + ":".join(f"{byte:02x}" for byte in IPv4Address(address).packed)


def interface(address: str) -> str:
    """The bridge's end of a host's veth pair."""
    name = f"h{address}"
    return name if len(name) <= _LONGEST_NAME else f"h{IPv4Address(address).packed.hex()}"


@dataclass(frozen=True)
class Network:
    """The network of the fleet `fleet`, whose hosts are `hosts`."""

    fleet: str
    hosts: tuple[HostEntry, ...]

    @property
    def control(self) -> str:
        """The name of the control namespace."""
        return f"rehearsal.{self.fleet}"

    @property
    def controller(self) -> str:
        """The address of this machine's side."""
        return controller_address(self.hosts)

    def namespace(self, host: HostEntry) -> str:
        """The name of a host's namespace."""
        return f"{self.control}.{host.name}"

    @property
    def namespaces(self) -> list[str]:
        """Every namespace this fleet needs."""
        return [self.control, *map(self.namespace, self.hosts)]

    def make_control(self) -> None:
        """Make the control namespace and what is missing in it."""
        if not exists(self.control):
            call("ip", "netns", "add", self.control)
        address = self.controller
        if not self._links().get(_BRIDGE):
            self._ip(self.control, [f"link add {_BRIDGE} address {mac(address)} type bridge"])
        # /32 and a route to everywhere: all hosts are neighbours, whatever networks their addresses are of.
        lines = [
            "link set lo up",
            f"addr replace {address}/32 dev {_BRIDGE}",
            f"link set {_BRIDGE} up",
            f"route replace default dev {_BRIDGE} src {address}",
            *self._neighbours(address, _BRIDGE),
        ]
        self._ip(self.control, lines)

    def renew(self, host: HostEntry) -> None:
        """Give the host a namespace without a past: no connection of its life before remains in the kernel."""
        self.remove(host)
        name, link, address = self.namespace(host), interface(host.address), host.address
        call("ip", "netns", "add", name)
        pair = f"link add {link} type veth peer name eth0 address {mac(address)} netns {name}"
        self._ip(self.control, [pair, f"link set {link} master {_BRIDGE} alias {host.name} up"])
        lines = [
            "link set lo up",
            f"addr add {address}/32 dev eth0",
            "link set eth0 up",
            f"route add default dev eth0 src {address}",
            *self._neighbours(address, "eth0"),
        ]
        self._ip(name, lines)

    def introduce(self, host: HostEntry) -> None:
        """Tell the namespace of a running host of neighbours that came later."""
        self._ip(self.namespace(host), self._neighbours(host.address, "eth0"))

    def remove(self, host: HostEntry) -> None:
        """Take the host's namespace away; the link first, because a namespace's end takes the kernel a while."""
        link = interface(host.address)
        if exists(self.control) and link in self._links():
            self._ip(self.control, [f"link delete {link}"])
        delete(self.namespace(host))

    def set_link(self, host: HostEntry, *, up: bool) -> None:
        """Plug the host's cable in, or pull it."""
        self._ip(self.control, [f"link set {interface(host.address)} {'up' if up else 'down'}"])

    def cut(self) -> set[str]:
        """The names of the hosts whose link is cut."""
        links = self._links()
        return {host.name for host in self.hosts if not links.get(interface(host.address), False)}

    def _links(self) -> dict[str, bool]:
        """Interface -> whether it is up, in the control namespace."""
        if not exists(self.control):
            return {}
        listed = json.loads(call("ip", "-n", self.control, "-json", "link") or "[]")
        return {link["ifname"]: "UP" in link["flags"] for link in listed}

    def _neighbours(self, own: str, device: str) -> list[str]:
        others = [*(host.address for host in self.hosts), self.controller]
        return [f"neigh replace {each} lladdr {mac(each)} dev {device} nud permanent" for each in others if each != own]

    def _ip(self, namespace: str, lines: list[str]) -> None:
        call("ip", "-n", namespace, "-batch", "-", given="\n".join(lines))


def exists(namespace: str) -> bool:
    """Whether there is a namespace of that name, whoever made it."""
    return (NAMESPACES / namespace).exists()


def delete(namespace: str) -> None:
    """Take a namespace away, if there is one."""
    if exists(namespace):
        call("ip", "netns", "delete", namespace)


def refuse_foreign(namespaces: Iterable[str], own: Iterable[str]) -> None:
    """Raise RehearsalError for a namespace that is there and was not made here."""
    known = set(own)
    for name in namespaces:
        if exists(name) and name not in known:
            raise RehearsalError(
                f"the network namespace {name} exists, and no fleet of that name made it; "
                f"choose another name (--fleet NAME), or delete it if nobody needs it: ip netns delete {name}"
            )
