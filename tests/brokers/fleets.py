"""The fleet of a cluster: hosts of one group, and a folder of this machine for what belongs to them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rehearsal import Fleet, Inventory

ROOT: Final = Path(__file__).resolve().parents[2]


def fleet(name: str, group: str, layer: str, addresses: Mapping[str, str]) -> tuple[Fleet, Path]:
    """The fleet called `name`, with a host for each of `addresses` and the packages of `layer`; and its folder."""
    folder = ROOT / "build/brokers" / name
    folder.mkdir(parents=True, exist_ok=True)
    hosts = "".join(f"    {host}: {{ansible_host: {address}}}\n" for host, address in addresses.items())
    inventory = f"{group}:\n  vars: {{rehearsal_layers: [{layer}]}}\n  hosts:\n{hosts}"
    file = folder / "inventory.yml"
    file.write_text(inventory, encoding="utf-8")
    return Fleet(name, Inventory.read(file)), folder
