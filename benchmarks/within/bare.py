"""The generated project without its delivery layer: the same settings, with what Celery and kombu bring themselves.

Left out: the base task and its Request (sending after the commit, redaction, limits, deadlines, retries, losses, dead
letters), the stamp of the first sending, the look at each message, the consumer with its steps, the bound on a
message's size, Django's look at the database's connections around each task, checkpoints' word of a stop, our
transports and our store of results.

Kept: the derived settings, routes and limits, acknowledgement, prefetch, pool and slots, telemetry, and what a worker
does before it starts.
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import sys
from typing import Any

import telemetry
from celery import Celery, signals
from config.env import select_settings
from config.links import links
from django.conf import settings
from workers.derive.celery_settings import celery_settings
from workers.startup import prepare_worker, share_memory
from workers.topology import topology

#: Settings that name a part of the layer.
LAYERS = ("worker_consumer", "result_backend", "result_backend_transport_options", "beat_scheduler")


def _settings() -> dict[str, Any]:
    derived = celery_settings(topology(), links(), events=False, timezone=settings.TIME_ZONE)
    return {
        **{name: value for name, value in derived.items() if name not in LAYERS},
        "result_backend": links().result_url,
        "include": ["benchmarks.within.noop"],
    }


# Django's app `workers` imports it by this name, which would bring the layer.
sys.modules["config.celery"] = sys.modules[__name__]
select_settings()
app = Celery(topology().project)
app.add_defaults(_settings)
app.autodiscover_tasks()
telemetry.connect(app)
signals.celeryd_init.connect(prepare_worker)
signals.worker_before_create_process.connect(share_memory)
