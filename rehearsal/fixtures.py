"""A pytest plugin: fleets for tests, taken away whatever happens, with the hosts' journals beside a failed test.

Switch it on in the topmost conftest.py: `pytest_plugins = ["rehearsal.fixtures"]`.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from rehearsal.errors import MissingError, RehearsalError
from rehearsal.fleet import Fleet
from rehearsal.host import Host
from rehearsal.inventory import Inventory
from rehearsal.journal import journal
from rehearsal.requirements import require

#: Lines of each host's journal that a failed test shows.
SHOWN_LINES: Final = 40


class Fleets:
    """Makes fleets for tests; the fixture `fleets` is one of these."""

    def __init__(self) -> None:
        """None are up."""
        self.running: list[Fleet] = []
        self.journals: list[tuple[str, str]] = []

    @contextmanager
    def __call__(self, name: str, inventory: Inventory) -> Iterator[Fleet]:
        """Bring up a fleet with new disks and take it away after the block.

        Where this machine lacks something it skips the test with the reason; where CI is set, it fails instead.
        """
        try:
            require()
        except MissingError as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
        fleet = Fleet(name, inventory)
        fleet.down()  # a run that was killed may have left one
        self.running.append(fleet)
        try:
            with fleet:
                yield from self._kept(fleet)
        finally:
            self.running.remove(fleet)

    def _kept(self, fleet: Fleet) -> Iterator[Fleet]:
        """Keep what hosts have logged where the block itself fails: they are gone when the report is written."""
        try:
            yield fleet
        except BaseException:
            self.journals += _journals(fleet)
            raise


_KEY: Final = pytest.StashKey[Fleets]()


def pytest_configure(config: pytest.Config) -> None:
    """Have one register of fleets for the whole run."""
    config.stash[_KEY] = Fleets()


@pytest.fixture(scope="session")
def fleets(request: pytest.FixtureRequest) -> Fleets:
    """Give tests and fixtures of any scope what makes fleets for them; see Fleets."""
    return request.config.stash[_KEY]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failed test what each host logged last."""
    report = yield
    fleets_of_run = item.config.stash[_KEY]
    if report.failed:
        report.sections += fleets_of_run.journals
        report.sections += [section for fleet in fleets_of_run.running for section in _journals(fleet)]
    fleets_of_run.journals.clear()
    return report


def _journals(fleet: Fleet) -> list[tuple[str, str]]:
    return [(f"journal of {fleet.name}/{host.name}", _journal(host)) for host in fleet.hosts.values()]


def _journal(host: Host) -> str:
    try:
        return journal(host, SHOWN_LINES)
    except (OSError, RehearsalError) as error:
        return str(error)
