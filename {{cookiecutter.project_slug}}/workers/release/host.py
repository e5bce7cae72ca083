"""A host that gets a release: its links, its units, its services; and the way back where that fails."""

import fcntl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.derive import units as derived
from workers.derive.unit_names import socket_path
from workers.release.activation import Activation, Plan
from workers.release.home import Home
from workers.release.readiness import NotReadyError, Web
from workers.release.services import Services
from workers.systemd.draining import NotDoneError, Say, Watch
from workers.systemd.files import Change, changes
from workers.systemd.installed import loaded_here, only_replacement
from workers.systemd.replacing import RefusedError
from workers.systemd.systemctl import Systemctl, SystemctlError
from workers.topology import Topology

#: Held while a release is brought into service here; the kernel gives it up with its process.
LOCK: Final = "/run/lock/celery-{project}.release"
#: Exists while that is under way; gone after a restart of the host, which starts everything.
MARKER: Final = "/run/celery-{project}.activating"
#: Seconds that a service gets to become ready, on a host where a dozen of them start at a time.
PATIENCE: Final = 120
#: What is said where all is as it should be; playbooks look for it.
NOTHING: Final = "nothing to do"
#: What systemd makes of the files in these folders, beside units.
MADE: Final = {"etc/sysusers.d": ("systemd-sysusers",), "etc/tmpfiles.d": ("systemd-tmpfiles", "--create")}


class PutBackError(Exception):
    """The release could not be brought into service; the message says why, and what runs now."""


@dataclass(frozen=True)
class Host:
    """This host, which is to run `release`."""

    home: Home
    release: str
    say: Say

    def activate(self, wanted: Sequence[str] | None, *, together: bool, look: bool, check: bool) -> None:
        """Do it, for the services `wanted` or those that are enabled; `look`: only where the web is ready before.

        Raises RefusedError or BusyError before anything is touched, PutBackError after that.
        """
        topology = loaded_here().topology
        with self._alone(topology.project):
            before, previous = self._before(topology.project)
            try:
                self._activate(topology, wanted, together=together, look=look, check=check)
            except (NotDoneError, NotReadyError, SystemctlError) as error:
                failure = error
            else:
                return
        raise PutBackError(f"{self.release}: {failure}\n{self._put_back(before, previous)}")

    def _before(self, project: str) -> tuple[str | None, str | None]:
        """What both links are to say again where this fails; the first is None where there is no way back."""
        if self.home.current != self.release:
            return self.home.current, self.home.previous
        # Continued after an interruption; or the same release with other secrets, to which no other is a remedy.
        return (self.home.previous if Path(MARKER.format(project=project)).exists() else None), None

    def prune(self, keep: int) -> list[str]:
        """Remove old releases; their names."""
        return self.home.prune(keep, Services(loaded_here().topology, Systemctl()).used())

    def _activate(
        self, topology: Topology, wanted: Sequence[str] | None, *, together: bool, look: bool, check: bool
    ) -> None:
        activation = self._activation(topology)
        plan, files = activation.plan(wanted), changes(Path("/"), topology.project, derived.units(topology))
        if not (plan or files or self.home.current != self.release):
            self.say(self.release, NOTHING)
            if not check:
                activation.finish()
            return
        self._announce(plan, files)
        if check:
            return
        if look:
            self._look_before(activation, plan)
        with ExitStack() as replacing:
            for group in (name for name in plan.renew if name in topology.groups):
                replacing.enter_context(only_replacement(topology.project, group))
            self.home.switch(self.release)
            self._write(files, activation.watch.systemctl)
            activation.carry_out(plan, together=together)
        self.say(self.release, "is what this host runs")

    @staticmethod
    def _look_before(activation: Activation, plan: Plan) -> None:
        try:
            activation.look_before(plan)
        except NotReadyError as error:
            reason = f"the web is not ready as it is, so nothing was touched: {error}"
            raise RefusedError(f"{reason}; if this release is what mends it: --unready") from None

    def _activation(self, topology: Topology) -> Activation:
        systemctl, project = Systemctl(), topology.project
        return Activation(
            release=self.release,
            services=Services(topology, systemctl),
            watch=Watch(systemctl, self.say),
            web=Web(Path(socket_path(project))),
            marker=Path(MARKER.format(project=project)),
            patience=PATIENCE,
        )

    def _announce(self, plan: Plan, files: list[Change]) -> None:
        if self.home.current != self.release:
            self.say("current", f"{self.home.current or 'nothing'} -> {self.release}")
        if files:
            self.say("units", f"{len(files)} files to write")
        self.say("services", str(plan))

    def _write(self, files: list[Change], systemctl: Systemctl) -> None:
        for change in files:
            change.apply(Path("/"))
        written = {str(change.path.parent) for change in files}
        for folder, command in MADE.items():
            if folder in written:
                subprocess.run(command, check=True)  # noqa: S603 - systemd's own
        if files:
            systemctl.daemon_reload()

    def _put_back(self, before: str | None, previous: str | None) -> str:
        """By the old release's own code: it knows its groups and its units. Returns what became of it."""
        if before is None:
            return "no release was put back: there is none before it that would be a remedy"
        self.home.put_back(before, previous)
        self.say(before, "is put back")
        folder = self.home.path(before)
        command = [str(folder / ".venv/bin/python"), "-m", "workers", "release", "activate", before, "--together"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            return f"{before} was put back, which failed as well: {done.stderr.strip()}"
        return f"put back: this host runs {before}"

    @contextmanager
    def _alone(self, project: str) -> Iterator[None]:
        """Wait until nobody else does this here: one whose controller was killed comes to its end first."""
        with Path(LOCK.format(project=project)).open("a", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say(self.release, "waits for another activation on this host to end")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
