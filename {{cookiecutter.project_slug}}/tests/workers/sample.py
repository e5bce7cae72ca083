"""A sound topology to change, so that the rules' tests do not depend on the project's own workers.yml."""

from pathlib import Path
from typing import Any

import yaml

from workers.topology import Topology, TopologyError, load

SOUND = """\
project: sample
host: {cpus: 4, memory: 8192}
web: {hosts: 2, processes: 2, threads: 4}
beat: {hosts: 2}
database: {max_connections: 100, reserved: 10}
broker: {max_connections: 200}
groups:
  default:
    about: short tasks
    tasks: ["app.default.*", "celery.*"]
    prefetch_multiplier: 16
    acks_late: false
    soft_time_limit: 30
    time_limit: 40
    max_memory_per_child: 300
    objective: {wait: 10, run: 10}
    hosts: 2
  batch:
    about: long tasks
    tasks: ["app.batch.*"]
    concurrency: 2
    soft_time_limit: 840
    time_limit: 900
    max_memory_per_child: 1000
    objective: {wait: 300, run: 900}
  io:
    about: waiting tasks
    tasks: ["app.io.*"]
    pool: threads
    concurrency: 20
    longest_run: 40
    objective: {wait: 10, run: 15}
"""


def changed(changes: dict[str, Any]) -> str:
    """SOUND with the values at the dotted paths replaced, or removed where the new value is None."""
    values = yaml.safe_load(SOUND)
    for dotted, value in changes.items():
        *parents, key = dotted.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        if value is None:
            del section[key]
        else:
            section[key] = value
    return yaml.safe_dump(values, sort_keys=False)


def loaded(directory: Path, text: str, environment: str = "production") -> Topology:
    """The topology of `text` as a file of `directory`."""
    (directory / "workers.yml").write_text(text, encoding="utf-8")
    return load(directory, environment).topology


def refusals(directory: Path, text: str | bytes, environment: str = "production") -> list[str]:
    """What is refused of `text`, as it is printed; the empty list where nothing is."""
    raw = text if isinstance(text, bytes) else text.encode()
    (directory / "workers.yml").write_bytes(raw)
    try:
        load(directory, environment)
    except TopologyError as error:
        return [str(problem) for problem in error.problems]
    return []
