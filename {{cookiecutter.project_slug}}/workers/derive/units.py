"""The systemd units of a host: those of `systemd/` under the project's name, and what the topology adds to them."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from workers.derive import multi
from workers.derive.unit_names import group_slice, group_target, service_unit, target_unit, worker_unit
from workers.topology import Group, Topology, budgets
from workers.topology.instances import instances, spare
from workers.topology.load import ROOT

#: The units that are no different from project to project, named without one: `celery-worker-@.service`.
SOURCES: Final = ROOT / "systemd"
SANDBOX: Final = "sandbox.conf"
KINDS: Final = ("service", "socket", "target", "timer")

#: Where systemd looks for what an administrator wrote.
UNITS: Final = PurePosixPath("etc/systemd/system")
#: Names of the drop-ins. An owner's own, between or after them, are left alone.
SHARED: Final = "10-sandbox.conf"
DERIVED: Final = "50-topology.conf"

#: Percent of what a worker's children and its main process may come to, where the kernel begins to reclaim, and where
#: it kills the greediest. Near each other: a worker that is only slowed down looks deaf.
MEMORY_HIGH: Final = 120
MEMORY_MAX: Final = 125


def units(topology: Topology) -> dict[PurePosixPath, str]:
    """Path from the root of the file system -> text, of every file that a host has."""
    project = topology.project
    return {
        **dict(_static(project)),
        **dict(_derived(topology)),
        PurePosixPath("etc/logrotate.d", f"celery-multi-{project}"): multi.logrotate(project),
        PurePosixPath("etc/sysusers.d", f"celery-{project}.conf"): _users(project),
        PurePosixPath("etc/tmpfiles.d", f"celery-{project}.conf"): _folders(project),
    }


def installed_name(source: str, project: str) -> str:
    """The name of a unit of `systemd/` in a project: celery-worker-shop@.service for celery-worker-@.service."""
    stem, dash, rest = source.rpartition("-")
    return f"{stem}{dash}{project}{rest}"


def _static(project: str) -> Iterator[tuple[PurePosixPath, str]]:
    for source in sorted(file for kind in KINDS for file in SOURCES.glob(f"celery-*.{kind}")):
        name = installed_name(source.name, project)
        yield UNITS / name, source.read_text(encoding="utf-8")
        if source.suffix == ".service":
            yield _drop_in(name, SHARED), (SOURCES / SANDBOX).read_text(encoding="utf-8")


def _derived(topology: Topology) -> Iterator[tuple[PurePosixPath, str]]:
    for name, group in topology.groups.items():
        yield UNITS / group_slice(topology.project, name), _slice(topology, name, group)
        yield UNITS / group_target(topology.project, name), _target(topology, name, group)
        for instance in (*instances(name, group), spare(name)):
            yield _drop_in(worker_unit(topology.project, instance), DERIVED), _worker(topology, name, group)
    yield _drop_in(service_unit(topology.project, "multi"), DERIVED), multi.drop_in(topology)


def _drop_in(unit: str, name: str) -> PurePosixPath:
    return UNITS / f"{unit}.d" / name


def _worker(topology: Topology, name: str, group: Group) -> str:
    lines = [
        "[Unit]",
        f"PartOf={group_target(topology.project, name)}",
        "",
        "[Service]",
        f"Slice={group_slice(topology.project, name)}",
        f"TimeoutStopSec={budgets.stop_timeout(group)}",
        *_memory(topology, group),
        *_writable_code(group),
    ]
    return _text(lines)


def _memory(topology: Topology, group: Group) -> list[str]:
    """Limits where the owner has set one for each child; threads and greenlets would die all together."""
    if group.max_memory_per_child is None:
        return []
    expected = budgets.memory(topology, group)
    return [f"MemoryHigh={expected * MEMORY_HIGH // 100}M", f"MemoryMax={expected * MEMORY_MAX // 100}M"]


def _writable_code(group: Group) -> list[str]:
    """What needs `spawn`, CUDA and compilers of numeric code, makes machine code as it runs."""
    return ["MemoryDenyWriteExecute=no"] if group.start_method == "spawn" else []


def _slice(topology: Topology, name: str, group: Group) -> str:
    return _text(
        [
            "[Unit]",
            f"Description=Workers of {topology.project}'s group {name}",
            "",
            "[Slice]",
            f"CPUWeight={group.cpu_weight}",
            f"IOWeight={group.io_weight}",
        ]
    )


def _target(topology: Topology, name: str, group: Group) -> str:
    own = " ".join(worker_unit(topology.project, instance) for instance in instances(name, group))
    whole = target_unit(topology.project)
    return _text(
        [
            "[Unit]",
            f"Description=Workers of {topology.project}'s group {name}",
            f"Wants={own}",
            f"PartOf={whole}",
            "",
            "[Install]",
            f"WantedBy={whole}",
        ]
    )


def _users(project: str) -> str:
    return _text([f'u {project} - "Celery and web of {project}" /srv/{project}', "g www-data -"])


def _folders(project: str) -> str:
    folders = {
        f"/etc/{project}": "0755 root root",
        "/etc/credstore": "0700 root root",
        "/etc/credstore.encrypted": "0700 root root",
        f"/srv/{project}": "0755 root root",
        f"/srv/{project}/releases": "0755 root root",
        f"/srv/{project}/shared": f"0750 {project} {project}",
    }
    return _text([f"d {folder} {mode}" for folder, mode in folders.items()])


def _text(lines: list[str]) -> str:
    return "\n".join([*lines, ""])
