"""Each fault hits whom its row says, and its mending takes back all that it did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.brokers import rows
from tests.brokers.cluster import Broker, Host, Role
from tests.brokers.faults import FAULTS
from tests.brokers.measure import Ground
from tests.brokers.observers import project as observed
from tests.brokers.rows import Row
from tests.brokers.stalls import main, run_row
from tests.project.running import Project


@dataclass
class Recorded:
    """A host, or the fleet, that only remembers what was done to it."""

    name: str
    done: list[str]
    address: str = "10.0.0.1"

    def command(self, *command: str) -> list[str]:
        """See Fleet."""
        return list(command)

    def run(self, *command: str, check: bool = True, timeout: float = 30) -> object:
        """See Host."""
        self.done.append(f"{self.name}: {' '.join(command)}")
        return check, timeout

    def kill(self, unit: str, /) -> None:
        """See Host."""
        self.done.append(f"{self.name}: kill {unit}")

    def power_off(self) -> None:
        """See Host."""
        self.done.append(f"{self.name}: off")

    def boot(self) -> None:
        """See Host."""
        self.done.append(f"{self.name}: on")

    def cut(self) -> None:
        """See Host."""
        self.done.append(f"{self.name}: cut")

    def mend(self) -> None:
        """See Host."""
        self.done.append(f"{self.name}: mended")

    def heal(self) -> None:
        """See Fleet."""
        self.done.append("healed")

    def partition(self, some: Sequence[str], others: Sequence[str], /) -> None:
        """See Fleet."""
        self.done.append(f"{'+'.join(some)} | {'+'.join(others)}")


@dataclass
class Recorder:
    """A cluster of three such hosts; `ailing` is what keeps it from being healthy."""

    done: list[str] = field(default_factory=list)
    ailing: str = ""
    broker: Broker = "rabbitmq"
    unit: str = "broker"
    versions: str = "RabbitMQ 4"

    def __post_init__(self) -> None:
        """Give it hosts that write to its own memory."""
        self.fleet = Recorded("fleet", self.done)
        self.hosts: Sequence[Host] = [Recorded(name, self.done) for name in ("r1", "r2", "r3")]

    def up(self) -> bool:
        """See Cluster, like all that follows."""
        return False

    def down(self) -> None:
        """Nothing is up."""

    def links(self, role: Role) -> Mapping[str, str]:
        """Nobody is there."""
        return {"BROKER_URL": role}

    def leader(self) -> Host:
        """The first."""
        return self.hosts[0]

    def lead(self, host: Host) -> None:
        """Whoever it was."""
        self.done.append(f"{host.name}: lead")

    def wait_healthy(self, timeout: float = 60) -> None:
        """Fails at once where something ails it."""
        if self.ailing:
            raise TimeoutError(f"{self.ailing} after {timeout:g} s")
        self.done.append("healthy")

    def clear(self) -> None:
        """Nothing waits."""


@pytest.mark.parametrize(
    ("fault", "struck", "mended"),
    [
        ("kill", ["r1: kill broker"], ["r1: systemctl start broker"]),
        ("power-loss", ["r1: off"], ["r1: on"]),
        ("countdowns", ["r1: off"], ["r1: on"]),
        ("link-cut", ["r1: cut"], ["r1: mended"]),
        ("blip", ["r1: cut"], ["r1: mended"]),
        ("peers-only", ["r1 | r2+r3"], ["healed"]),
        ("all-nodes", ["r1: off", "r2: off", "r3: off"], ["r1: on", "r2: on", "r3: on"]),
        (
            "rolling",
            [line for name in ("r1", "r2", "r3") for line in (f"{name}: systemctl restart broker", "healthy")],
            [],
        ),
    ],
)
def test_a_fault_is_caused_and_mended(fault: str, struck: list[str], mended: list[str]) -> None:
    """A rolling restart waits for each node before it takes the next."""
    cluster = Recorder()
    FAULTS[fault].strike(cluster, cluster.hosts[0])
    assert (sorted(cluster.done) if fault == "all-nodes" else cluster.done) == struck
    cluster.done.clear()
    FAULTS[fault].mend(cluster, cluster.hosts[0])
    assert sorted(cluster.done) == mended


def test_each_fault_is_tried() -> None:
    """The table above forgets none."""
    [mark] = test_a_fault_is_caused_and_mended.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in mark.args[1]} == set(FAULTS)


def test_a_cluster_that_is_not_well_is_a_problem_of_the_row_not_of_the_whole_table(tmp_path: Path) -> None:
    """The next row is measured; this one counts as missed and says why."""
    ground = Ground(Recorder(ailing="r2 is away"), Project(tmp_path, observed.python()), tmp_path)
    row = run_row(Row("rabbitmq", "kill", "leader"), ground)
    assert row.misses() == ["r2 is away after 60 s"]


def test_the_rows_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """With the goal of each, and nothing is measured."""
    assert main(["--list", "--broker", "redis", "--fault", "kill"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "--broker redis --fault kill --target leader  (goal 5 s)",
        "--broker redis --fault kill --target non-leader  (goal 5 s)",
    ]


def test_what_is_measured_already_is_not_measured_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half an hour need not be spent in one go; a row that could not be finished is tried again."""
    file = tmp_path / "rows.json"
    rows.save(file, [Row("redis", "kill", "leader"), Row("redis", "kill", "non-leader", problem="nobody led")])
    options = ["--list", "--resume", "--rows", str(file), "--broker", "redis"]
    assert main([*options, "--fault", "kill"]) == 0
    assert capsys.readouterr().out.splitlines() == ["--broker redis --fault kill --target non-leader  (goal 5 s)"]


def test_a_choice_that_leaves_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A rolling restart has no leader."""
    assert main(["--fault", "rolling", "--target", "leader"]) == 2
    assert "--list shows what there is" in capsys.readouterr().out
