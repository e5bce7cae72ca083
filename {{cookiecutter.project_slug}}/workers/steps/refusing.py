"""How the consumer takes messages: one that cannot be run becomes a dead letter, and the queue moves on."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from celery import signals
from celery.exceptions import InvalidTaskError, NotRegistered
from celery.utils.log import get_logger
from celery.utils.objects import Bunch
from kombu.exceptions import ContentDisallowed

from workers.delivery import unsent
from workers.delivery.dead.letter import Letter, Reason, send
from workers.delivery.outlet import NotSentError
from workers.delivery.size import MessageTooLargeError
from workers.delivery.strategy import DATA_ERRORS, RefusedError, inspect
from workers.process import current_group
from workers.supervision.pulse import pulse

logger = structlog.get_logger(__name__)
#: Kombu wants a logger of the standard library for what it cannot acknowledge.
_log = get_logger(__name__)


class Refusing:
    """To be mixed into Celery's Consumer."""

    app: Any
    connection_errors: tuple[type[Exception], ...]

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], None]:
        """What is called with each message: Celery's own handler, behind a look at the message."""
        handle = super().create_task_handler(*arguments, **options)  # type: ignore[misc]
        tasks = self.app.tasks

        def on_task_received(message: Any) -> None:
            pulse.receive(message)
            try:
                inspect(message, tasks)
                handle(message)
            except RefusedError as refused:
                self.refuse(message, refused.reason, refused.error)
            except DATA_ERRORS as error:  # what inspect() did not foresee; on Redis a KeyError would end the connection
                self.refuse(message, "invalid", error)

        return on_task_received

    def on_unknown_task(self, _body: Any, message: Any, exc: Exception) -> None:
        """Nobody registered a task of this name here."""
        name, task_id = message.headers["task"], message.headers["id"]
        error = NotRegistered(name)
        self.refuse(message, "unknown task", error)
        signals.task_unknown.send(sender=self, message=message, exc=exc, name=name, id=task_id)
        properties = message.properties
        asked_by = Bunch(
            name=name,
            chord=None,
            root_id=message.headers.get("root_id"),
            correlation_id=properties.get("correlation_id"),
            reply_to=properties.get("reply_to"),
            errbacks=None,
        )
        with suppress(Exception):  # whoever waits for its result learns of it where the store is there
            self.app.backend.mark_as_failure(task_id, error, request=asked_by)

    def on_invalid_task(self, _body: Any, message: Any, exc: Exception) -> None:
        """Celery could not make a task of it."""
        self.refuse(message, "not decodable" if isinstance(exc, ContentDisallowed) else "invalid", exc)

    def on_unknown_message(self, _body: Any, message: Any) -> None:
        """It is no task."""
        self.refuse(message, "invalid", InvalidTaskError("it is no task"))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Its body is not what its headers say."""
        self.refuse(message, "too large" if isinstance(exc, MessageTooLargeError) else "not decodable", exc)

    def refuse(self, message: Any, reason: Reason, error: Exception) -> None:
        """Put the message away as a dead letter, then acknowledge it; without its arguments in the log."""
        headers = message.headers if isinstance(message.headers, dict) else {}
        name, task_id = (str(headers.get(key))[:100] for key in ("task", "id"))
        logger.error("message_refused", reason=reason, error=str(error)[:500], task=name, task_id=task_id)
        signals.task_rejected.send(sender=self, message=message, exc=error)
        done = partial(message.ack_log_error, _log, self.connection_errors)
        if message.acknowledged:
            return
        group = current_group()
        if group and group.transient:
            done()
            return
        deliver = partial(send, Letter.of_message(message, reason, error), self.app)
        try:
            deliver()
        except NotSentError as not_sent:
            unsent.keep(unsent.Unsent(name, task_id, deliver, done, is_held=True), not_sent)
        else:
            done()
