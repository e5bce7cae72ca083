"""The command line of a group's worker: what a unit, `workers run` and `celery multi` start."""

from workers.topology import Group
from workers.topology.instances import group_of

APP = "config"


def node_name(instance: str) -> str:
    """The short, stable name of a worker; `%h` is the host's name."""
    return f"{instance}@%h"


def worker_command(instance: str, group: Group, *, log_level: str = "INFO") -> list[str]:
    """Arguments of `celery` for one of the workers of a group: `batch`, or `batch-2` where it has several."""
    # --quiet leaves out the banner and the list of tasks, forty lines a start that `workers show` says better.
    return [
        "-A",
        APP,
        "--quiet",
        "worker",
        "-n",
        node_name(instance),
        "--loglevel",
        log_level,
        *worker_options(group_of(instance), group),
    ]


def worker_options(name: str, group: Group) -> list[str]:
    """The options that differ from group to group, each as one `--option=value` or a bare flag."""
    values: dict[str, object] = {
        "queues": name,
        "pool": group.pool,
        "concurrency": group.concurrency,
        "prefetch-multiplier": group.prefetch_multiplier,
        "soft-time-limit": group.soft_time_limit,
        "time-limit": group.time_limit,
        "max-tasks-per-child": group.max_tasks_per_child,
        "max-memory-per-child": group.max_memory_per_child and group.max_memory_per_child * 1024,  # Celery counts KiB
        "pool-start-method": group.start_method if group.pool == "prefork" else None,
    }
    options = [f"--{option}={value}" for option, value in values.items() if value is not None]
    # Mingle costs a second at start and gossip a message per worker and second; neither is needed to run tasks.
    return [*options, "--optimization=fair", "--without-gossip", "--without-mingle"]
