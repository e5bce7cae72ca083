"""Chords through an outage of the Redis that counts their parts.

A part that cannot be counted is kept, and counted when Redis is back: the body runs once, later. Counting is idempotent
(Celery's script knows each part), and so is sending the body: whoever counts the last part claims it for some seconds,
in the same script, and notes that it was sent. Where that note cannot be written it is kept, too.

A chord whose size is gone (Redis came back empty), or was never written (its sender died in the middle), would wait for
ever without a word. It is noted as such, and failed after ORPHANED seconds: the body's errbacks are called.
"""

import logging
import sys
import threading
from functools import cached_property
from time import time
from typing import Any, Final

import structlog
from celery import maybe_signature, states
from celery.app.task import Context
from celery.backends.redis import CHORD_CLEANUP_LUA, CHORD_PART_RETURN_LUA, RedisBackend
from celery.exceptions import ChordError
from kombu.utils.encoding import ensure_bytes
from kombu.utils.json import dumps, loads

from workers.delivery.results.breaker import AwayError, Breaker
from workers.delivery.results.journal import PART, SENT, Entry, Kind
from workers.delivery.results.keeper import Keeper

logger = structlog.get_logger(__name__)
# Celery calls it an error that a part could not be counted; it is kept, and the breaker has said what is away.
logging.getLogger("celery.backends.redis").addFilter(lambda line: not isinstance((line.exc_info or "  ")[1], AwayError))

#: Seconds after which a chord without a size is given up. Its size is written before its last part is sent: a sender of
#: a hundred thousand parts needs two minutes for them.
ORPHANED: Final = 300
#: Seconds for which one relay alone tells that a chord failed.
TELLING: Final = 60
#: A hash in Redis: the group of a chord without a size, and what is known of it.
SIZELESS: Final = "chords-without-size"
#: What Celery's scripts write where the body of a chord was sent; no part counts any more then.
DONE: Final = b"done"


class Chords(RedisBackend):
    """Counts the parts of chords."""

    guard: Breaker
    keeper: Keeper

    def __init__(self, *args: Any, **options: Any) -> None:
        """As Celery's."""
        super().__init__(*args, **options)
        self._reply = threading.local()

    def apply_chord(self, header_result_args: Any, body: Any, **options: Any) -> None:
        """Prepare a chord. Where Redis is known to be away, raises AwayError before any part is sent."""
        self.guard.refuse()
        super().apply_chord(header_result_args, body, **options)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_: Any) -> None:
        """Count a part; the last one sends the body. If Redis is away both happen later."""
        if not request.group or not request.id:
            return
        try:
            self.count_part(request, state, result)
        except AwayError as away:
            part = {name: getattr(request, name, None) for name in ("id", "group", "group_index", "chord")}
            self._keep(PART, request.id, {"part": part, "result": self.encode_result(result, state)}, away, state)

    def count_part(self, request: Any, state: str, result: Any) -> None:
        """Count a part, or raise AwayError."""
        super().on_chord_part_return(request, state, result)
        count, _, size, _ = self._reply.counted
        if count >= 0 and size is None:
            note = dumps({"chord": request.chord, "since": time()})
            self.client.hsetnx(SIZELESS, request.group, note)

    def count_kept(self, entry: Entry) -> bool:
        """Count a part that was kept. False where its chord has all parts but no body yet, so it is to come again."""
        kept = self.decode(entry.value)
        request = Context(kept["part"])
        self.count_part(request, entry.state, kept["result"])
        key = {name: self.get_key_for_group(request.group, f".{name}") for name in "cstj"}
        with self.client.pipeline(transaction=False) as pipe:
            pipe.get(key["c"]).get(key["s"]).get(key["t"])
            (pipe.zcard if self._chord_zset else pipe.llen)(key["j"])
            claim, size, more, count = pipe.execute()
        # Somebody's claim that is neither done nor lapsed: who holds it sends the body now, or is dead.
        return claim == DONE or size is None or count < int(size) + int(more or 0)

    def note_sent(self, entry: Entry) -> bool:
        """Note that the body of a chord was sent, so that no part sends it again."""
        keys = self.decode(entry.value)
        self.client.set(keys[0], DONE, ex=self.chord_expires)
        self.client.delete(*keys[1:])
        return True

    def fail_sizeless(self) -> int:
        """Fail the chords that have had no size for too long; how many."""
        failed = 0
        for group, note in self.client.hgetall(SIZELESS).items():
            known = loads(note)
            if time() - known["since"] >= ORPHANED:
                failed += self._fail_unless_settled(group.decode(), known["chord"])
                self.client.hdel(SIZELESS, group)
        return failed

    def chord_error_from_stack(self, callback: Any, exc: Any = None) -> Any:
        """Fail a chord; but not because Redis went away between its last part and the body: that is tried again."""
        if isinstance(error := sys.exc_info()[1], AwayError):
            self.guard.open(error)  # Celery goes on to delete the chord's size, which must stay
            raise error
        return super().chord_error_from_stack(callback, exc)

    def _fail_unless_settled(self, group: str, chord: Any) -> bool:
        claim, size = (self.get_key_for_group(group, name) for name in (".c", ".s"))
        body: Any = maybe_signature(chord, app=self.app)
        if self.client.exists(size) or self.get_state(body.id) in states.READY_STATES:
            return False
        if not self.client.set(claim, "telling", nx=True, ex=TELLING):
            return False
        try:
            raise ChordError(f"the size of chord {group} is not in Redis, or no longer")  # noqa: TRY301
        except ChordError as error:  # Celery takes the traceback from here
            logger.exception("chord_lost", group=group, body=body.id)
            self.chord_error_from_stack(body, error)
        self.client.set(claim, DONE, ex=self.chord_expires)
        return True

    @cached_property
    def _chord_part_return_script(self) -> Any:
        count = self.client.register_script(CHORD_PART_RETURN_LUA)

        def counted(**call: Any) -> Any:
            self._reply.counted = count(**call)
            return self._reply.counted

        return counted

    @cached_property
    def _chord_cleanup_script(self) -> Any:
        clean_up = self.client.register_script(CHORD_CLEANUP_LUA)

        def cleaned_up(keys: list[Any], args: list[Any], client: Any) -> Any:
            try:
                # Celery forgets after some minutes that the body was sent; Redis gives tasks back after hours.
                return clean_up(keys=keys, args=[args[0], self.chord_expires], client=client)
            except AwayError as away:
                self._keep(SENT, keys[0].decode(), [key.decode() for key in keys], away)
                return True

        return cleaned_up

    def _keep(self, kind: Kind, key: str, value: Any, away: AwayError, state: str = states.SUCCESS) -> None:
        self.keeper.keep(Entry(kind, key, state, ensure_bytes(self.encode(value)), self.chord_expires), away)
