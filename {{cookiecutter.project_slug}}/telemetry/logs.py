"""Logs: one JSON object a line in production, coloured lines on a terminal.

Everything that logs, in our code or in a library's, passes through the same processors, so that each line carries the
request_id of the web request it began with and, inside a task, task_id, task, queue, group and retries.
"""

import logging
import logging.config
import os
import sys
from http import HTTPStatus
from typing import Any, Final

import structlog
from billiard.exceptions import TimeLimitExceeded
from celery import signals
from celery.app import trace
from django.conf import settings
from django.http import HttpResponseBase
from django_structlog.celery import signals as task_signals
from django_structlog.celery.receivers import CeleryReceiver
from django_structlog.signals import bind_extra_request_finished_metadata, update_failure_response
from structlog.typing import EventDict, Processor

from config.env import Environment, environment
from workers.process import group_name

PROBES = ("/healthz", "/readyz")
UNREMARKABLE = (*PROBES, "/static/")  # no line while they are answered as they should be
# What a task inherits from whoever sent it; the sender's own task, queue and retries would be wrong there.
INHERITED = ("request_id", "parent_task_id")
ACCESS_FIELDS = ("method", "path", "status", "bytes", "duration_ms", "request_id")

# Who brings handlers of its own; an empty list takes them away.
ONLY_ROOT: dict[str, Any] = {"handlers": [], "propagate": True}
OWN_HANDLERS = ("django", "django.server", "gunicorn.access", "gunicorn.error")

# Who is told to be quieter than LOG_LEVEL, because another line already says it.
QUIET = {
    "celery.app.trace": "WARNING",  # task_succeeded and task_retrying; its own line shows the task's result
    "celery.worker.strategy": "WARNING",  # task_started
    "django.request": "ERROR",  # the access log has the 4xx
    "django_structlog.middlewares.request": "CRITICAL",  # the access log, and django.request for exceptions
    "flower.command": "WARNING",  # a list of all tasks
    "flower.inspector": "ERROR",  # workers that have not started yet
    "kombu.mixins": "WARNING",  # where Flower connected to
    "multiprocessing": "WARNING",  # "child process 123 calling self.run()"
}

# Celery's own lines about a failure, the first of which shows the arguments; task_failed has the same exception.
FAILED = (trace.LOG_FAILURE.strip(), "Task handler raised error: ", "Hard time limit ")


class LineFilter(logging.Filter):
    """Drops lines that say nothing new, and turns gunicorn's access line into fields.

    It sits on the handler: a second configuration makes handlers anew, while loggers keep the filters they have.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.name == "gunicorn.access":
            access = _read_access(record)
            return access["status"] >= HTTPStatus.BAD_REQUEST or not access["path"].startswith(UNREMARKABLE)
        if record.name == "django.request":  # not_ready has said which component it was
            return getattr(record.__dict__.get("request"), "path", "") not in PROBES
        return not str(record.msg).startswith(FAILED)


def _read_access(record: logging.LogRecord) -> dict[str, Any]:
    """Read the fields from gunicorn's atoms; the query string stays out, it may hold a token."""
    atoms: dict[str, Any] = record.args if isinstance(record.args, dict) else {}
    fields = {
        "method": atoms["m"],
        "path": atoms["U"],
        "status": int(atoms["s"]),
        "bytes": atoms["B"],
        "duration_ms": round(atoms["D"] / 1000, 1),
        "request_id": atoms.get("{x-request-id}o"),
    }
    record.msg, record.args = "request", ()
    record.__dict__.update(fields)
    return fields


def django_logging(env: Environment) -> dict[str, Any]:
    """`LOGGING`: one handler on standard error for everybody, because standard output belongs to commands."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"lines": {"()": LineFilter}},
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _shared(env),
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(env)],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines", "filters": ["lines"]}},
        "root": {"handlers": ["stderr"], "level": env.log_level},
        "loggers": {
            **{name: {"level": level} for name, level in QUIET.items()},
            **dict.fromkeys(OWN_HANDLERS, ONLY_ROOT),
            # billiard cuts this one off from the root each time it looks at it.
            "multiprocessing": {"handlers": ["stderr"], "level": QUIET["multiprocessing"]},
        },
    }


def _shared(env: Environment) -> list[Processor]:
    """What every line passes through, whoever wrote it."""
    console = env.log_format == "console"
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        structlog.stdlib.ExtraAdder(allow=ACCESS_FIELDS),  # not all: Celery's hold the arguments of tasks
        _one_line,
    ]


def _one_line(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Join the lines of a warning: it comes with its source code."""
    if event.get("logger") == "py.warnings":
        event["event"] = " ".join(str(event["event"]).split())
    return event


def _renderers(env: Environment) -> list[Processor]:
    # Without local variables: they hold arguments of tasks and passwords. And structlog's way of showing them on a
    # console looks through all they refer to, for minutes in a web process, while every other thread waits to log.
    if env.log_format == "console":
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=_in_colour(), sort_keys=False, exception_formatter=plain)]
    transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(transform), structlog.processors.JSONRenderer(default=str)]


def _in_colour() -> bool:
    return not os.environ.get("NO_COLOR") and (bool(os.environ.get("FORCE_COLOR")) or sys.stderr.isatty())


#: One list for good: a logger that was used before a further `configure` follows it, too.
_PROCESSORS: Final[list[Processor]] = []


def configure(options: dict[str, Any]) -> None:
    """Set up structlog and the standard library's logging; `LOGGING_CONFIG`, and gunicorn's before Django is loaded."""
    _PROCESSORS[:] = [
        structlog.stdlib.filter_by_level,
        *_shared(environment()),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ]
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(options)
    logging.captureWarnings(capture=True)


class Receiver(CeleryReceiver):
    """django-structlog's, made to say enough where a worker's main process reports what its child could not."""

    _timed_out: str | None = None

    def receiver_task_failure(self, *args: Any, **kwargs: Any) -> None:
        """Name the task as well; and once only: Celery reports a hard time limit twice."""
        task_id = kwargs.get("task_id")
        if isinstance(kwargs.get("exception"), TimeLimitExceeded):
            if task_id == self._timed_out:
                return
            self._timed_out = task_id
        with structlog.contextvars.bound_contextvars(task=kwargs["sender"].name, group=group_name()):
            super().receiver_task_failure(*args, **kwargs)


# It lives here because signals only hold it weakly.
_receiver = Receiver()


def connect() -> None:
    """Connect to Celery's and django-structlog's signals.

    One receiver for all processes: django-structlog's own boot step connects a second one in workers, which doubles
    task_enqueued, and does not exist in spawned children at all.
    """
    _receiver.connect_worker_signals()
    signals.setup_logging.connect(_configure_worker)
    signals.celeryd_after_setup.connect(_configure_spawned)
    signals.task_postrun.connect(_forget_task)
    task_signals.modify_context_before_task_publish.connect(_pass_on)
    task_signals.bind_extra_task_metadata.connect(_bind_task)
    bind_extra_request_finished_metadata.connect(_answer_request_id)
    update_failure_response.connect(_answer_request_id)


def _configure_worker(*, logfile: str | None = None, **_: object) -> None:
    """Keep Celery from setting up its own loggers, in workers, beat and spawned children."""
    configure(_into_file(settings.LOGGING, logfile) if logfile else settings.LOGGING)


def _into_file(options: dict[str, Any], file: str) -> dict[str, Any]:
    """The same lines into `file`: standard error of a node of `celery multi` is /dev/null.

    Each line is appended to whatever has the name now, so logrotate may move the file away and tell nobody.
    """
    handlers = options["handlers"]
    written = {"class": "logging.handlers.WatchedFileHandler", "filename": file, "encoding": "utf-8"}
    return {**options, "handlers": {**handlers, "stderr": {**handlers["stderr"], **written}}}


def _configure_spawned(**_: object) -> None:
    """Keep billiard from giving each spawned child a handler of its own; Celery sets this just before."""
    os.environ["_MP_FORK_LOGLEVEL_"] = ""


def _pass_on(context: dict[str, Any], **_: object) -> None:
    for name in context.keys() - set(INHERITED):
        del context[name]


def _bind_task(task: Any, **_: object) -> None:
    request = task.request
    structlog.contextvars.bind_contextvars(
        task=task.name,
        queue=(request.delivery_info or {}).get("routing_key"),
        group=group_name(),
        retries=request.retries,
    )
    if structlog.contextvars.get_contextvars().get("parent_task_id") == request.id:
        structlog.contextvars.unbind_contextvars("parent_task_id")  # a retry is sent by the task itself


def _forget_task(**_: object) -> None:
    """What the process logs between two tasks belongs to neither."""
    structlog.contextvars.clear_contextvars()


def _answer_request_id(response: HttpResponseBase, **_: object) -> None:
    """Tell the caller, and gunicorn's access log, which request this was."""
    response.headers["X-Request-ID"] = structlog.contextvars.get_contextvars().get("request_id", "")
