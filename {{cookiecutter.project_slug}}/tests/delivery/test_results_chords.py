"""A chord's body runs once, after the outage; where it cannot, the chord fails and says so."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import chord, signals, states
from celery.app.task import Context
from kombu.utils.json import dumps, loads

from tests.delivery import work
from tests.delivery.away import Store, another, at_most, relays, until_back
from workers.brokers.redis import chords
from workers.brokers.redis.results import Backend
from workers.delivery.models import KeptResult
from workers.delivery.results.breaker import AwayError
from workers.delivery.results.drain import drain_once

pytestmark = pytest.mark.django_db(transaction=True)

add_up, note_failure = work.answers.add_up, work.answers.note_failure
GROUP, BODY = "the-group", "the-body"


@pytest.fixture
def sent() -> Iterator[list[tuple[str, Any]]]:
    """Names and first arguments of the tasks that are sent."""
    noted: list[tuple[str, Any]] = []

    def note(sender: str, body: Any, **_: Any) -> None:
        noted.append((sender.rpartition(".")[2], *body[0][:1]))

    signals.before_task_publish.connect(note)
    yield noted
    signals.before_task_publish.disconnect(note)


@pytest.fixture
def parts(backend: Backend) -> list[Context]:
    """The parts of a chord of three that was sent."""
    body = add_up.s().on_error(note_failure.si())
    body.freeze(BODY, group_id=GROUP)
    backend.set_chord_size(GROUP, 3)
    # As they arrive in a worker.
    message = loads(dumps(body))
    return [Context(id=f"part-{index}", group=GROUP, group_index=index, chord=message) for index in range(3)]


def _done(backend: Backend, *parts: Context) -> None:
    for part in parts:
        backend.mark_as_done(part.id, part.group_index, part)


def _drained(backend: Backend) -> None:
    """Drain until nothing is left: a claim of somebody who is gone lapses first."""
    from tests.conftest import until

    until_back(backend)
    until(lambda: (drain_once(), not KeptResult.objects.exists())[1], "the drain of all parts")


SENT = [("add_up", [0, 1, 2])]


def test_without_an_outage_it_is_sent_once(backend: Backend, parts: list[Context], sent: list[Any]) -> None:
    """And a part that a broker delivers again, hours later, changes nothing."""
    _done(backend, *parts)
    assert sent == SENT
    assert backend.client.ttl(backend.get_key_for_group(GROUP, ".c")) > 86_390
    _done(backend, parts[1])
    assert sent == SENT
    assert not backend.client.hgetall(chords.SIZELESS)


@pytest.mark.parametrize(
    "strike", [(fault, before) for fault in (("silence", "wake"), ("fill", "make_room")) for before in range(3)]
)
def test_parts_of_an_outage_are_counted_after_it(
    results: Store, backend: Backend, parts: list[Context], sent: list[Any], strike: tuple[tuple[str, str], int]
) -> None:
    """Whichever of them it strikes: the body is sent once, with all results in their order."""
    (begin, end), before = strike
    _done(backend, *parts[:before])
    getattr(results, begin)()
    with at_most(3):
        _done(backend, *parts[before:])
    assert not sent
    getattr(results, end)()
    _drained(backend)
    assert sent == SENT
    assert drain_once() == 0


def test_parts_are_counted_by_several_relays(
    results: Store, backend: Backend, parts: list[Context], sent: list[Any]
) -> None:
    """All at once; and the parts come again from the broker as well."""
    results.silence()
    _done(backend, *parts)
    results.wake()
    until_back(backend)
    relays(3)
    _done(backend, *parts)
    _drained(backend)
    assert sent == SENT


class Lost:
    """A script of the backend before or after which Redis falls silent, once."""

    def __init__(self, script: Callable[..., Any], store: Store, *, carried_out: bool) -> None:
        self.script, self.store, self.carried_out, self.done = script, store, carried_out, False

    def __call__(self, **call: Any) -> Any:
        """Call it."""
        if self.done:
            return self.script(**call)
        self.done = True
        if self.carried_out:
            self.script(**call)
        self.store.silence()
        return self.script(**call)


@pytest.mark.parametrize(
    "step",
    [(script, carried_out) for script in ("part_return", "claim_extend", "cleanup") for carried_out in (0, 1)],
    ids=str,
)
def test_redis_may_go_away_at_any_step(
    results: Store, backend: Backend, parts: list[Context], sent: list[Any], step: tuple[str, int]
) -> None:
    """Between the last part and the body, before or after Redis did what it was told: one body, and no failure."""
    script, carried_out = f"_chord_{step[0]}_script", bool(step[1])
    _done(backend, *parts[:2])
    setattr(backend, script, Lost(getattr(backend, script), results, carried_out=carried_out))
    with at_most(3):
        _done(backend, parts[2])
    results.wake()
    _drained(backend)
    _lapse(backend)
    _done(backend, *parts)
    _drained(backend)
    assert sent == SENT
    assert backend.get_state(BODY) == states.PENDING


def _lapse(backend: Backend) -> None:
    """Let the time pass for which somebody has claimed to send the body."""
    claim = backend.get_key_for_group(GROUP, ".c")
    if backend.client.get(claim) != chords.DONE:
        backend.client.delete(claim)


def test_a_refusal_in_the_middle_keeps_the_chord(backend: Backend, parts: list[Context], sent: list[Any]) -> None:
    """A primary that becomes a replica says no at once; Celery would then delete the chord's size, and with it all."""
    script = backend._chord_claim_extend_script

    def refuse(**_: Any) -> None:
        backend.__dict__["_chord_claim_extend_script"] = script
        raise AwayError("it refuses (READONLY)")

    backend.__dict__["_chord_claim_extend_script"] = refuse
    _done(backend, *parts)
    assert not sent
    _drained(backend)
    assert sent == SENT


def test_a_failed_part_fails_the_chord_after_the_outage(
    results: Store, backend: Backend, parts: list[Context], sent: list[Any]
) -> None:
    """Its errback is called once, and its body's result says why."""
    _done(backend, *parts[:2])
    results.silence()
    backend.mark_as_failure(parts[2].id, ValueError("no such row"), request=parts[2])
    results.wake()
    _drained(backend)
    assert [name for name, *_ in sent] == ["note_failure"]
    assert "no such row" in str(backend.get_result(BODY))
    assert "no such row" in str(another(results).get_result("part-2"))


@pytest.mark.parametrize("kept", [0, 1])
def test_a_chord_whose_count_is_lost_fails(  # noqa: PLR0913, PLR0917 - fixtures
    results: Store, backend: Backend, parts: list[Context], sent: list[Any], monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Redis comes back empty. Celery's chord would wait for ever, without a word."""
    _done(backend, *parts[:2])
    results.stop()
    _done(backend, *parts[3 - kept :])
    results.start()
    until_back(backend)
    _done(backend, parts[2])
    _drained(backend)
    assert not sent  # its parts may still be on their way
    monkeypatch.setattr(chords, "ORPHANED", 0)
    assert drain_once() == 1
    drain_once()
    assert [name for name, *_ in sent] == ["note_failure"]
    assert "is not in Redis" in str(backend.get_result(BODY))
    assert not backend.client.hgetall(chords.SIZELESS)


def test_a_part_that_is_quicker_than_the_sender_is_no_failure(
    backend: Backend, parts: list[Context], sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size is written when the last part is sent."""
    backend.client.delete(backend.get_key_for_group(GROUP, ".s"))
    _done(backend, parts[0])
    backend.set_chord_size(GROUP, 3)
    monkeypatch.setattr(chords, "ORPHANED", 0)
    drain_once()
    assert not backend.client.hgetall(chords.SIZELESS)
    _done(backend, *parts[1:])
    assert sent == SENT


def test_a_chord_is_refused_while_redis_is_known_to_be_away(results: Store, backend: Backend, sent: list[Any]) -> None:
    """Before any of its parts is sent: who sends it learns it at once, and can try again."""
    results.stop()
    backend.store_result("any", 1, states.SUCCESS)
    with at_most(0.5), pytest.raises(AwayError, match="the Redis of results"):
        chord([add_up.s([1]), add_up.s([2])])(add_up.s())
    assert not sent
