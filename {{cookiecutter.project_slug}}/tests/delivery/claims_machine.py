"""A claim as a machine with states, and both stores held against it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis

from workers.delivery.idempotency.database import DatabaseStore
from workers.delivery.idempotency.redis import RedisStore, _name
from workers.delivery.idempotency.stores import Busy, Done, Holder, Store, Taken
from workers.delivery.models.claims import Claim, remove_expired

KEY = "shop.pay:7"
LEASE, TTL = 60.0, 600.0
TASKS = st.sampled_from(["one", "two"])
LOSSES = st.integers(0, 2)


class Claims(RuleBasedStateMachine):
    """What a claim should do, by a model of some lines."""

    store: Store
    #: Whether who ends a claim twice in the same way is told so twice: the client repeats what was not answered.
    answers_twice = False

    def __init__(self) -> None:
        super().__init__()
        self.wipe()
        self.state = "free"
        self.over = False
        self.owner: tuple[int, str, int] | None = None
        self.result = ""
        self.end: tuple[int, str, str] | None = None
        self.tokens: list[int] = []
        self.attempts = 0

    @rule(task=TASKS, losses=LOSSES)
    def take(self, task: str, losses: int) -> None:
        """Somebody wants it."""
        self.attempts += 1
        answer = self.store.take(KEY, Holder(f"holder {self.attempts}", task, losses), LEASE)
        reaped = self.owner is not None and self.owner[1] == task and self.owner[2] < losses
        if self.state == "done" and not self.over:
            assert answer == Done(self.result)
        elif self.state == "running" and not (reaped or self.over):
            assert isinstance(answer, Busy)
            assert 0 <= answer.seconds <= LEASE
        else:
            assert isinstance(answer, Taken)
            assert all(answer.token > before for before in self.tokens)
            self.tokens.append(answer.token)
            self.state, self.over, self.owner, self.end = "running", False, (answer.token, task, losses), None

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), result=st.integers())
    def complete(self, data: st.DataObject, result: int) -> None:
        """Somebody who has or had it is done."""
        token = data.draw(st.sampled_from(self.tokens))
        told = self.store.complete(KEY, token, json.dumps(result), TTL)
        assert told == self.may_end(token, "done", json.dumps(result))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """Somebody who has or had it fails."""
        token = data.draw(st.sampled_from(self.tokens))
        assert self.store.fail(KEY, token, TTL) == self.may_end(token, "failed", "")

    @rule()
    def time_passes(self) -> None:
        """The lease is over, or what is known of the end is forgotten."""
        self.let_expire()
        self.over = self.state != "free"

    @invariant()
    def only_the_holder_holds(self) -> None:
        """By its token."""
        for token in self.tokens:
            holds = self.state == "running" and self.owner is not None and token == self.owner[0]
            if self.state != "free":
                assert self.store.verify(KEY, token) == holds

    def may_end(self, token: int, state: str, result: str) -> bool:
        """Whether this holder may; then it has."""
        if self.state == "running" and self.owner is not None and token == self.owner[0]:
            self.state, self.over, self.result, self.end = state, False, result, (token, state, result)
            return True
        return self.answers_twice and self.end == (token, state, result)

    def wipe(self) -> None:
        """Begin anew."""
        raise NotImplementedError

    def let_expire(self) -> None:
        """Have the store's clock pass the end."""
        raise NotImplementedError


class Database(Claims):
    """The claim as a row, which a duty may remove once it has expired."""

    store = DatabaseStore()

    def wipe(self) -> None:
        """See Claims."""
        Claim.objects.all().delete()

    def let_expire(self) -> None:
        """See Claims."""
        Claim.objects.update(expires_at=Now() - timedelta(seconds=1))

    @rule()
    def clean_up(self) -> None:
        """Rows that are over go, and tokens rise all the same; who was late until now is so for good."""
        assert remove_expired() == self.over
        if self.over:
            self.state, self.over = "free", False


class InRedis(Claims):
    """The claim as a hash, whose expiry is Redis' own."""

    store = RedisStore()
    client: Redis
    answers_twice = True

    def wipe(self) -> None:
        """See Claims."""
        self.client.flushdb()

    def let_expire(self) -> None:
        """See Claims."""
        self.client.delete(_name(KEY))
        self.state, self.end = "free", None


def run(machine: type[Claims], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Try some hundred orders of events."""
    with Redis.from_url(url) as client:
        monkeypatch.setattr("workers.delivery.idempotency.redis._client", lambda _pid: client)
        InRedis.client = client
        checks: Any = [HealthCheck.too_slow]
        how = settings(max_examples=60, stateful_step_count=25, suppress_health_check=checks)
        run_state_machine_as_test(machine, settings=how)
        client.flushdb()
