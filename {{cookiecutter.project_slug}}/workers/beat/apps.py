"""The Django app: its tables, its pages in the admin, its checks."""

from importlib import import_module

from django.apps import AppConfig


class BeatConfig(AppConfig):
    """Periodic tasks."""

    name = "workers.beat"
    label = "beat"
    verbose_name = "Periodic tasks"

    def ready(self) -> None:
        """Register the checks of the schedule."""
        import_module("workers.beat.checks")
