"""What systemd does in place of cron, each once by hand; and what its timer says of the next time."""

import re
from typing import Final

import pytest

from tests.systemd.app import NAME, unit
from tests.systemd.ground import Ground

#: An owner's hook: it has the database's URL, and a folder for what it keeps.
_BACKUP: Final = f"""\
#!/bin/sh
set -eu
grep -q postgres "$CREDENTIALS_DIRECTORY/{NAME}.all.DATABASE_URL"
echo orders > "$STATE_DIRECTORY/dump"
"""
HOOK: Final = f"/etc/{NAME}/backup"
KEPT: Final = f"/var/lib/celery-backup-{NAME}/dump"


@pytest.mark.parametrize("what", ["dead", "sessions"])
def test_it_does_its_work_within_the_sandbox(ground: Ground, what: str) -> None:
    """The database is reached, as the same user and with the same limits as all others."""
    ground.app.start(unit(what))
    assert ground.app.show(unit(what), "Result") == "success"


def test_the_report_of_dead_letters_stands_in_the_journal(ground: Ground) -> None:
    """That there are none is said as well."""
    ground.app.start(unit("dead"))
    assert re.search(r"no such letters|(?m:^id +ago +task)", ground.app.journal(unit("dead")))


def test_a_backup_is_made_where_its_owner_has_a_hook(ground: Ground) -> None:
    """Without one the unit is content; with one it runs that, and keeps what it writes to itself."""
    app = ground.app
    app.start(unit("backup"))
    assert app.show(unit("backup"), "ConditionResult") == "no"
    app.host.write(HOOK, _BACKUP, mode=0o755)
    app.start(unit("backup"))
    assert app.show(unit("backup"), "Result") == "success"
    assert app.host.run("stat", "--format=%U %a", KEPT).stdout.split() == [NAME, "640"]
    app.host.run("rm", HOOK)


@pytest.mark.parametrize("what", ["dead", "sessions", "backup"])
def test_each_day_it_comes_again(ground: Ground, what: str) -> None:
    """Once its timer is enabled."""
    timer = unit(what, "timer")
    ground.app.systemctl("enable", "--now", timer)
    assert ground.app.show(timer, "NextElapseUSecRealtime") != ""
    ground.app.systemctl("disable", "--now", timer)
