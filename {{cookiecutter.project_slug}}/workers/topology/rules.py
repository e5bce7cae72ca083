"""The inequalities that cause outages when they are wrong. One rule a function, one code a rule."""

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Final

from workers.topology import budgets
from workers.topology.model import LONG_TASK, Group, Topology
from workers.topology.problems import Problem

#: Environments whose workers serve nobody but their developer.
LOCAL_ENVIRONMENTS: Final = ("local", "test")

#: pool -> options it silently ignores (celery/concurrency/*; each tried).
IGNORED: Final[dict[str, tuple[str, ...]]] = {
    "prefork": (),
    "threads": ("soft_time_limit", "time_limit", "max_tasks_per_child", "max_memory_per_child"),
    "gevent": ("soft_time_limit", "max_tasks_per_child", "max_memory_per_child"),
    "solo": ("soft_time_limit", "time_limit", "max_tasks_per_child", "max_memory_per_child"),
}
#: pool -> what bounds a task there; without it no stop, visibility or consumer timeout could be reckoned.
REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "prefork": ("soft_time_limit", "time_limit"),
    "threads": ("longest_run",),
    "gevent": ("time_limit",),
    "solo": ("longest_run",),
}

Found = Iterator[Problem]


def check(topology: Topology, environment: str) -> list[Problem]:
    """Every rule that `topology` breaks in `environment`; places are not yet filled in."""
    found = [problem for rule in TOPOLOGY_RULES for problem in rule(topology)]
    for name, group in topology.groups.items():
        found.extend(problem for rule in GROUP_RULES for problem in rule(name, group))
        found.extend(_solo_outside_local(name, group, environment))
    return found


def _limits_in_order(name: str, group: Group) -> Found:
    soft, hard = group.soft_time_limit, group.time_limit
    if soft is not None and hard is not None and soft >= hard:
        yield _of(
            "W10",
            name,
            "soft_time_limit",
            f"{soft} >= time_limit {hard}: the task would be killed before it is asked to end; "
            f"lower soft_time_limit below {hard} or raise time_limit above {soft}",
        )


def _stop_fits(name: str, group: Group) -> Found:
    longest, budget, timeout = (
        budgets.longest_run(group),
        budgets.stop_budget(group),
        budgets.stop_timeout(group),
    )
    if budget >= timeout:
        yield _of(
            "W11",
            name,
            "stop_timeout",
            f"{_bound(group)} {longest} + soft_shutdown {group.soft_shutdown} >= stop_timeout {timeout}: "
            f"a stop would kill running tasks; raise stop_timeout above {budget}"
            + (
                f" or lower {_bound(group)} below {timeout - group.soft_shutdown}"
                if timeout > group.soft_shutdown
                else ""
            ),
        )


def _consumer_timeout_exceeds_run(name: str, group: Group) -> Found:
    held, timeout = budgets.longest_hold(group), budgets.consumer_timeout(group)
    if timeout <= held:
        yield _of(
            "W12",
            name,
            "consumer_timeout",
            f"{timeout} <= {_bound(group)} {budgets.longest_run(group)} x prefetch_multiplier "
            f"{group.prefetch_multiplier} = {held}: RabbitMQ would take the task away and run it again, for ever; "
            f"raise consumer_timeout above {held} or leave it out",
        )


def _pool_honours(name: str, group: Group) -> Found:
    for option in IGNORED[group.pool]:
        if getattr(group, option) is not None:
            yield _of(
                "W17",
                name,
                option,
                f"the {group.pool} pool ignores it; remove it{_instead(group.pool, option)}, or use pool: prefork",
            )
    if group.pool != "prefork" and group.start_method != "fork":
        yield _of(
            "W17",
            name,
            "start_method",
            f"the {group.pool} pool starts no processes; remove it, or use pool: prefork",
        )
    for option in REQUIRED[group.pool]:
        if getattr(group, option) is None:
            yield _of(
                "W04",
                name,
                option,
                f"missing: a group on the {group.pool} pool needs it; add `{option}: SECONDS`",
            )
    if group.pool in ("prefork", "gevent") and group.longest_run is not None:
        yield _of("W17", name, "longest_run", f"the {group.pool} pool enforces time_limit; remove longest_run")


def _auto_is_for_processes(name: str, group: Group) -> Found:
    if group.concurrency == "auto" and group.pool != "prefork":
        yield _of(
            "W17",
            name,
            "concurrency",
            f"auto counts cores, which says nothing about the {group.pool} pool; write a number, such as 50",
        )


def _nothing_reserved_behind_long_tasks(name: str, group: Group) -> Found:
    longest = budgets.longest_run(group)
    if group.acks_late and group.prefetch_multiplier > 1 and longest > LONG_TASK:
        yield _of(
            "W20",
            name,
            "prefetch_multiplier",
            f"{group.prefetch_multiplier} with acks_late and tasks of up to {longest} s: reserved tasks would wait "
            f"while other workers idle; set prefetch_multiplier to 1 or keep tasks within {LONG_TASK} s",
        )


def _queue_feeds_its_workers(topology: Topology) -> Found:
    for name, group in topology.groups.items():
        reserved = budgets.workers(group) * budgets.slots(topology, group) * group.prefetch_multiplier
        if group.max_length < reserved:
            yield _of(
                "W28",
                name,
                "max_length",
                f"{group.max_length} < hosts {group.hosts}{_times(group)} x slots {budgets.slots(topology, group)} x "
                f"prefetch_multiplier {group.prefetch_multiplier} = {reserved}: senders would be refused while workers "
                f"could take more; raise max_length to {reserved} or more",
            )


def _full_before_refused(name: str, group: Group) -> Found:
    if budgets.full_at(group) > group.max_length:
        yield _of(
            "W29",
            name,
            "full_at",
            f"{group.full_at} > max_length {group.max_length}: RabbitMQ would refuse every sender before one of them "
            f"heeds it; lower full_at to {group.max_length // 2} or leave it out",
        )


def _someone_consumes(name: str, group: Group) -> Found:
    if group.hosts == 0:
        yield _of(
            "W21",
            name,
            "hosts",
            f"0: nobody would consume the queue {name}; set hosts to 1 or more, or remove the group",
        )


def _solo_outside_local(name: str, group: Group, environment: str) -> Found:
    if group.pool == "solo" and environment not in LOCAL_ENVIRONMENTS:
        yield _of(
            "W19",
            name,
            "pool",
            f"solo in {environment}: it never acknowledges early and runs a task again when it is longer than two "
            "heartbeats; use prefork with concurrency 1",
        )


def _visibility_exceeds_run(topology: Topology) -> Found:
    timeout = budgets.visibility_timeout(topology)
    for name, group in topology.groups.items():
        longest, wait = budgets.longest_run(group), group.longest_countdown
        held = budgets.longest_hold(group) + wait
        if timeout <= held:
            yield Problem(
                "W13",
                ("broker", "visibility_timeout"),
                f"{timeout} <= {name}.{_bound(group)} {longest} x prefetch_multiplier {group.prefetch_multiplier} "
                f"+ longest_countdown {wait} = {held}: Redis would run "
                f"its tasks twice; raise it above {held} or leave it out, or lower {name}.longest_countdown",
            )


def _memory_fits(topology: Topology) -> Found:
    for name, group in topology.groups.items():
        needed, each = group.instances * budgets.memory(topology, group), group.max_memory_per_child
        if each is None or needed <= topology.host.memory:
            continue
        slots = budgets.slots(topology, group)
        fitting = (topology.host.memory // group.instances - budgets.PARENT_MEMORY) // each
        cure = f"lower concurrency to {fitting} or " if fitting >= 1 else ""
        yield _of(
            "W14",
            name,
            "max_memory_per_child",
            f"{_each_of(group, f'{slots} slots x {each} MiB + {budgets.PARENT_MEMORY} MiB for the main process')} = "
            f"{needed} > host.memory "
            f"{topology.host.memory}: the kernel would kill tasks; "
            f"{cure}lower max_memory_per_child, or raise host.memory",
        )


def _database_fits(topology: Topology) -> Found:
    held, limit = budgets.database_connections(topology), topology.database.max_connections
    if sum(held.values()) > limit:
        yield Problem(
            "W15",
            ("database", "max_connections"),
            f"{_sum(held)} > max_connections {limit}: tasks and pages would fail to connect; raise max_connections to "
            f"{sum(held.values())}, or lower concurrency or hosts",
        )


def _broker_fits(topology: Topology) -> Found:
    held, limit = budgets.broker_connections(topology), topology.broker.max_connections
    if sum(held.values()) > limit:
        yield Problem(
            "W16",
            ("broker", "max_connections"),
            f"{_sum(held)} > max_connections {limit}: workers would fail to connect; raise the broker's limit (and "
            f"max_connections) to {sum(held.values())}, or lower concurrency or hosts",
        )


def _patterns_apart(topology: Topology) -> Found:
    claims = [(pattern, name) for name, group in topology.groups.items() for pattern in group.tasks]
    for (first, owner), (second, other) in combinations(claims, 2):
        if owner != other and (fnmatchcase(first, second) or fnmatchcase(second, first)):
            yield _of(
                "W23",
                other,
                "tasks",
                f"{second} overlaps {first} of group {owner}: a task would belong to both; "
                "narrow one of the two patterns",
            )


def _times(group: Group) -> str:
    return f" x instances {group.instances}" if group.instances > 1 else ""


def _each_of(group: Group, amount: str) -> str:
    return f"instances {group.instances} x ({amount})" if group.instances > 1 else amount


def _bound(group: Group) -> str:
    return "time_limit" if group.time_limit else "longest_run"


def _instead(pool: str, option: str) -> str:
    if option in ("time_limit", "soft_time_limit") and pool != "gevent":
        return " (declare longest_run, and give your clients time-outs)"
    return ""


def _sum(held: dict[str, int]) -> str:
    return " + ".join(f"{name} {count}" for name, count in held.items()) + f" = {sum(held.values())}"


def _of(code: str, group: str, field: str, message: str) -> Problem:
    return Problem(code, ("groups", group, field), message)


GROUP_RULES: Final[tuple[Callable[[str, Group], Found], ...]] = (
    _limits_in_order,
    _stop_fits,
    _consumer_timeout_exceeds_run,
    _pool_honours,
    _auto_is_for_processes,
    _nothing_reserved_behind_long_tasks,
    _full_before_refused,
    _someone_consumes,
)
TOPOLOGY_RULES: Final[tuple[Callable[[Topology], Found], ...]] = (
    _visibility_exceeds_run,
    _memory_fits,
    _database_fits,
    _broker_fits,
    _queue_feeds_its_workers,
    _patterns_apart,
)
