"""What a worker's main process does with a task whose run did not end well.

Celery acknowledges such a task, or gives it back without counting. Here it is acknowledged once its next run or its
dead letter is with the broker; what was acknowledged early waits in memory for that.
"""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import structlog
from celery.exceptions import Ignore, Reject, Retry, Terminated, TimeLimitExceeded, WorkerLostError
from celery.worker import request
from celery.worker.state import task_ready

from workers.delivery import unsent
from workers.delivery.again import send_again
from workers.delivery.dead.letter import Letter, Reason, send
from workers.delivery.headers import DELIVERIES, LOSSES, count
from workers.delivery.outlet import NotSentError

#: Ends of a run that no dead letter is written of: the task was revoked, sent again by itself, or wants no result.
NO_FAILURE: Final = (Terminated, Retry, Ignore)
#: Ends of the process, not of the task: it was killed or crashed, the task left it by sys.exit, it had no memory left.
DEATH: Final = (WorkerLostError, SystemExit, KeyboardInterrupt, MemoryError)

logger = structlog.get_logger(__name__)


class Request(request.Request):
    """A task in the hands of the worker; `Task.Request` names it."""

    #: Not acknowledged until the broker has taken what takes its place, or at all: it was stopped.
    _held = False
    _is_buried = False

    def on_failure(
        self,
        exc_info: Any,
        send_failed_event: bool = True,  # noqa: FBT002 - Celery's signature
        return_ok: bool = False,  # noqa: FBT002
    ) -> None:
        """The run ended by an exception, or with its process."""
        error = _raised(exc_info)
        if isinstance(error, DEATH):
            if not isinstance(error, WorkerLostError):
                exc_info = self._worker_lost_info(error)
            if self._is_stopped or self._runs_again(exc_info):
                return
        elif not self._is_stopped and not _is_no_failure(error):
            self._bury("time limit" if isinstance(error, TimeLimitExceeded) else "failed", exc_info)
        super().on_failure(exc_info, send_failed_event, return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """A time limit struck, in seconds; where it is the hard one, the process is about to be killed."""
        if self._already_cancelled:
            return  # Celery would acknowledge it
        if not soft:
            self._bury("time limit", SimpleNamespace(exception=TimeLimitExceeded(timeout), traceback=""))
        super().on_timeout(soft, timeout)

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:  # noqa: FBT002 - Celery's
        """Stop the task, because the worker stops or has lost its connection, and see that it runs elsewhere."""
        self._held = pool.is_green  # a greenlet that is killed looks as if it had succeeded
        try:
            super().cancel(pool, signal, emit_retry)
        except NotImplementedError:
            # No thread can be stopped; the worker waits until the task is done.
            logger.info("task_not_stopped", task=self.name, task_id=self.id)
            return
        if self.acknowledged:
            deliveries = count(self.message.headers, DELIVERIES) + 1
            self._hand_over(partial(send_again, self.message, self.app, {DELIVERIES: deliveries}))
            logger.info("task_given_back", task=self.name, task_id=self.id, deliveries=deliveries)

    def acknowledge(self) -> None:
        """Let the broker forget the message, unless nothing has taken its place yet."""
        if not self._held:
            super().acknowledge()

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT002 - Celery's signature
        """Give the message back; what is not to be run again has its dead letter already."""
        if requeue:
            super().reject(requeue=True)
        else:
            self.acknowledge()

    @property
    def _is_stopped(self) -> bool:
        """Whether the worker itself ended the run, and has seen to the message."""
        return bool(self._already_cancelled or self._already_revoked)

    def _runs_again(self, exc_info: Any) -> bool:
        """Send the task again after its process died; False where it had succeeded before, or died too often."""
        if self._success_was_stored():
            return False
        losses = count(self.message.headers, LOSSES) + 1
        if losses > self.task.max_losses:
            self._bury("lost", exc_info)
            return False
        pause = self.task.pause_after_loss(losses)
        task_ready(self)
        self._hand_over(partial(send_again, self.message, self.app, {LOSSES: losses}, pause))
        self.acknowledge()
        reason, when = str(_raised(exc_info)), f"in {pause:.0f} s"
        logger.warning("task_sent_again", task=self.name, task_id=self.id, losses=losses, reason=reason, next_run=when)
        self.send_event("task-retried", exception=reason, traceback="")
        return True

    def _bury(self, reason: Reason, exc_info: Any) -> None:
        """Write the task's dead letter, one."""
        if self._is_buried or not self.task.dead_letter:
            return
        self._is_buried = True
        self._hand_over(partial(send, Letter.of_request(self, exc_info, reason), self.app))

    def _hand_over(self, deliver: Callable[[], None]) -> None:
        """Give the broker what takes the message's place; where it does not take it, keep both."""
        try:
            deliver()
        except NotSentError as error:
            is_held = self._held = not self.acknowledged
            unsent.keep(unsent.Unsent(str(self.name), str(self.id), deliver, self._release, is_held), error)

    def _release(self) -> None:
        self._held = False
        self.acknowledge()


def _raised(exc_info: Any) -> Any:
    """The exception itself, which the pool wraps when it comes from a child."""
    error = exc_info.exception
    return error.exc if isinstance(error, request.ExceptionWithTraceback) else error


def _is_no_failure(error: Any) -> bool:
    return isinstance(error, NO_FAILURE) or (isinstance(error, Reject) and bool(getattr(error, "requeue", False)))
