"""Draining: what is asked of systemd, what is said meanwhile, and when it counts as done."""

import pytest

from tests.systemd.manager import Manager, Service
from workers.systemd.draining import NotDoneError, Watch, drain
from workers.systemd.systemctl import SystemctlError

ONE, TWO = "celery-worker-shop@batch-1.service", "celery-worker-shop@batch-2.service"


def _watch(manager: Manager, said: list[str]) -> Watch:
    return Watch(manager, lambda unit, words: said.append(f"{unit} {words}"), manager.pause, manager.clock)


def test_it_returns_when_all_have_left_and_says_each_change_once() -> None:
    """The status line of a worker that stops changes with its tasks; the same one is not said again."""
    manager, said = Manager({ONE: Service(drains=10), TWO: Service(drains=40)}), list[str]()
    drain(_watch(manager, said), [ONE, TWO])
    assert [service.active for service in manager.services.values()] == ["inactive", "inactive"]
    assert 40 <= manager.now < 41
    words = "stop-sigterm: batch: stopping: 2 tasks run"
    assert said == [f"{ONE} {words}", f"{TWO} {words}", f"{ONE} has left", f"{TWO} has left"]


def test_a_task_as_long_as_the_hard_limit_is_waited_for() -> None:
    """The unit's own time-out is the budget, however long."""
    manager = Manager({ONE: Service(drains=900, stop_timeout=935)})
    drain(_watch(manager, []), [ONE])
    assert manager.now >= 900


def test_one_that_was_killed_is_no_success() -> None:
    """Its tasks are not done: whoever switches the host off next must know."""
    manager = Manager({ONE: Service(drains=90, stop_timeout=60)})
    with pytest.raises(
        NotDoneError, match=r"batch-1.service \(timeout\) did not leave by itself: what ran there is not"
    ):
        drain(_watch(manager, []), [ONE])


def test_one_that_does_not_run_is_left_alone() -> None:
    """Done is done, and said: the name may have been another one's."""
    manager, said = Manager({ONE: Service("inactive")}), list[str]()
    drain(_watch(manager, said), [ONE])
    assert manager.asked == []
    assert said == [f"{ONE} does not run"]


def test_nothing_is_stopped_where_one_is_not_installed() -> None:
    """All or none: half a drain would be found out later."""
    manager = Manager({ONE: Service()})
    with pytest.raises(SystemctlError, match=r"batch-2\.service: not installed on this host"):
        drain(_watch(manager, []), [ONE, TWO])
    assert manager.asked == []


def test_one_that_never_ends_is_given_up() -> None:
    """Its time-out is bounded, and so is the wait for systemd."""
    manager = Manager({ONE: Service()})
    manager.services[ONE].stop_timeout = 20
    manager.stop = lambda *names: manager.asked.append(str(names))  # type: ignore[method-assign]
    with pytest.raises(NotDoneError, match="nothing has come of it for 50 s"):
        drain(_watch(manager, []), [ONE])
