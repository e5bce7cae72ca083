"""systemctl, as far as workers are drained and replaced with it."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

#: What is asked about a unit.
PROPERTIES: Final = (
    *("Id", "LoadState", "ActiveState", "SubState", "Result", "StatusText"),
    *("TimeoutStopUSec", "NRestarts", "InvocationID"),
)
#: Seconds in each unit of time as systemctl writes them: `1h 5min 30s`.
UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
#: A moment as systemctl writes it with `--timestamp=us+utc`.
STAMP: Final = "%a %Y-%m-%d %H:%M:%S.%f UTC"
#: Seconds that systemctl itself gets to answer.
PATIENCE: Final = 60
#: Journal lines that are shown of a unit that failed.
SHOWN_LINES: Final = 15

_SPAN: Final = re.compile(r"([\d.]+)([a-z]+)")


class SystemctlError(Exception):
    """What systemctl did not do: a sentence for the operator."""


@dataclass(frozen=True)
class Unit:
    """A unit at one moment."""

    name: str
    load: str
    active: str
    sub: str
    result: str
    status: str
    stop_timeout: float
    restarts: int
    invocation: str

    @classmethod
    def read(cls, properties: Mapping[str, str]) -> Self:
        """From what `systemctl show` prints."""
        return cls(
            name=properties["Id"],
            load=properties["LoadState"],
            active=properties["ActiveState"],
            sub=properties["SubState"],
            result=properties.get("Result", ""),
            status=properties.get("StatusText", ""),
            stop_timeout=seconds(properties.get("TimeoutStopUSec", "infinity")),
            restarts=int(properties.get("NRestarts") or 0),
            invocation=properties.get("InvocationID", ""),
        )

    @property
    def is_installed(self) -> bool:
        """Whether there is a file for it."""
        return self.load not in ("not-found", "masked")

    @property
    def is_up(self) -> bool:
        """Whether it is there or about to be: an automatic restart counts, and so does a drain."""
        return self.active not in ("inactive", "failed")

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it runs, or will by itself."""
        return not self.is_up

    @property
    def left_cleanly(self) -> bool:
        """Whether it ended by itself, in time, and not by a signal that it did not expect."""
        return self.active == "inactive" and self.result == "success"

    @property
    def stumbled(self) -> bool:
        """Whether a start of it failed, be it that systemd tries again."""
        return self.active == "failed" or self.sub.startswith("auto-restart") or self.result not in ("", "success")


@dataclass(frozen=True)
class Started:
    """A unit's main process, and when it began."""

    process: int
    at: datetime

    @classmethod
    def read(cls, properties: Mapping[str, str]) -> Self:
        """From what `systemctl show` prints."""
        at = datetime.strptime(properties["ExecMainStartTimestamp"], STAMP).replace(tzinfo=UTC)
        return cls(int(properties["MainPID"]), at)


class Systemctl:
    """The system's manager; raises SystemctlError with what it said, and what to do."""

    def show(self, *names: str) -> list[Unit]:
        """Each of the units, also one that is not installed."""
        return [Unit.read(found) for found in self._shown(PROPERTIES, *names)]

    def up(self, *patterns: str) -> list[str]:
        """The units of such names that run, start or stop now."""
        printed = self._call("list-units", "--plain", "--no-legend", "--full", "--", *patterns)
        names = [line.split()[0] for line in printed.splitlines()]
        return [unit.name for unit in self.show(*names) if unit.is_up] if names else []

    def wants(self, name: str) -> set[str]:
        """The units that a target starts with itself."""
        return set(self._call("show", "--property=Wants", "--value", "--", name).split())

    def started(self, *names: str) -> dict[str, Started]:
        """The main process of each of the services that has one."""
        found = self._shown(("Id", "MainPID", "ExecMainStartTimestamp"), *names)
        return {each["Id"]: Started.read(each) for each in found if each["MainPID"] != "0"}

    def start(self, *names: str, wait: bool = False) -> None:
        """Start them; with `wait`, returns when they are started, or raises."""
        self._call("start", *_blocking(wait=wait), "--", *names, patience=None if wait else PATIENCE)

    def restart(self, *names: str, wait: bool = False) -> None:
        """Stop and start them, whoever asked for it gone or not; with `wait`, returns when they have, or raises."""
        self._call("restart", *_blocking(wait=wait), "--", *names, patience=None if wait else PATIENCE)

    def daemon_reload(self) -> None:
        """Have units count that were written."""
        self._call("daemon-reload")

    def enable(self, *names: str) -> None:
        """Have them start with what wants them."""
        self._call("enable", "--quiet", "--", *names)

    def disable(self, *names: str) -> None:
        """No longer."""
        self._call("disable", "--quiet", "--", *names)

    def stop(self, *names: str) -> None:
        """Begin to stop them: each gets TERM, and its own time-out."""
        self._call("stop", "--no-block", "--", *names)

    def stop_after(self, name: str, *others: str) -> None:
        """Stop it once the others have come back from a restart, whoever asked for this gone or not."""
        unit = (f"--unit=stop-{name}", f"--property=After={' '.join(others)}")
        _run(["systemd-run", "--no-block", "--collect", "--quiet", *unit, "systemctl", "stop", "--no-block", name], 60)

    def reload(self, name: str) -> None:
        """Have the unit do what its ExecReload says; returns when that is done."""
        self._call("reload", "--", name, patience=None)

    def reset_failed(self, name: str) -> None:
        """Forget that it failed."""
        self._call("reset-failed", "--", name)

    def said(self, unit: Unit) -> list[str]:
        """What it wrote to the journal since it was started last."""
        command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={SHOWN_LINES}"]
        try:
            found = _run([*command, f"_SYSTEMD_INVOCATION_ID={unit.invocation}"], PATIENCE)
        except SystemctlError:
            return []
        return found.stdout.splitlines()

    def _shown(self, properties: Sequence[str], *names: str) -> list[dict[str, str]]:
        """Those properties of each of the units."""
        asked = ("--timestamp=us+utc", f"--property={','.join(properties)}")
        blocks = self._call("show", *asked, "--", *names).split("\n\n")
        return [dict(line.split("=", 1) for line in block.strip().splitlines()) for block in blocks if block.strip()]

    def _call(self, *arguments: str, patience: float | None = PATIENCE) -> str:
        done = _run(["systemctl", "--no-ask-password", "--no-pager", *arguments], patience)
        if done.returncode:
            raise SystemctlError(f"systemctl {arguments[0]}: {_reason(done.stderr)}")
        return done.stdout


def seconds(span: str) -> float:
    """`1min 30s` as a number; `infinity` is one, too."""
    if span == "infinity":
        return float("inf")
    return sum(float(amount) * UNITS[unit] for amount, unit in _SPAN.findall(span))


def _blocking(*, wait: bool) -> tuple[str, ...]:
    return () if wait else ("--no-block",)


def _run(command: Sequence[str], patience: float | None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience)  # noqa: S603
    except FileNotFoundError:
        raise SystemctlError(f"this host has no {command[0]}: workers are drained and replaced by systemd") from None
    except subprocess.TimeoutExpired:
        raise SystemctlError(f"{command[0]} has not answered for {patience:g} s") from None


def _reason(errors: str) -> str:
    words = " ".join(errors.split())
    if "not been booted with systemd" in words:
        return f"{words}; run this where systemd runs the workers"
    if re.search(r"[Aa]uthentication|denied|[Pp]ermission", words):
        return f"{words}; run this as root, or have polkit allow it (org.freedesktop.systemd1.manage-units)"
    return words or "failed without a word"
