"""The Django app of the core."""

from importlib import import_module

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Makes the Celery application before any app's tasks are imported, so that `shared_task` binds to it in every process."""

    name = "workers"

    def ready(self) -> None:
        import_module("config.celery")
        import_module("workers.checks")
