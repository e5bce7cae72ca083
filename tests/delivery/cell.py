"""One cell of the matrix: tasks flow through all groups, the fault strikes, and what was accepted is counted."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tests.brokers.observers.processes import Observer, Observers
from tests.delivery import inquiry, ledger
from tests.delivery.checker import History, Verdict, judge, outstanding
from tests.delivery.faults import Fault
from tests.delivery.ground import Ground
from tests.delivery.kinds import BY_NAME, KINDS
from tests.waiting import until

#: Seconds until every kind of task has run once.
FLOW: Final = 180
#: Seconds of calm before the strike, and in which tasks are sent once everything is well again.
CALM: Final = 3.0
AFTER: Final = 5.0
#: Seconds in which tasks are sent at least: about two thousand of them. The short cut has less patience.
LEAST, LEAST_SHORT = 65.0, 20.0
#: Seconds for a sender to end: each of its threads gets the answer to what it is sending.
END: Final = 60
#: Seconds in which all that was accepted must have come to rest; on Redis a lost worker's tasks come back after 45.
DRAIN: Final = 240.0
#: Seconds for which nothing is with the broker or in the outbox any more and something is still open: it may be with a
#: worker that waits for its broker. After that it is lost.
GRACE: Final = 30.0
#: Seconds between two looks, and between two questions for dead letters, which cost a start of the interpreter.
POLL, POLL_DEAD = 1.0, 8.0

Say = Callable[[str], None]


@dataclass
class Watch:
    """What is known so far of the cell whose ids begin with `token`."""

    ground: Ground
    folder: Path
    token: str
    entries: list[ledger.Entry] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    asked: float = 0.0

    def __post_init__(self) -> None:
        """Forget what was written down before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file.unlink(missing_ok=True)
        self.sent = ledger.Reader(self.file)
        for worker in self.ground.workers:
            worker.reader.skip()

    @property
    def file(self) -> Path:
        """The sender's ledger."""
        return self.folder / "sent.jsonl"

    def look(self) -> None:
        """Read what is new."""
        self.entries += self.sent.new()
        self.entries += [entry for entry in self.ground.entries() if entry.id.startswith(f"{self.token}-")]

    def flows(self) -> bool:
        """Whether every kind has run."""
        self.look()
        return {kind.name for kind in KINDS} <= {entry.kind for entry in self.entries if entry.what == "began"}

    def open(self) -> set[str]:
        """What is accepted and has not come to rest."""
        self.look()
        return outstanding(self._history())

    def ask_for_dead(self) -> None:
        """Ask for the dead letters, now and then."""
        if time.monotonic() - self.asked > POLL_DEAD:
            self.dead = inquiry.dead(self.ground)
            self.asked = time.monotonic()

    def verdict(self) -> Verdict:
        """What became of everything."""
        self.dead = inquiry.dead(self.ground)
        self.look()
        wanted = sorted({each.id for each in self.entries if each.what == "done" and BY_NAME[each.kind].fetched})
        results = inquiry.results(self.ground, self.folder, wanted)
        return judge(self._history(results))

    def keep(self, verdict: Verdict) -> None:
        """Write it down with all its ids, for whoever wants to know what became of one."""
        text = json.dumps(asdict(verdict), indent=1)
        (self.folder / "verdict.json").write_text(text, encoding="utf-8")
        lines = (json.dumps(asdict(entry)) for entry in sorted(self.entries, key=lambda entry: entry.at))
        (self.folder / "ledger.jsonl").write_text("\n".join(lines), encoding="utf-8")

    def _history(self, results: frozenset[str] = frozenset()) -> History:
        return History(
            self.entries, self.dead, self.ground.committed(self.token), self.ground.charges(self.token), results
        )


def measure(ground: Ground, fault: Fault, say: Say = print, least: float = LEAST) -> Verdict:
    """Measure one cell, with tasks for `least` seconds; takes two minutes by default.

    What was sent and what became of it stays in the ground's folder. Raises TimeoutError, RehearsalError or
    AssertionError where the ground is not as it must be; it is of no use then.
    """
    ground.wait_well()
    token = f"{fault.name}-{int(time.time())}"
    with ExitStack() as stack:
        say("preparing")
        fault.prepare(ground)
        stack.callback(fault.clean, ground)
        watch = Watch(ground, ground.folder / "cells" / fault.name, token)
        producer = stack.enter_context(_producer(watch, fault.death))
        say("waiting for every kind of task")
        until(watch.flows, lambda: f"every kind of task to run\n{producer.log.read_text()}", FLOW)
        _suffer(ground, fault, say, least)
        _end(producer)
        say("draining")
        _drain(watch, say)
        verdict = watch.verdict()
        watch.keep(verdict)
        return verdict


def _suffer(ground: Ground, fault: Fault, say: Say, least: float) -> None:
    began = time.monotonic()
    time.sleep(CALM)
    say("strike")
    fault.strike(ground)
    time.sleep(fault.lasts)
    say("mending")
    fault.mend(ground)
    ground.wait_well()
    time.sleep(max(AFTER, began + least - time.monotonic()))


@contextmanager
def _producer(watch: Watch, death: str) -> Iterator[Observer]:
    ground = watch.ground
    with Observers(watch.folder, ground.project.root, ground.fleet.command) as observers:
        variables = {**ground.controller.environment(ground.links("web")), ledger.VARIABLE: str(watch.file)}
        program = [str(ground.project.python), "-m", "tests.delivery.produce", watch.token]
        yield observers.start("producer", [*program, death] if death else program, variables)


def _end(producer: Observer) -> None:
    """Let every thread finish what it has begun: what became of each task must be known."""
    producer.process.terminate()
    try:
        ended = producer.process.wait(END)
    except subprocess.TimeoutExpired:
        producer.process.send_signal(signal.SIGUSR1)
        until(lambda: producer.says("Current thread"), "the sender to say where it is")
        raise TimeoutError(f"the sender has not ended:\n{producer.log.read_text(encoding='utf-8')}") from None
    assert ended == 0, producer.log.read_text(encoding="utf-8")


def _drain(watch: Watch, say: Say) -> None:
    """Return when all has come to rest, or nothing moves any more; what still waits its turn is no loss."""
    deadline = time.monotonic() + DRAIN
    quiet = None
    while True:
        (queued, unsent), still = watch.ground.held(), watch.open()
        say(f"draining: {queued} with the broker, {unsent} in the outbox, {len(still)} open")
        if not queued and not still:
            return
        quiet = None if queued or unsent else quiet or time.monotonic()
        if quiet and time.monotonic() - quiet > GRACE:
            return
        if time.monotonic() > deadline:
            where = f"{queued} are with the broker, {unsent} in the outbox"
            raise TimeoutError(f"after {DRAIN:.0f} s {len(still)} tasks are not done: {where}")
        if quiet:
            watch.ask_for_dead()
        time.sleep(POLL)
