"""gunicorn on the socket that systemd holds: nobody is refused while it restarts or gets new processes."""

from collections.abc import Iterator

import pytest

from rehearsal.errors import RehearsalError
from tests.systemd.app import SOCKET, TARGET, App, unit
from tests.systemd.ground import Ground
from tests.systemd.hammering import WEB, hammered

#: Short here; `make bench MEASURES=units` does a hundred.
RESTARTS, RELOADS = 2, 4


@pytest.fixture
def web(ground: Ground) -> Iterator[App]:
    """The web, as its target starts it."""
    ground.app.systemctl("enable", *WEB)
    ground.app.start(TARGET)
    yield ground.app
    ground.app.systemctl("disable", *WEB)


def test_restarts_and_reloads_refuse_no_request(web: App) -> None:
    """Requests wait on the socket meanwhile; a reload changes the processes, and not the main one."""
    with hammered(web) as found:
        for _ in range(RESTARTS):
            web.systemctl("restart", unit("web"))
        first = web.pid(unit("web"))
        for _ in range(RELOADS):
            web.systemctl("reload", unit("web"))
        assert web.pid(unit("web")) == first
    assert found["failed"] == []
    assert found["answered"] > 1000


def test_a_restart_of_everything_keeps_the_socket_and_a_stop_closes_it(web: App) -> None:
    """The next request would start the web again."""
    with hammered(web) as found:
        web.systemctl("restart", TARGET)
    assert found["failed"] == []
    web.stop(TARGET)
    web.wait(unit("web", "socket"), "ActiveState", "inactive", timeout=10)
    with pytest.raises(RehearsalError):
        web.host.run("nc", "-zU", SOCKET)


def test_only_the_proxys_group_connects(web: App) -> None:
    """Whoever connects may say that a request came with TLS."""
    web.host.run("runuser", "-u", "www-data", "--", "nc", "-zU", SOCKET)
    with pytest.raises(RehearsalError, match="Permission denied"):
        web.host.run("runuser", "-u", "nobody", "--", "nc", "-zU", SOCKET)
