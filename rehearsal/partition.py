"""Parts hosts from each other while each keeps its link: packets between named pairs vanish on the bridge.

By hardware address, so that whatever protocol they speak ends. Hosts that are not named notice nothing.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from rehearsal.network import Network, exists, mac
from rehearsal.shell import call

_TABLE: Final = "bridge rehearsal"
#: The controller's packets come from the bridge itself (output) or end there (input); hosts' are forwarded.
_RULES: Final = "".join(
    f"add chain {_TABLE} {hook} {{ type filter hook {hook} priority 0; }}\n"
    f"flush chain {_TABLE} {hook}\n"
    f"add rule {_TABLE} {hook} ether saddr . ether daddr @parted drop\n"
    for hook in ("input", "forward", "output")
)
_SETUP: Final = f"""\
add table {_TABLE}
add set {_TABLE} parted {{ type ether_addr . ether_addr; }}
{_RULES}"""


def part(network: Network, some: Iterable[str], others: Iterable[str]) -> None:
    """Drop what any address of `some` sends to any of `others`, and back; adds to what is parted already."""
    pairs = {(mac(a), mac(b)) for a in some for b in others}
    both = sorted(pairs | {(b, a) for a, b in pairs})
    elements = ", ".join(f"{a} . {b}" for a, b in both)
    _nft(network, "--file", "-", script=f"{_SETUP}add element {_TABLE} parted {{ {elements} }}\n")


def heal(network: Network) -> None:
    """Let everybody talk to everybody again."""
    if exists(network.control):
        _nft(network, "--file", "-", script=f"add table {_TABLE}\ndelete table {_TABLE}\n")


def parted(network: Network) -> set[tuple[str, str]]:
    """The pairs of addresses between which packets vanish, both ways each; as the kernel has it."""
    if not exists(network.control):
        return set()
    listed = json.loads(_nft(network, "--json", "list", "ruleset", "bridge"))
    names = {mac(address): address for address in [*(host.address for host in network.hosts), network.controller]}
    return {
        (names[a], names[b])
        for item in listed["nftables"]
        for element in item.get("set", {}).get("elem", ())
        for a, b in [_pair(element)]
        if a in names and b in names
    }


def _pair(element: dict[str, Any]) -> tuple[str, str]:
    a, b = element["concat"]
    return a, b


def _nft(network: Network, *arguments: str, script: str | None = None) -> str:
    return call("nsenter", f"--net=/run/netns/{network.control}", "nft", *arguments, given=script)
