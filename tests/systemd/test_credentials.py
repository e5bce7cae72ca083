"""Secrets: read from the store, plain or encrypted with the host's own key; seen by the service and nobody else."""

from collections.abc import Iterator
from typing import Final

import pytest

from rehearsal.errors import RehearsalError
from tests.systemd.app import CREDENTIALS, NAME, App, unit, worker
from tests.systemd.ground import Ground

#: A secret that every service has.
SHARED: Final = f"{NAME}.all.SECRET_KEY"
WORKER: Final = worker("io")
#: Every environment and command line on the host, but the searcher's own.
_VISIBLE: Final = """\
cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep --count --fixed-strings --file=/root/secret
"""


@pytest.fixture
def app(ground: Ground) -> Iterator[App]:
    """A host whose store is as it was after the test."""
    kept = ground.app.host.read(f"{CREDENTIALS}/{SHARED}")
    yield ground.app
    ground.app.host.run("sh", "-c", "rm -f /etc/credstore.encrypted/*")
    ground.app.credential("all", "SECRET_KEY", kept)


def test_nobody_sees_a_secret(app: App) -> None:
    """Neither what systemd shows, nor the journal, nor the environment or the command line of any process."""
    app.start(WORKER)
    secret = app.host.read(f"{CREDENTIALS}/{SHARED}")
    said = app.systemctl("show", WORKER) + app.status(WORKER) + app.journal(WORKER) + app.systemctl("cat", WORKER)
    assert secret not in said
    app.host.write("/root/secret", secret, mode=0o600)
    assert app.host.run("sh", "-c", _VISIBLE, check=False).stdout.strip() == "0"
    with pytest.raises(RehearsalError, match="Permission denied"):
        app.host.run("runuser", "-u", "nobody", "--", "cat", f"/run/credentials/{WORKER}/{SHARED}")


def test_it_can_lie_there_encrypted_with_the_hosts_key(app: App) -> None:
    """The same unit, no line changed; a copy of the disk without the key is of no use."""
    encrypted = f"/etc/credstore.encrypted/{SHARED}"
    app.host.run("systemd-creds", "encrypt", "--with-key=host", f"{CREDENTIALS}/{SHARED}", encrypted)
    app.host.run("rm", f"{CREDENTIALS}/{SHARED}")
    app.start(WORKER)
    app.stop(WORKER)
    assert "SECRET_KEY" not in app.host.read(encrypted)


def test_without_it_the_service_says_what_is_missing_and_is_not_started_again(app: App) -> None:
    """Somebody forgot one: the message names it, and systemctl status shows it."""
    app.host.run("rm", f"{CREDENTIALS}/{SHARED}")
    with pytest.raises(RehearsalError):
        app.start(WORKER)
    assert app.show(WORKER, "ActiveState") == "failed"
    assert app.show(WORKER, "NRestarts") == "0"
    assert "SECRET_KEY: not set; expected 50 or more random characters" in app.status(WORKER)


def test_a_role_has_its_own(app: App) -> None:
    """The worker's wrong password is not the web's: each logs in as itself."""
    app.credential("worker", "SECRET_KEY", "short")
    try:
        app.start(unit("web", "socket"), unit("web"))
        with pytest.raises(RehearsalError):
            app.start(WORKER)
        assert "SECRET_KEY: found 5 characters (not shown)" in app.status(WORKER)
    finally:
        app.host.run("rm", f"{CREDENTIALS}/{NAME}.worker.SECRET_KEY")
