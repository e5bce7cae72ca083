"""Claims in the project's database: they commit and roll back with what the task did."""

from datetime import timedelta
from functools import cache
from typing import Final

from django.db import InterfaceError, OperationalError, connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from workers.delivery.clock import in_sql
from workers.delivery.idempotency.stores import Answer, Busy, Done, Holder, Taken
from workers.delivery.models.claims import Claim

#: One statement, so that of two hundred who come at once one gets a row back.
TAKE: Final = """
INSERT INTO delivery_claim (key, state, token, tries, holder, task_id, losses, claimed_at, expires_at, result)
VALUES (%s, 'running', {token}, 1, %s, %s, %s, {now}, {later}, '')
ON CONFLICT (key) DO UPDATE SET
    state = excluded.state, tries = delivery_claim.tries + 1,
    token = {higher}(excluded.token, delivery_claim.token + 1),
    holder = excluded.holder, task_id = excluded.task_id, losses = excluded.losses,
    claimed_at = excluded.claimed_at, expires_at = excluded.expires_at, result = excluded.result
WHERE delivery_claim.state = 'failed' OR delivery_claim.expires_at <= {now}
    OR (delivery_claim.state = 'running'
        AND delivery_claim.task_id = excluded.task_id AND delivery_claim.losses < excluded.losses)
RETURNING token, tries
"""


class DatabaseStore:
    """The store for what must be done once. Times are the database's, so hosts need not agree on them."""

    away: tuple[type[Exception], ...] = (OperationalError, InterfaceError)

    def take(self, key: str, holder: Holder, lease: float) -> Answer:
        """See Store."""
        with connection.cursor() as cursor:
            cursor.execute(_take(connection.vendor), [key, holder.name, holder.task_id, holder.losses, lease])
            row = cursor.fetchone()
        return Taken(*row) if row else self._held(key)

    def complete(self, key: str, token: int, result: str, ttl: float) -> bool:
        """See Store. The row stays locked until the transaction ends, so nobody takes the claim over meanwhile."""
        kept_until = Now() + timedelta(seconds=ttl)
        return bool(_running(key, token).update(state=Claim.State.DONE, result=result, expires_at=kept_until))

    def fail(self, key: str, token: int, ttl: float) -> bool:
        """See Store."""
        kept_until = Now() + timedelta(seconds=ttl)
        return bool(_running(key, token).update(state=Claim.State.FAILED, expires_at=kept_until))

    def verify(self, key: str, token: int) -> bool:
        """See Store. The row stays locked until the transaction ends."""
        return _running(key, token).select_for_update().exists()

    def _held(self, key: str) -> Answer:
        claim = Claim.objects.filter(pk=key).annotate(now=Now()).first()
        if claim is None:  # cleaned up in between
            return Busy(seconds=0)
        if claim.state == Claim.State.DONE:
            return Done(claim.result)
        return Busy((claim.expires_at - claim.now).total_seconds())


def _running(key: str, token: int) -> QuerySet[Claim]:
    return Claim.objects.filter(pk=key, token=token, state=Claim.State.RUNNING)


@cache
def _take(_vendor: str) -> str:
    return in_sql(TAKE)
