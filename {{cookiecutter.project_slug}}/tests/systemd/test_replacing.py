"""Replacing: the order of things, that there is always somebody to take tasks, and what stands after each failure."""

import pytest

from tests.systemd.manager import Manager, Service
from workers.systemd.draining import NotDoneError, Watch
from workers.systemd.replacing import RefusedError, Replacement
from workers.systemd.systemctl import SystemctlError

CHECK = "celery-check-shop.service"
ONE, TWO, SPARE = (f"celery-worker-shop@batch-{name}.service" for name in ("1", "2", "spare"))


def _manager(**changed: Service) -> Manager:
    services = {"check": Service("inactive"), "one": Service(), "two": Service(), "spare": Service("inactive")}
    names = {"check": CHECK, "one": ONE, "two": TWO, "spare": SPARE}
    return Manager({names[name]: service for name, service in {**services, **changed}.items()})


def _replace(manager: Manager, *workers: str, spare: str | None = SPARE) -> None:
    watch = Watch(manager, lambda _unit, _words: None, manager.pause, manager.clock)
    Replacement(watch, CHECK, workers or (ONE, TWO), spare, patience=60).run()


def test_one_after_the_other_behind_a_spare() -> None:
    """Check, spare, each worker, and the spare is told to leave: nobody waits for that."""
    manager = _manager()
    _replace(manager)
    assert manager.asked == [
        f"start {CHECK}",
        f"start {SPARE}",
        *(f"stop {ONE}", f"start {ONE}"),
        *(f"stop {TWO}", f"start {TWO}"),
        f"stop {SPARE}",
    ]
    states = [manager.services[name].active for name in (ONE, TWO, SPARE)]
    assert states == ["active", "active", "deactivating"]


@pytest.mark.parametrize("workers", [(ONE,), (ONE, TWO)])
def test_capacity_never_falls_below_what_there_was(workers: tuple[str, ...]) -> None:
    """Also for a task as long as the hard limit in every slot."""
    manager = _manager(one=Service(drains=900, stop_timeout=935), two=Service(drains=900, stop_timeout=935))
    if len(workers) == 1:
        del manager.services[TWO]
    _replace(manager, *workers)
    assert manager.fewest["workers"] == len(workers)


def test_workers_that_the_file_no_longer_has_leave_with_the_spare() -> None:
    """There was one worker, `batch`, and there are to be two."""
    manager, old = _manager(one=Service("inactive"), two=Service("inactive")), "celery-worker-shop@batch.service"
    manager.services[old] = Service(drains=900, stop_timeout=935)
    watch = Watch(manager, lambda _unit, _words: None, manager.pause, manager.clock)
    Replacement(watch, CHECK, (ONE, TWO), SPARE, 60, [old]).run()
    assert manager.asked[-2:] == [f"stop {SPARE}", f"stop {old}"]
    assert [manager.services[name].active for name in (ONE, TWO, old)] == ["active", "active", "deactivating"]


def test_without_room_for_a_spare_each_drains_and_starts() -> None:
    """The fallback; whoever calls says so."""
    manager = _manager()
    _replace(manager, spare=None)
    assert manager.asked == [f"start {CHECK}", f"stop {ONE}", f"start {ONE}", f"stop {TWO}", f"start {TWO}"]


def test_a_refusing_check_touches_nothing_and_is_quoted() -> None:
    """A bad workers.yml or environment, as the workers' own user finds it."""
    manager = _manager(check=Service("inactive", broken="workers.yml:12:5 batch.soft_time_limit (W10)"))
    with pytest.raises(RefusedError, match="nothing was touched") as refused:
        _replace(manager)
    assert refused.value.lines == ("workers.yml:12:5 batch.soft_time_limit (W10)",)
    assert manager.asked == [f"start {CHECK}"]


def test_a_unit_that_is_not_installed_touches_nothing() -> None:
    """Not even the check is run."""
    manager = _manager(spare=Service("inactive", installed=False))
    with pytest.raises(SystemctlError, match=r"batch-spare\.service: not installed"):
        _replace(manager)
    assert manager.asked == []


def test_a_spare_that_does_not_get_ready_leaves_the_old_ones_running() -> None:
    """And its words are shown."""
    manager = _manager(spare=Service("inactive", broken="ModuleNotFoundError: no numpy"))
    with pytest.raises(NotDoneError) as failed:
        _replace(manager)
    assert str(failed.value) == (
        f"{SPARE} did not become ready (failed, failed: exit-code); the old workers run on: {ONE}, {TWO}\n"
        "  ModuleNotFoundError: no numpy"
    )
    assert [manager.services[name].active for name in (ONE, TWO)] == ["active", "active"]
    assert f"stop {ONE}" not in manager.asked


def test_a_spare_that_never_gets_ready_is_taken_back() -> None:
    """It waits for its broker, say: after the patience it is stopped."""
    manager = _manager(spare=Service("inactive", starts=1000))
    with pytest.raises(NotDoneError, match=r"did not become ready \(activating"):
        _replace(manager)
    assert manager.asked[-1] == f"stop {SPARE}"
    assert 60 <= manager.now < 62


def test_a_worker_that_does_not_come_back_ends_it_there() -> None:
    """The spare stays in its place, the next one is not touched."""
    manager = _manager(one=Service(broken="no disk"))
    with pytest.raises(NotDoneError) as failed:
        _replace(manager)
    assert str(failed.value) == (
        f"{ONE} did not become ready (failed, failed: exit-code); not touched: {TWO}; "
        f"{SPARE} takes tasks until you stop it\n  no disk"
    )
    assert [manager.services[name].active for name in (TWO, SPARE)] == ["active", "active"]


def test_a_worker_that_had_to_be_killed_runs_anew_and_is_named() -> None:
    """What it ran is not done; going on would do the same to the next one."""
    manager = _manager(one=Service(drains=90, stop_timeout=60))
    with pytest.raises(NotDoneError, match=f"{ONE} \\(timeout\\) did not leave by itself.* It runs anew; not touched"):
        _replace(manager)
    assert [manager.services[name].active for name in (ONE, TWO)] == ["active", "active"]
    assert f"stop {TWO}" not in manager.asked


def test_a_spare_that_still_drains_is_waited_for() -> None:
    """An earlier replacement has not waited for it; its tasks may take longer than a start."""
    manager = _manager(spare=Service(drains=100, stop_timeout=110))
    manager.stop(SPARE)
    _replace(manager)
    assert manager.fewest["workers"] >= 2
    assert manager.asked[1:3] == [f"start {CHECK}", f"start {SPARE}"]


def test_an_operator_who_interrupts_leaves_no_worker_away() -> None:
    """Ctrl-C while the old one drains: its start has been asked for."""
    manager = _manager()
    stop, pause = manager.stop, manager.pause

    def interrupted(seconds: float) -> None:  # noqa: ARG001 - the clock's signature
        raise KeyboardInterrupt

    def stop_then_interrupt(*names: str) -> None:
        stop(*names)
        if ONE in names:
            manager.pause = interrupted  # type: ignore[method-assign]

    manager.stop = stop_then_interrupt  # type: ignore[method-assign]
    watch = Watch(manager, lambda _unit, _words: None, lambda seconds: manager.pause(seconds), manager.clock)  # noqa: PLW0108 - another one later
    with pytest.raises(KeyboardInterrupt):
        Replacement(watch, CHECK, (ONE, TWO), SPARE, patience=60).run()
    assert manager.asked[-1] == f"start {ONE}"
    pause(60)
    pause(60)
    assert manager.services[ONE].active == "active"
