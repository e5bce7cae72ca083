"""The Django app of the core."""

from importlib import import_module

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Makes the Celery application before any app's tasks: `shared_task` binds to it in every process."""

    name = "workers"

    def ready(self) -> None:
        """Import what must exist before the first task."""
        import_module("config.celery")
        import_module("workers.checks")
