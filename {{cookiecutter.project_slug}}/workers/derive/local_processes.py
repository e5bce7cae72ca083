"""The processes of a local run."""

import sys
from dataclasses import dataclass
from typing import Final

from workers.derive.command_line import APP
from workers.topology import Topology
from workers.topology.instances import instances

#: The order of a clean stop: no new periodic tasks, no new requests, then the workers finish what they have.
STOP_ORDER: Final = ("beat", "web", "workers", "relay", "flower")


@dataclass(frozen=True)
class LocalProcess:
    """A process of the local run, its command, and the stage of STOP_ORDER in which it is stopped."""

    name: str
    command: tuple[str, ...]
    stage: str


def local_processes(topology: Topology) -> list[LocalProcess]:
    """Web, the workers of every group, the relay, beat and Flower."""
    names = [instance for name, group in topology.groups.items() for instance in instances(name, group)]
    workers = [LocalProcess(name, _python("workers", "run", name), "workers") for name in names]
    return [
        LocalProcess("web", _python("gunicorn", "config.wsgi", "-c", "config/gunicorn.conf.py"), "web"),
        *workers,
        LocalProcess("relay", _python("workers", "relay"), "relay"),
        LocalProcess("beat", _python("workers", "beat", "run"), "beat"),
        LocalProcess("flower", _celery("flower", "--conf=config/flowerconfig.py"), "flower"),
    ]


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _celery(*arguments: str) -> tuple[str, ...]:
    return _python("celery", "-A", APP, *arguments)
