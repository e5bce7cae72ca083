"""Units run, or do not, and are renewed when a file that they read is younger: one call does what is missing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tests.playbooks.local import told

#: Answers for systemd, and writes down what it is told to do.
SYSTEMCTL: Final = """\
#!/bin/sh
case $1 in
    show) cat "$(dirname "$0")/state" ;;
    *) echo "$@" >> "$(dirname "$0")/calls"; [ "$2" != broken ] || { echo "no such luck" >&2; exit 1; } ;;
esac
"""
AN_HOUR_AGO: Final = datetime.now(UTC) - timedelta(hours=1)


class Systemd:
    """A stand-in, found before the real one."""

    def __init__(self, folder: Path) -> None:
        """It knows no unit."""
        self.folder = folder
        (folder / "systemctl").write_text(SYSTEMCTL, encoding="utf-8")
        (folder / "systemctl").chmod(0o755)
        (folder / "state").touch()
        (folder / "calls").touch()

    def knows(self, **properties: str) -> None:
        """One more unit, in the order in which it is asked for them; it runs since an hour and is enabled."""
        at = f"{AN_HOUR_AGO:%a %Y-%m-%d %H:%M:%S.%f} UTC"
        state = {
            "ActiveState": "active",
            "UnitFileState": "enabled",
            "LoadState": "loaded",
            "NeedDaemonReload": "no",
            "ConditionResult": "yes",
            "ConditionTimestamp": at,
            "InactiveExitTimestamp": at,
            "StateChangeTimestamp": at,
            **properties,
        }
        with (self.folder / "state").open("a", encoding="utf-8") as file:
            file.write("".join(f"{name}={value}\n" for name, value in state.items()) + "\n")

    def told(self, *units: dict[str, Any], check: bool = False) -> dict[str, Any]:
        """What the module says."""
        return told(self.folder, "units", {"units": list(units)}, *(["--check"] if check else []))

    @property
    def calls(self) -> list[str]:
        """What it was told to do."""
        return (self.folder / "calls").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """The stand-in, for all that is called."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return Systemd(tmp_path)


def test_what_is_as_it_should_be_is_left(systemd: Systemd) -> None:
    """One that runs, one that does not, one whose conditions this host does not meet, one with an old file."""
    (systemd.folder / "old").touch()
    systemd.knows()
    systemd.knows(ActiveState="inactive", UnitFileState="disabled")
    systemd.knows(ActiveState="inactive", ConditionResult="no")
    systemd.knows(InactiveExitTimestamp=f"{datetime.now(UTC) + timedelta(hours=1):%a %Y-%m-%d %H:%M:%S.%f} UTC")
    said = systemd.told(
        {"name": "a"},
        {"name": "b", "state": "stopped"},
        {"name": "c"},
        {"name": "d", "reads": [f"{systemd.folder}/old"]},
    )
    assert not said["changed"]
    assert systemd.calls == []


def test_what_is_missing_is_done_in_order(systemd: Systemd) -> None:
    """Also for one between two attempts to start; units that were just placed are read first."""
    systemd.knows(ActiveState="activating", NeedDaemonReload="yes")
    systemd.knows(ActiveState="inactive", UnitFileState="disabled", ConditionTimestamp="")
    systemd.knows()
    units = ({"name": "a"}, {"name": "b"}, {"name": "c", "state": "stopped"})
    assert systemd.told(*units, check=True)["changed"]
    assert systemd.calls == []
    said = systemd.told(*units)
    assert (said["started"], said["enabled"], said["stopped"]) == (["a", "b"], ["b"], ["c"])
    assert systemd.calls == ["daemon-reload", "start a", "enable b", "start b", "stop c", "disable c"]


def test_a_unit_older_than_its_files_is_renewed_or_reported(systemd: Systemd) -> None:
    """Whenever the file was written: a run may have been cut short since."""
    (systemd.folder / "new").touch()
    reads = {"reads": [str(systemd.folder / "new"), "/no/such/file"]}
    names = ("restart", "reload", "report")
    for _ in names:
        systemd.knows()
    said = systemd.told(*({"name": f"{name}ed", "outdated": name, **reads} for name in names))
    assert said["outdated"] == ["restarted", "reloaded", "reported"]
    assert systemd.calls == ["restart restarted", "reload reloaded"]


def test_a_unit_that_does_not_start_is_told_with_its_reason(systemd: Systemd) -> None:
    """And the play ends there."""
    systemd.knows(ActiveState="failed")
    said = systemd.told({"name": "broken"})
    assert said["failed"]
    assert said["msg"].startswith("systemctl start broken: no such luck")
