"""Real schedulers on one database and one broker, and what they sent."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import redis

from config.env import BASE_DIR
from tests.conftest import environment_on, start
from tests.databases import sql

#: A task that every project has, claimed by the group that takes `celery.*`.
TASK = "celery.backend_cleanup"


@dataclass
class Beat:
    """A running `celery beat`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def name(self) -> str:
        """What it calls itself, by process."""
        return f":{self.process.pid}:"

    def events(self, name: str) -> list[dict[str, object]]:
        """The lines of its log with this event."""
        lines = (json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line[:1] == "{")
        return [line for line in lines if line["event"] == name]

    def kill(self) -> None:
        """Without a chance to say goodbye."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As a unit stops it; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=240)


@dataclass
class Ground:
    """A database and a broker for schedulers to share."""

    folder: Path
    env: dict[str, str]
    broker: redis.Redis
    beats: list[Beat] = field(default_factory=list)

    def start(self) -> Beat:
        """Start one more scheduler."""
        log = self.folder / f"beat-{len(self.beats)}.log"
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "config", "beat", "--pidfile="]
        with log.open("wb") as output:
            process = start(command, self.env, stdout=output, stderr=output)
        self.beats.append(Beat(process, log))
        return self.beats[-1]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run this Python on this ground, to the end."""
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=BASE_DIR, env=self.env, capture_output=True, text=True, check=False, timeout=60
        )

    def ask(self, code: str) -> object:
        """Run code with the models at hand; gives back what it calls `answer`."""
        names = "import json\nfrom datetime import timedelta\nfrom django.db.models.functions import Now\nfrom workers.beat.models import *\nanswer = None\n"
        done = self.run("manage.py", "shell", "-v", "0", "-c", f"{names}{code}\nprint('answer:' + json.dumps(answer))")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.partition("answer:")[2])

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the database at once: `ask` takes the seconds in which Python starts."""
        return sql(self.env["DATABASE_URL"], statement, *parameters)

    def add(self, name: str, **fields: object) -> None:
        """Add an entry."""
        self.ask(f"Entry(name={name!r}, task={TASK!r}, **{fields!r}).save()")

    def messages(self) -> Counter[str]:
        """How often each message was sent, by the id that a slot's message has."""
        raw = [text for key in self.broker.keys("*default") for text in self.broker.lrange(key, 0, -1)]
        return Counter(json.loads(text)["headers"]["id"] for text in raw)

    def holder(self) -> Beat | None:
        """The living scheduler that holds the lease."""
        name = str(self.ask("answer = Lease.objects.values_list('holder', flat=True).first()"))
        return next((beat for beat in self.beats if beat.name in name and beat.process.poll() is None), None)

    def close(self) -> None:
        """End what still runs, and leave no message to the workers of other tests."""
        for beat in self.beats:
            if beat.process.poll() is None:
                beat.kill()
        self.broker.flushdb()
        self.broker.close()


@dataclass(frozen=True)
class Account:
    """What became of each second of an entry that is due every second."""

    sent: set[datetime]
    missed: set[datetime]
    doubtful: set[datetime]
    twice: dict[str, int]

    @property
    def longest_gap(self) -> float:
        """Seconds between two slots that were sent, the longest."""
        slots = sorted(self.sent)
        return max((later - earlier).total_seconds() for earlier, later in pairwise(slots))

    @property
    def unaccounted(self) -> set[datetime]:
        """Slots of which nothing is known."""
        known = self.sent | self.missed | self.doubtful
        every = {min(known) + timedelta(seconds=n) for n in range(int((max(known) - min(known)).total_seconds()))}
        return every - known


def account(ground: Ground, name: str) -> Account:
    """Hold the messages that the broker has against the records of an entry that is due every second.

    Ends the schedulers first: what one of them is just sending is claimed, and neither sent nor doubtful.
    """
    for beat in ground.beats:
        if beat.process.poll() is None:
            beat.stop()
    code = f"answer = [[r.due.isoformat(), r.state, r.count] for r in Run.objects.filter(name={name!r})]"
    rows: list[tuple[str, str, int]] = ground.ask(code)  # type: ignore[assignment]
    messages = ground.messages()
    missed = {
        datetime.fromisoformat(due) - timedelta(seconds=n)
        for due, state, many in rows
        if state == "missed"
        for n in range(many)
    }
    doubtful = {datetime.fromisoformat(due) for due, state, _ in rows if state in ("doubtful", "claimed")}
    noted = {datetime.fromisoformat(due) for due, state, _ in rows if state in ("sent", "late")}
    slots = {slot for slot in missed | doubtful | noted if task_id(name, slot) in messages}
    assert noted <= slots, f"noted as sent, and not at the broker: {sorted(noted - slots)}"
    assert sum(messages.values()) >= len(slots)
    return Account(slots, missed, doubtful, {key: many for key, many in messages.items() if many > 1})


def task_id(name: str, due: datetime) -> str:
    """The id of the message of a slot."""
    return str(uuid5(NAMESPACE_URL, f"{name} {due.isoformat()}"))


@contextmanager
def ground(folder: Path, broker: str, database: str) -> Iterator[Ground]:
    """A migrated database and an empty broker, until the end of the block."""
    client = redis.Redis.from_url(f"{broker}/0")
    client.flushdb()
    made = Ground(folder, environment_on(broker, DATABASE_URL=database), client)
    try:
        yield made
    finally:
        made.close()
