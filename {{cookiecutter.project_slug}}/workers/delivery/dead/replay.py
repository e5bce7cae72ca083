"""Sends dead letters again: as they were, to where their task is routed now, and each of them once."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from kombu import Queue

from config.celery import app
from workers.delivery import headers
from workers.delivery.dead.letter import CONTENT_TYPE, MESSAGE_LIMIT
from workers.delivery.dead.values import moment, plain
from workers.delivery.models.letters import DeadLetter, Replay
from workers.delivery.outlet import REFUSALS
from workers.delivery.size import LARGEST_BODY
from workers.derive.routes import UnroutedTaskError

#: Replays after which a letter is taken to die again: then somebody has to look, and say so.
MOST_REPLAYS: Final = 3
#: Headers that would give the replay up at once, or hold it back: of its way here, and of a time that has passed.
#: `retries` begins anew as well, `losses` goes on: what kills processes gets one process more.
DROPPED: Final = (
    headers.DELIVERIES,
    "eta",
    "x-death",
    "x-delivery-count",
    *(f"x-{which}-death-{what}" for which in ("first", "last") for what in ("exchange", "queue", "reason")),
)


@dataclass(frozen=True)
class Outcome:
    """What became of one letter."""

    letter: DeadLetter
    queue: str = ""
    refusal: str = ""
    """Why it was not sent."""
    is_broken: bool = False
    """The broker did not take it: the next ones need not be tried."""


def replay(letters: Iterable[DeadLetter], by: str, *, rate: float, force: bool = False) -> Iterator[Outcome]:
    """Send the letters again, `rate` a second at most, and say of each what became of it.

    Ends with the first one that the broker does not take. `by`: who wants it, for the record.
    """
    pause = 1 / rate
    due = time.monotonic()
    for letter in letters:
        outcome = replay_one(letter, by, force=force)
        yield outcome
        if outcome.is_broken:
            return
        if not outcome.refusal:
            due = max(due, time.monotonic() - pause) + pause
            time.sleep(max(0, due - time.monotonic()))


def replay_one(letter: DeadLetter, by: str, *, force: bool = False) -> Outcome:
    """Send one letter again, unless there is a reason not to."""
    refusal = refused(letter, force=force)
    if refusal:
        return Outcome(letter, refusal=refusal)
    queue = queue_of(letter)
    record = _claim(letter, by, queue.name)
    if record is None:
        return Outcome(letter, refusal="somebody else was quicker")
    try:
        _publish(letter, queue)
    except REFUSALS as error:
        return _given_back(letter, record, error)
    Replay.objects.filter(pk=record.pk).update(sent_at=timezone.now())
    return Outcome(letter, queue.name)


def planned(letter: DeadLetter, *, force: bool = False) -> Outcome:
    """What `replay_one` would do, as far as that can be known."""
    refusal = refused(letter, force=force)
    return Outcome(letter, "" if refusal else queue_of(letter).name, refusal)


def refused(letter: DeadLetter, *, force: bool = False) -> str:
    """Why the letter is not to be sent again; empty where nothing speaks against it."""
    return _impossible(letter) or ("" if force else _unwise(letter))


def queue_of(letter: DeadLetter) -> Queue:
    """Where the task goes today; raises UnroutedTaskError."""
    queue: Queue = app.amqp.router.route({}, letter.task)["queue"]
    return queue


def _impossible(letter: DeadLetter) -> str:
    if not letter.task:
        return "the message names no task"
    try:
        queue_of(letter)
    except UnroutedTaskError as error:
        return str(error)
    size = len(letter.body)
    return f"{size} bytes of arguments are more than a message may have ({LARGEST_BODY})" if size > LARGEST_BODY else ""


def _unwise(letter: DeadLetter) -> str:
    """What --force overrides."""
    if letter.state == DeadLetter.State.REPLAYED:
        return "was sent again and has not come back: it waits, runs, or is done"
    if letter.state == DeadLetter.State.AGAIN:
        return "there is a newer letter of this task"
    if letter.replays >= MOST_REPLAYS:
        return f"was sent again {letter.replays} times already"
    if letter.task not in app.tasks:
        return "this release has no such task"
    deadline = moment(letter.original.headers.get("expires"))
    if deadline and deadline < timezone.now():
        return f"it was to be done by {timezone.localtime(deadline):%Y-%m-%d %H:%M:%S}"
    return ""


def _claim(letter: DeadLetter, by: str, queue: str) -> Replay | None:
    """Note that it is sent, before it is: of two who want it one gets it."""
    with transaction.atomic():
        ours = DeadLetter.objects.filter(pk=letter.pk, state=letter.state)
        if not ours.update(state=DeadLetter.State.REPLAYED):
            return None
        return Replay.objects.create(letter=letter, number=letter.replays + 1, by=by, queue=queue)


def _given_back(letter: DeadLetter, record: Replay, error: Exception) -> Outcome:
    """It may have arrived all the same, so the record says what was tried."""
    said = plain(f"{type(error).__name__}: {error}", MESSAGE_LIMIT)
    with transaction.atomic():
        Replay.objects.filter(pk=record.pk).update(error=said)
        DeadLetter.objects.filter(pk=letter.pk).update(state=letter.state)
    return Outcome(letter, refusal=f"the broker did not take it: {said}", is_broken=True)


def _publish(letter: DeadLetter, queue: Queue) -> None:
    original = letter.original
    described = ("content_type", "content_encoding")
    with app.producer_or_acquire() as producer:
        producer.publish(
            original.body,
            exchange=queue.exchange,
            routing_key=queue.routing_key,
            declare=[queue],
            headers=_headers(original.headers, letter.replays + 1),
            content_type=original.properties.get("content_type") or CONTENT_TYPE,
            content_encoding=original.properties.get("content_encoding"),
            retry=True,
            retry_policy=app.conf.task_publish_retry_policy,
            **{name: value for name, value in original.properties.items() if name not in described},
        )


def _headers(was: Mapping[str, Any], number: int) -> dict[str, Any]:
    headers_now = {name: value for name, value in was.items() if name not in DROPPED}
    deadline = moment(was.get("expires"))
    if deadline and deadline < timezone.now():
        del headers_now["expires"]  # whoever sends it all the same wants it run
    retries = {"retries": 0} if "retries" in was else {}
    return {**headers_now, **retries, headers.REPLAYS: number}
