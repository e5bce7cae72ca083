"""Keeps what Redis cannot take, and finds it again; says what could not be kept anywhere."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from time import monotonic
from typing import Final, TypeVar

import structlog

from workers.delivery.results.breaker import AwayError, Breaker
from workers.delivery.results.journal import Entry, Journal

#: Seconds a call of the journal may take. With the second that Redis is waited for: what a worker's main process bears.
LIMIT: Final = 1.5
#: Seconds for which the journal is taken for empty, or not, as it was found. Who asks for the state of a task that is
#: still to run would else ask the database each time; a result that was kept is seen that much later.
LOOK_AGAIN: Final = 1.0

logger = structlog.get_logger(__name__)

T = TypeVar("T")


class Keeper:
    """The journal as the backend of results uses it: every call ends soon, and none raises."""

    def __init__(self, open_journal: Callable[[], Journal]) -> None:
        """Nothing is opened before the first use."""
        self._open = open_journal
        self._journal: Journal | None = None
        # What fails quickly may be better for the next result: only what is waited for is not tried again for a while.
        self._breaker = Breaker("the fallback store of results", outages=(TimeoutError,), refusals=(Exception,))
        self._is_empty = True
        self._look_at = 0.0
        self._process = 0

    @property
    def journal(self) -> Journal:
        """The journal itself: for the drain, which may take its time."""
        if self._journal is None or self._process != os.getpid():  # a child must not share its parent's connections
            self._journal, self._process = self._open(), os.getpid()
        return self._journal

    def keep(self, entry: Entry, reason: AwayError) -> None:
        """Write down an entry that Redis could not take for this reason. Where the journal is away, too, it is lost."""
        try:
            self._call(lambda journal: journal.add(entry))
        except AwayError as error:
            lost = {"kind": entry.kind, "key": entry.key, "state": entry.state}
            logger.critical("result_lost", **lost, reason=str(reason), fallback=str(error))
        else:
            self._is_empty = False

    def recall(self, keys: Iterable[str]) -> Mapping[str, Entry]:
        """What is kept under these keys, the one that holds of each."""
        try:
            if self._has_nothing():
                return {}
            found = self._call(lambda journal: journal.find(keys))
        except AwayError:
            return {}
        return {entry.key: entry for entry in sorted(found, key=lambda entry: entry.rank)}

    def forget(self, key: str) -> None:
        """Remove what is kept under this key. Raises AwayError."""
        if handles := [entry.handle for entry in self._call(lambda journal: journal.find([key]))]:
            self._call(lambda journal: journal.remove(handles))

    def _has_nothing(self) -> bool:
        now = monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_AGAIN  # also where it is away
            self._is_empty = self._call(lambda journal: journal.is_empty())
        return self._is_empty

    def _call(self, work: Callable[[Journal], T]) -> T:
        with self._breaker:
            return self.journal.within(LIMIT, partial(work, self.journal))


def open_journal(url: str, project: str, ca_file: str | None) -> Journal:
    """The journal that RESULT_FALLBACK_URL names, or the database's where it is empty.

    Imported only here: boto3 takes 0.3 s and 30 MiB, and the table's model wants Django to be set up.
    """
    if not url:
        table: Journal = import_module("workers.delivery.results.table").Table()
        return table
    bucket: Journal = import_module("workers.delivery.results.bucket").Bucket.of_url(url, project, ca_file)
    return bucket
