"""A task goes to the queue of the group that claims it, or it is refused where it is sent."""

from pathlib import Path

import pytest
from celery import Celery

from tests.workers.sample import SOUND, loaded
from workers.derive.celery_settings import Links, celery_settings
from workers.derive.routes import UnroutedTaskError, group_of


@pytest.fixture
def app(tmp_path: Path) -> Celery:
    """An application with the sound topology's settings and no broker."""
    app = Celery("t", set_as_current=False)
    links = Links("memory://", "cache+memory://", "redis://")
    app.conf.update(celery_settings(loaded(tmp_path, SOUND), links, events=False, timezone="UTC"))
    return app


def _queue(app: Celery, task: str) -> str:
    return str(app.amqp.router.route({}, task)["queue"].name)


def test_a_task_goes_to_its_group(app: Celery) -> None:
    """By the patterns of the file."""
    assert _queue(app, "app.batch.import_catalogue") == "batch"
    assert _queue(app, "app.io.call") == "io"


def test_celerys_own_tasks_have_a_queue(app: Celery) -> None:
    """The clean-up of results is sent by beat, without anybody's say."""
    assert _queue(app, "celery.backend_cleanup") == "default"
    assert app.conf.task_default_queue == "default"


def test_an_unclaimed_task_is_refused_where_it_is_sent(app: Celery) -> None:
    """Else it would wait for ever in a queue that nobody consumes."""
    with pytest.raises(UnroutedTaskError, match=r"no worker group claims the task 'app\.bacth\.x': correct the name"):
        app.send_task("app.bacth.x")


def test_group_of_nobody_is_none(tmp_path: Path) -> None:
    """The base of the refusals."""
    assert group_of(loaded(tmp_path, SOUND), "other.task") is None
