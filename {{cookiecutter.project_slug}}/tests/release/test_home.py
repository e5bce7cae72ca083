"""The folder of releases: which one is current, which was, which stay."""

from pathlib import Path

import pytest

from workers.release.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Four releases, of which two share their packages."""
    home = Home(tmp_path)
    for release, packages in {"1": "a", "2": "b", "3": "b", "4": "c"}.items():
        (home.releases / ".environments" / packages).mkdir(parents=True, exist_ok=True)
        home.path(release).mkdir()
        (home.path(release) / ".venv").symlink_to(f"../.environments/{packages}")
    return home


def test_before_the_first(tmp_path: Path) -> None:
    """There is nothing."""
    home = Home(tmp_path)
    assert (home.current, home.previous, home.names()) == (None, None, [])


def test_a_switch_remembers_what_was(home: Home) -> None:
    """Links are relative, so that they hold wherever the disk is looked at."""
    home.switch("1")
    assert (home.current, home.previous) == ("1", None)
    home.switch("2")
    home.switch("2")
    assert (home.current, home.previous) == ("2", "1")
    assert (home.folder / "current").readlink() == Path("releases/2")


def test_putting_back_undoes_a_switch(home: Home) -> None:
    """What was the one before is it again: a rollback later does not lead to the release that failed."""
    home.switch("1")
    home.switch("2")
    home.switch("3")
    home.put_back("2", "1")
    assert (home.current, home.previous) == ("2", "1")
    home.put_back("1", None)
    assert (home.current, home.previous) == ("1", None)


def test_old_ones_go(home: Home) -> None:
    """Not what is current, was, is in use or among the newest; packages go with the last that needs them."""
    home.switch("3")
    assert home.prune(1, used={"1"}) == ["2"]
    assert home.names() == ["1", "3", "4"]
    assert home.prune(1, used=()) == ["1"]
    assert sorted(path.name for path in (home.releases / ".environments").iterdir()) == ["b", "c"]
