"""Which hosts there are: read from an inventory as Ansible has it, in YAML.

Only what a rehearsal needs is looked at: groups, hosts, `ansible_host`, `rehearsal_layers`. All other variables are
Ansible's business. What is looked at is checked as a whole, before anything is made.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Final, Self

import yaml

from rehearsal.catalogue import Catalogue
from rehearsal.errors import InventoryError
from rehearsal.groups import HostNodes, Problems, read_hosts, unknown

#: In `partition` and `exec`, the name of this machine's side of the fleet's network.
CONTROLLER: Final = "controller"

#: Names that mean something else in every fleet.
_TAKEN: Final = {CONTROLLER: "this machine's side of the network", "localhost": "every host for itself"}

_LABEL: Final = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
#: Labels as DNS has them (RFC 1123), joined by dots; Linux takes 64 characters (HOST_NAME_MAX).
_NAME: Final = re.compile(rf"(?=.{{1,64}}$){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class HostEntry:
    """One host of an inventory. `layers` are names of layers.yml and absolute paths of folders, lowest first."""

    name: str
    address: str
    groups: tuple[str, ...]
    layers: tuple[str, ...]

    @property
    def hostname(self) -> str:
        """What the host calls itself: the first label, as Debian's installer would set it."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Inventory:
    """The hosts of a fleet, in the order of their file."""

    hosts: tuple[HostEntry, ...]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read `file`; raises InventoryError with every reason why it cannot be rehearsed."""
        problems = Problems(file)
        checker = _Checker(problems, Catalogue.read())
        found = read_hosts(file, problems)
        hosts = tuple(entry for name, nodes in found.items() if (entry := checker.entry(name, nodes)))
        if problems.lines:
            raise InventoryError(problems.lines)
        return cls(hosts)


class _Checker:
    """Turns what a file says about a host into an entry; remembers what is taken."""

    def __init__(self, problems: Problems, catalogue: Catalogue) -> None:
        self._problems = problems
        self._catalogue = catalogue
        self._addresses: dict[str, str] = {}
        self._hostnames: dict[str, str] = {}

    def entry(self, name: str, nodes: HostNodes) -> HostEntry | None:
        """The host, or None with its problems noted."""
        refuse = self._refusing(name)
        if not _NAME.fullmatch(name):
            cure = "write each host out" if "[" in name else "use at most 64 of a-z, 0-9, - and ."
            refuse(nodes.node, f"not a host name that Linux takes; {cure}")
        if name in _TAKEN:
            refuse(nodes.node, f"{_TAKEN[name]} is called so; choose another name")
        address = self._address(name, nodes)
        entry = HostEntry(name, address or "", tuple(nodes.groups), self._layers(name, nodes))
        if (other := self._hostnames.setdefault(entry.hostname, name)) != name:
            refuse(nodes.node, f"would call itself {entry.hostname}, as {other} does; rename one")
        return entry if address else None

    def _address(self, name: str, nodes: HostNodes) -> str | None:
        refuse = self._refusing(name)
        given = [value for key, value in nodes.variables if key.value == "ansible_host"]
        if not given:
            refuse(nodes.node, "no ansible_host; give it an IPv4 address: `ansible_host: 10.0.0.1`")
            return None
        first, *others = given
        for other in others:
            if other.value != first.value:
                line = first.start_mark.line + 1
                refuse(other, f"ansible_host: {other.value}, but {first.value} in line {line}; keep one")
        text = str(first.value)
        try:
            address = IPv4Address(text)
        except AddressValueError:
            refuse(first, f"ansible_host: expected an IPv4 address, got: {text}")
            return None
        if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_reserved:
            refuse(first, f"ansible_host: {text} is no address a host can have; use another")
        if (owner := self._addresses.setdefault(text, name)) != name:
            refuse(first, f"ansible_host: {text} is {owner}'s; give each its own")
        return text

    def _layers(self, name: str, nodes: HostNodes) -> tuple[str, ...]:
        named: dict[str, None] = {}
        for node in (value for key, value in nodes.variables if key.value == "rehearsal_layers"):
            if not isinstance(node, yaml.SequenceNode):
                self._problems.add(node, "rehearsal_layers: expected a list: `rehearsal_layers: [rabbitmq]`")
                continue
            named |= dict.fromkeys(self._layer(name, item) for item in node.value)
        packages = [layer for layer in self._catalogue.layers if layer in named]
        return (*packages, *(layer for layer in named if "/" in layer))

    def _layer(self, name: str, node: yaml.Node) -> str:
        text = node.value if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
        if "/" not in text:
            if text not in self._catalogue.layers:
                self._problems.add(node, f"rehearsal_layers: {unknown(text, self._catalogue.layers)}")
            return text
        folder = (self._problems.file.parent / text).resolve()
        if not folder.is_dir():
            self._refusing(name)(node, f"rehearsal_layers: no such folder: {folder}")
        return str(folder)

    def _refusing(self, name: str) -> Callable[[yaml.Node, str], None]:
        return lambda node, message: self._problems.add(node, f"host {name}: {message}")
