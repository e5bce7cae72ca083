"""Database connections are looked after around each task, and left alone in an eager one."""

from unittest.mock import patch

import pytest
from celery import Celery, signals

from workers.delivery import connections


@pytest.mark.parametrize(("eager", "closes"), [(True, 0), (False, 2)])
def test_connections_are_closed_before_and_after_a_task_of_a_worker(*, eager: bool, closes: int) -> None:
    """An eager task shares its caller's connection, and may stand in the middle of its transaction."""
    app = Celery("t", broker="memory://", set_as_current=False)

    @app.task(shared=False)
    def work() -> None: ...

    work.push_request(is_eager=eager)
    with patch.object(connections, "close_old_connections") as closed:
        signals.task_prerun.send(sender=work)
        signals.task_postrun.send(sender=work)
    assert closed.call_count == closes
