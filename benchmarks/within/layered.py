"""The generated project as it is measured: without the task events that only a local run sends, for Flower."""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

from config.celery import app

app.conf.update(worker_send_task_events=False, task_send_sent_event=False, include=["benchmarks.within.noop"])
