"""Tasks that are late are dropped instead of run: `expires`, on a task or where it is sent.

Celery looks when a worker receives a message and when it hands it to its pool. A pool of threads or greenlets has a
queue of its own, in which a task may wait for long; so it is looked at once more before it begins.
"""

from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import signals
from celery.contrib.django.task import DjangoTask
from celery.exceptions import Ignore


class Deadlines(DjangoTask[Any, Any]):
    """The part of the base task that knows the time. Celery's own `expires` is the setting.

    On a task (`@shared_task(expires=30)`) it counts, in seconds, from each sending; where a task is sent it may be a
    moment, too. Retries, losses and replays keep the first one. Clocks are the hosts': the sender's and the worker's.
    """

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Celery's hook before each run: drop the task if it is late."""
        if self.request.expires and _is_past(self.request.expires):
            # As Celery does it in the main process, which has handed the task over and cannot.
            self.backend.mark_as_revoked(task_id, "expired", request=self.request, store_result=self._stores_errors())
            signals.task_revoked.send(self, request=self.request, terminated=False, signum=None, expired=True)
            raise Ignore("expired")
        super().before_start(task_id, args, kwargs)

    def fix_deadline(self, options: MutableMapping[str, Any]) -> None:
        """Turn seconds into the moment they mean, before the task waits anywhere: for a commit, say, or a relay.

        Raises ValueError for a number that is none of seconds to come.
        """
        expires = options.get("expires", self.expires)
        if not isinstance(expires, int | float):
            return
        if expires <= 0:
            raise ValueError(f"{self.name} was sent with expires={expires!r}: expected seconds from now, above 0")
        options["expires"] = datetime.now(UTC) + timedelta(seconds=expires)

    def _stores_errors(self) -> bool:
        return not self.request.ignore_result or bool(self.store_errors_even_if_ignored)


def connect() -> None:
    """Have late tasks reach a worker, which says so: telemetry logs each as `task_revoked`, with `expired: true`."""
    signals.before_task_publish.connect(_keep_when_late)


def _keep_when_late(properties: MutableMapping[str, Any], **_: object) -> None:
    # RabbitMQ would drop a late message into the dead letters, without a word to whoever asks for its state.
    properties.pop("expiration", None)


def _is_past(expires: Any) -> bool:
    moment = datetime.fromisoformat(expires) if isinstance(expires, str) else expires
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) <= datetime.now(UTC)
