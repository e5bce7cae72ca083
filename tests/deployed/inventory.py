"""A fleet with a cluster of brokers and hosts of other kinds in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rehearsal import Fleet, Inventory
from tests.deployed.beside import Beside


def widen(cluster: Beside, groups: Mapping[str, Mapping[str, Any]], file: Path) -> Fleet:
    """Put `groups` (see `group`) beside the cluster's own hosts; writes the inventory, boots nothing."""
    hosts = {entry.name: {"ansible_host": entry.address} for entry in cluster.fleet.inventory.hosts}
    brokers = {"vars": {"rehearsal_layers": [cluster.broker]}, "hosts": hosts}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({cluster.broker: brokers, **groups}, sort_keys=False), encoding="utf-8")
    cluster.fleet = Fleet(cluster.fleet.name, Inventory.read(file))
    return cluster.fleet


def group(hosts: Mapping[str, str], *layers: str) -> dict[str, Any]:
    """A group of the inventory: addresses by name, and what lies on each."""
    addresses = {name: {"ansible_host": address} for name, address in hosts.items()}
    return {"vars": {"rehearsal_layers": list(layers)}, "hosts": addresses}
