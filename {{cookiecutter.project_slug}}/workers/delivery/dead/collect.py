"""Moves letters from the broker into the database: acknowledged after the commit, kept once, by any number of us."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from time import monotonic
from typing import Final

import structlog
from amqp import AccessRefused
from django.db import DataError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from kombu import Connection

from config.celery import app
from workers.brokers.reasons import reason
from workers.delivery import headers
from workers.delivery.dead.inbox import Taken, inbox, original_of
from workers.delivery.dead.letter import LARGEST, Letter
from workers.delivery.dead.original import Original
from workers.delivery.dead.reading import EXPIRED, read
from workers.delivery.models.letters import DeadLetter
from workers.delivery.outlet import BRIEF, REFUSALS
from workers.derive.virtual_host import dead_queue
from workers.topology import topology

#: Seconds for one round; what is left comes with the next.
WITHIN: Final = 5.0

logger = structlog.get_logger(__name__)


class NotCollectedError(Exception):
    """Some queues could not be read; the message says which, and why."""


def collect_once() -> int:
    """Collect what there is, for WITHIN seconds at most; how many letters are new.

    Raises NotCollectedError once all that could be collected was, or DatabaseError: what is not kept stays where it is.
    """
    deadline, new, failures = monotonic() + WITHIN, 0, dict[str, Exception]()
    with app.connection_for_read(transport_options=BRIEF) as connection:
        for group in topology().groups:
            _reach(connection)
            try:
                new += _collect(connection, group, deadline)
            except REFUSALS as error:
                failures[dead_queue(group)] = error
                connection.collect()  # a queue without a leader takes it along; the next one opens another
            if monotonic() > deadline:
                break
    if failures:
        raise NotCollectedError("; ".join(_said(failures)))
    return new


def _reach(connection: Connection) -> None:
    """Connect, to the first node that lets us: each is asked once."""
    others = max(len(connection.alt) - 1, 0)
    try:
        connection.ensure_connection(max_retries=others, interval_start=0, interval_step=0)
    except REFUSALS as error:
        raise NotCollectedError(f"the broker {reason(error)}") from error


def _said(failures: Mapping[str, Exception]) -> Iterator[str]:
    """What queues fail for the same kind of reason is said once."""
    for kind in dict.fromkeys(map(type, failures.values())):
        first, *_ = alike = [queue for queue, error in failures.items() if type(error) is kind]
        cure = "; use the user that ends in _relay in BROKER_URL" if kind is AccessRefused else ""
        yield f"{', '.join(alike)}: {str(failures[first]) or kind.__name__}{cure}"


def _collect(connection: Connection, group: str, deadline: float) -> int:
    new = 0
    with connection.channel() as channel:
        box = inbox(channel, dead_queue(group))
        while (taken := box.take()) and monotonic() < deadline:
            new += keep(taken, group)
            box.settle()
    return new


def file(letter: Letter) -> int:
    """Keep a letter whose message never was with the broker; 1 where it is new."""
    return _store([_row(letter)])


def keep(taken: Sequence[Taken], group: str) -> int:
    """Store the letters and commit; how many of them were new."""
    letters = [(each, read(each, group)) for each in taken]
    expired = [letter for _, letter in letters if letter.reason == EXPIRED]
    if expired:  # too late is no failure: the task itself said by when it has to be done
        logger.info("expired_on_the_broker", group=group, count=len(expired))
    rows = [(each, _row(letter)) for each, letter in letters if letter.reason != EXPIRED]
    try:
        return _store([row for _, row in rows])
    except DataError:
        return sum(_store_somehow(row, each) for each, row in rows)


def _store_somehow(row: DeadLetter, taken: Taken) -> int:
    try:
        return _store([row])
    except DataError as error:  # a value that this database does not take: at least the bytes are kept
        bare = Letter("invalid", "", f"{error}", "", 0, None, None, "", row.group, Original(original_of(taken).body))
        return _store([_row(bare)])


def _store(rows: Sequence[DeadLetter]) -> int:
    with transaction.atomic():
        found = DeadLetter.objects.filter(key__in=[row.key for row in rows])
        known = set(found.values_list("key", flat=True))
        fresh = {row.key: row for row in rows if row.key not in known}
        DeadLetter.objects.bulk_create(fresh.values(), ignore_conflicts=True)  # another collector may have been quicker
        _pass_on({row.task_id for row in fresh.values() if row.task_id})
    return len(fresh)


def _pass_on(task_ids: Iterable[str]) -> None:
    """Of several letters of one task the newest counts."""
    later = Q(last_at__gt=OuterRef("last_at")) | Q(last_at=OuterRef("last_at"), pk__gt=OuterRef("pk"))
    newer = DeadLetter.objects.filter(later, task_id=OuterRef("task_id"))
    DeadLetter.objects.filter(Exists(newer), task_id__in=task_ids).update(state=DeadLetter.State.AGAIN)


def _row(letter: Letter) -> DeadLetter:
    replays = min(headers.count(letter.original.headers, headers.REPLAYS), LARGEST)
    return DeadLetter.of(letter, key=key_of(letter), last_at=letter.last_at or timezone.now(), replays=replays)


def key_of(letter: Letter) -> str:
    """The same for the same letter, whoever collects it and how often; another one when the task dies again."""
    original = letter.original
    counts = [original.headers.get(name) for name in ("retries", headers.LOSSES, headers.REPLAYS)]
    told = json.dumps([original.task_id, letter.last_at, counts], default=str)
    return sha256(told.encode() + original.body).hexdigest()
