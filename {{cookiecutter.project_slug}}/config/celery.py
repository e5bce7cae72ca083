"""The Celery application: one for the web, the workers and beat."""

import sys
from functools import cached_property
from typing import Any

from celery import Celery, signals
from django.conf import settings

import telemetry
from config.env import environment, select_settings
from config.links import links
from workers.brokers import redis
from workers.brokers.rabbitmq import transport
from workers.delivery import connections, deadlines, headers, size
from workers.delivery.results import waiting
from workers.derive.celery_settings import celery_settings
from workers.derive.schedule import schedule
from workers.startup import prepare_worker, share_memory
from workers.steps.handed import WaitForHandedOver
from workers.steps.limits import LimitsInStop
from workers.steps.save import SaveOnStop
from workers.topology import TopologyError, topology


class Application(Celery):
    """Celery's application, which a spawned child imports instead of getting a copy."""

    control_cls = "workers.brokers.rabbitmq.control:Control"
    ResultSet = cached_property(lambda app: app.subclass_with_self(waiting.ResultSet))
    GroupResult = cached_property(lambda app: app.subclass_with_self(waiting.GroupResult))

    def __reduce__(self) -> str:
        # Celery pickles what it can, and that is not the settings: the child would run tasks and store no result.
        return "app"


def _settings() -> dict[str, Any]:
    derived = celery_settings(topology(), links(), events=environment().is_local, timezone=settings.TIME_ZONE)
    return {**derived, "beat_schedule": schedule(settings.PROJECT_APPS)}


def _project() -> str:
    try:
        return topology().project
    except TopologyError as error:
        sys.exit(f"workers.yml is refused; nothing was started:\n{error}")


select_settings()
app = Application(_project(), task_cls="workers.delivery.base:Task")
app.add_defaults(_settings)  # read when first needed: Django's settings import this package
app.autodiscover_tasks()
app.steps["worker"].update({LimitsInStop, SaveOnStop, WaitForHandedOver})
telemetry.connect(app)
connections.connect()
deadlines.connect()
headers.connect()
size.connect()
transport.register()
redis.register()
signals.celeryd_init.connect(prepare_worker)
signals.worker_before_create_process.connect(share_memory)
