"""What one host needs for all that it is meant to do, in MiB; what a role takes by default stands in its defaults."""

import re
from functools import cache
from typing import Any, Final

import yaml

from workers.inventory.model import PREFIX, Inventory
from workers.topology.budgets import memory
from workers.topology.load import ROOT
from workers.topology.model import Topology

#: Debian itself with its journal, and a process of gunicorn (measured: 110 to 150).
SYSTEM: Final = 300
WEB_PROCESS: Final = 200
#: Beat, the relay and Flower; Prometheus with a few thousand series.
BEAT: Final = 300
MONITORING: Final = 400
#: A node of RabbitMQ takes its limit again for page cache and runtime.
RABBITMQ_AGAIN: Final = 2

#: Debian and its journal; five releases, two sets of their packages; a small database with two weeks of dumps.
SYSTEM_DISK: Final = 3000
RELEASES_DISK: Final = 2000
DATABASE_DISK: Final = 5000
#: A file of Redis and the one that replaces it.
REDIS_FILES: Final = 2

_UNITS: Final = {"kb": 1 / 1024, "mb": 1, "gb": 1024}


def needed_memory(inventory: Inventory, topology: Topology, name: str) -> dict[str, int]:
    """By who needs it."""
    workers = {f"{PREFIX}{group}": of.instances * memory(topology, of) for group, of in topology.groups.items()}
    others = {
        "web": topology.web.processes * WEB_PROCESS,
        "beat": BEAT,
        "rabbitmq": RABBITMQ_AGAIN * int(setting(inventory, "rabbitmq", "memory_limit")),
        "redis": redis_memory(inventory),
        "postgresql": int(setting(inventory, "postgresql", "memory")),
        "monitoring": MONITORING,
    }
    groups = inventory.hosts[name].groups
    return {"system": SYSTEM} | _chosen({**workers, **others}, groups)


def needed_disk(inventory: Inventory, name: str) -> dict[str, int]:
    """Of what is free, by who needs it."""
    groups = inventory.hosts[name].groups
    runs = any(group in ("web", "beat") or group.startswith(PREFIX) for group in groups)
    others = {
        "rabbitmq": sum(int(setting(inventory, "rabbitmq", key)) for key in ("memory_limit", "disk_reserve")),
        "redis": REDIS_FILES * redis_memory(inventory),
        "postgresql": DATABASE_DISK,
    }
    return {"system": SYSTEM_DISK} | ({"releases": RELEASES_DISK} if runs else {}) | _chosen(others, groups)


def _chosen(needed: dict[str, int], groups: list[str]) -> dict[str, int]:
    return {name.removeprefix(PREFIX): amount for name, amount in needed.items() if name in groups}


def redis_memory(inventory: Inventory) -> int:
    """Of all processes that a host of Redis runs."""
    instances: dict[str, dict[str, Any]] = setting(inventory, "redis", "instances")
    uses = setting(inventory, "redis", "uses")
    return sum(mebibytes(about["maxmemory"]) for use, about in instances.items() if use in uses)


def mebibytes(text: str) -> int:
    """512mb, as Redis writes it."""
    match = re.fullmatch(r"(\d+)([kmg]b)", str(text).lower())
    return int(int(match[1]) * _UNITS[match[2]]) if match else 0


def setting(inventory: Inventory, role: str, name: str) -> Any:
    """A variable of a role: the environment's, or else the role's default."""
    variable = f"{role}_{name}"
    return inventory.variables.get(variable, _defaults(role).get(variable))


@cache
def _defaults(role: str) -> dict[str, Any]:
    text = (ROOT / f"ansible/roles/{role}/defaults/main.yml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    return values
