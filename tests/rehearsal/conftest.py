"""One fleet for all tests that leave it whole."""

from collections.abc import Iterator

import pytest

from rehearsal import Fleet
from rehearsal.fixtures import Fleets
from tests.rehearsal.hosts import inventory_of, serve_echo


@pytest.fixture(scope="session")
def shared_fleet(fleets: Fleets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three plain hosts in three networks, which answer on the echo port."""
    inventory = inventory_of(tmp_path_factory.mktemp("inventory"), a="10.1.0.1", b="10.2.0.2", c="172.20.3.3")
    with fleets("rt-shared", inventory) as fleet:
        for host in fleet.hosts.values():
            serve_echo(host)
        yield fleet


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Iterator[Fleet]:
    """The shared fleet, whole again after the test."""
    yield shared_fleet
    shared_fleet.up()
