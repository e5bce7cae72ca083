"""The project's app, whose children are spawned: as the ml group's are."""

from celery import signals

from config.celery import app

__all__ = ["app"]


@signals.celeryd_init.connect
def spawn(**_: object) -> None:
    """Overrule the group's own start method."""
    app.conf.worker_pool_start_method = "spawn"
