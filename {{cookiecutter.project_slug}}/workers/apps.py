"""The Django app of the core."""

from importlib import import_module

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Makes the Celery application before any app's tasks: `shared_task` binds to it in every process."""

    name = "workers"

    def ready(self) -> None:
        """Import what must exist before the first task."""
        app = import_module("config.celery").app
        # Settings are built when first read, without a lock: two threads of a fresh web process would get half of them.
        app.conf.task_routes  # noqa: B018
        import_module("workers.checks")
