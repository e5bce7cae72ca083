"""Every inequality that causes outages is refused, with the numbers that disagree and what to do."""

from pathlib import Path
from typing import Any

import pytest

from tests.workers.sample import SOUND, changed, refusals
from workers.topology.problems import CODES

# What is changed in the sound topology, and what must be printed of it (without the place).
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"groups.default.max_length": 127},
        "default.max_length (W28): 127 < hosts 2 x slots 4 x prefetch_multiplier 16 = 128: senders would be refused while workers could take more; raise max_length to 128 or more",
    ),
    (
        {"groups.default.max_length": 255, "groups.default.instances": 2},
        "default.max_length (W28): 255 < hosts 2 x instances 2 x slots 4 x prefetch_multiplier 16 = 256: senders would be refused while workers could take more; raise max_length to 256 or more",
    ),
    (
        {"groups.default.full_at": 100_001},
        "default.full_at (W29): 100001 > max_length 100000: RabbitMQ would refuse every sender before one of them heeds it; lower full_at to 50000 or leave it out",
    ),
    (
        {"groups.batch.soft_time_limit": 900},
        "batch.soft_time_limit (W10): 900 >= time_limit 900: the task would be killed before it is asked to end; lower soft_time_limit below 900 or raise time_limit above 900",
    ),
    (
        {"groups.batch.stop_timeout": 905},
        "batch.stop_timeout (W11): time_limit 900 + soft_shutdown 5 >= stop_timeout 905: a stop would kill running tasks; raise stop_timeout above 905 or lower time_limit below 900",
    ),
    (
        {"groups.io.stop_timeout": 30},
        "io.stop_timeout (W11): longest_run 40 + soft_shutdown 5 >= stop_timeout 30: a stop would kill running tasks; raise stop_timeout above 45 or lower longest_run below 25",
    ),
    (
        {"groups.batch.consumer_timeout": 900},
        "batch.consumer_timeout (W12): 900 <= time_limit 900 x prefetch_multiplier 1 = 900: RabbitMQ would take the task away and run it again, for ever; raise consumer_timeout above 900 or leave it out",
    ),
    (
        {"groups.default.consumer_timeout": 600},
        "default.consumer_timeout (W12): 600 <= time_limit 40 x prefetch_multiplier 16 = 640: RabbitMQ would take the task away and run it again, for ever; raise consumer_timeout above 640 or leave it out",
    ),
    (
        {"broker.visibility_timeout": 4500},
        "broker.visibility_timeout (W13): 4500 <= batch.time_limit 900 x prefetch_multiplier 1 + longest_countdown 3600 = 4500: Redis would run its tasks twice; raise it above 4500 or leave it out, or lower batch.longest_countdown",
    ),
    (
        {"groups.batch.max_memory_per_child": 4100},
        "batch.max_memory_per_child (W14): 2 slots x 4100 MiB + 120 MiB for the main process = 8320 > host.memory 8192: the kernel would kill tasks; lower concurrency to 1 or lower max_memory_per_child, or raise host.memory",
    ),
    (
        {"groups.batch.instances": 4},
        "batch.max_memory_per_child (W14): instances 4 x (2 slots x 1000 MiB + 120 MiB for the main process) = 8480 > host.memory 8192: the kernel would kill tasks; lower concurrency to 1 or lower max_memory_per_child, or raise host.memory",
    ),
    (
        {"groups.default.hosts": 20},
        "database.max_connections (W15): default 80 + batch 2 + io 20 + web 16 + beat 2 + relay 8 + reserved 10 = 138 > max_connections 100: tasks and pages would fail to connect; raise max_connections to 138, or lower concurrency or hosts",
    ),
    (
        {"broker.max_connections": 50},
        "broker.max_connections (W16): default 34 + batch 11 + io 46 + web 36 + beat 2 + relay 2 = 131 > max_connections 50: workers would fail to connect; raise the broker's limit (and max_connections) to 131, or lower concurrency or hosts",
    ),
    (
        {"groups.io.time_limit": 60},
        "io.time_limit (W17): the threads pool ignores it; remove it (declare longest_run, and give your clients time-outs), or use pool: prefork",
    ),
    (
        {"groups.io.max_tasks_per_child": 60},
        "io.max_tasks_per_child (W17): the threads pool ignores it; remove it, or use pool: prefork",
    ),
    (
        {"groups.io.start_method": "spawn"},
        "io.start_method (W17): the threads pool starts no processes; remove it, or use pool: prefork",
    ),
    (
        {"groups.io.concurrency": "auto"},
        "io.concurrency (W17): auto counts cores, which says nothing about the threads pool; write a number, such as 50",
    ),
    (
        {"groups.batch.longest_run": 40},
        "batch.longest_run (W17): the prefork pool enforces time_limit; remove longest_run",
    ),
    (
        {"groups.io.longest_run": None},
        "io.longest_run (W04): missing: a group on the threads pool needs it; add `longest_run: SECONDS`",
    ),
    (
        {"groups.batch.pool": "eventlet"},
        "batch.pool (W18): eventlet is unmaintained and its extra does not install; use pool: threads, or gevent",
    ),
    (
        {"groups.io.pool": "solo"},
        "io.pool (W19): solo in production: it never acknowledges early and runs a task again when it is longer than two heartbeats; use prefork with concurrency 1",
    ),
    (
        {"groups.batch.prefetch_multiplier": 4},
        "batch.prefetch_multiplier (W20): 4 with acks_late and tasks of up to 900 s: reserved tasks would wait while other workers idle; set prefetch_multiplier to 1 or keep tasks within 60 s",
    ),
    (
        {"groups.batch.hosts": 0},
        "batch.hosts (W21): 0: nobody would consume the queue batch; set hosts to 1 or more, or remove the group",
    ),
    (
        {"groups.batch.tasks": ["app.*"]},
        "batch.tasks (W23): app.* overlaps app.default.* of group default: a task would belong to both; narrow one of the two patterns",
    ),
    ({"groups.batch.time_limt": 5}, "batch.time_limt (W02): unknown key; did you mean time_limit?"),
    ({"group": {}}, "group (W02): unknown key; did you mean groups?"),
    ({"groups.batch.objective.wiat": 5}, "batch.objective.wiat (W02): unknown key; did you mean wait?"),
    ({"groups.batch.objective": None}, "batch.objective (W04): missing; add it"),
    ({"groups.batch.hosts": "two"}, "batch.hosts (W03): expected a whole number, got: 'two'"),
    ({"groups.batch.hosts": -1}, "batch.hosts (W03): expected a number of at least 0, got: -1"),
    ({"groups.batch.time_limit": 10**9}, "batch.time_limit (W03): expected a number of at most 604800, got: 1000000000"),
    ({"groups.batch.acks_late": 1}, "batch.acks_late (W03): expected true or false, got: 1"),
    ({"groups.batch.concurrency": "all"}, "batch.concurrency (W03): expected auto or a whole number from 1 to 10000, got: 'all'"),
    ({"groups.batch.pool": "forks"}, "batch.pool (W03): expected one of prefork, threads, gevent, solo, got: 'forks'"),
    ({"groups.batch": []}, "batch (W03): expected a mapping, got: a list of 0"),
    ({"groups.Batch-1": {}}, "Batch-1 (W03): expected text that matches ^[a-z][a-z0-9_]{1,29}$, got: 'Batch-1'"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[message.split(": ")[0] for _, message in REFUSED])
def test_a_wrong_number_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """The whole message is compared: the operator has nothing else at night."""
    said = [line.partition(" ")[2] for line in refusals(tmp_path, changed(changes))]
    assert message in said


def test_the_sound_topology_is_not_refused(tmp_path: Path) -> None:
    """Without this the refusals above would prove nothing."""
    assert refusals(tmp_path, SOUND) == []


def test_solo_is_for_local_settings(tmp_path: Path) -> None:
    """The same group that production refuses is fine where only its developer is served."""
    assert refusals(tmp_path, changed({"groups.io.pool": "solo", "groups.io.concurrency": 1}), "local") == []


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """One run of the check is enough to put everything right, and the order is the file's."""
    text = changed({"groups.batch.soft_time_limit": 900, "groups.default.hosts": 0, "broker.max_connections": 10})
    assert [line.split("(")[1][:3] for line in refusals(tmp_path, text)] == ["W16", "W21", "W10"]


def test_every_code_of_a_rule_is_provoked_somewhere() -> None:
    """A code without a test could vanish unseen; those that need tasks or hosts have tests of their own."""
    provoked = {message.partition("(")[2][:3] for _, message in REFUSED} | {"W01", "W24", "W25", "W26", "W27"}
    assert provoked == set(CODES)
