"""A host that gets a release while something else is done to it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from workers.release import host
from workers.release.activation import Plan
from workers.release.home import Home
from workers.release.host import Host
from workers.systemd import installed
from workers.systemd.installed import BusyError, only_replacement
from workers.topology import load

OLD, NEW = "20261101T000000-000000000001", "20261102T000000-000000000002"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with two releases, of which the old one runs; units are as they should be."""
    for name in (OLD, NEW):
        (tmp_path / "releases" / name).mkdir(parents=True)
    monkeypatch.setattr(host, "LOCK", f"{tmp_path}/{{project}}.release")
    monkeypatch.setattr(installed, "LOCK_FILE", f"{tmp_path}/{{project}}-{{group}}")
    monkeypatch.setattr(host, "changes", lambda *_: [])
    done = lambda _plan, **_options: None  # noqa: E731
    activation = SimpleNamespace(
        plan=lambda _wanted: Plan((), (), ("web", "batch")), watch=SimpleNamespace(systemctl=None), carry_out=done
    )
    monkeypatch.setattr(Host, "_activation", lambda *_: activation)
    home = Home(tmp_path)
    home.switch(OLD)
    return Host(home, NEW, lambda *_: None)


def activate(here: Host) -> None:
    """Bring it into service."""
    here.activate(None, together=False, look=False, check=False)


def test_a_replacement_that_is_under_way_is_left_alone(here: Host) -> None:
    """It has a spare at work; nothing is touched until it has ended."""
    with (
        only_replacement(load().topology.project, "batch"),
        pytest.raises(BusyError, match="workers of batch are being replaced already; nothing was touched"),
    ):
        activate(here)
    assert here.home.current == OLD
    activate(here)
    assert here.home.current == NEW
