"""A host as an owner of the project has it: a release, environment, credentials, and the units of `workers units`."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rehearsal.host import Host
from tests.brokers.observers import project as observed
from tests.delivery import ledger
from tests.deployed import packages, release
from tests.project.running import Project
from tests.waiting import until

NAME: Final = observed.NAME
HOME: Final = f"/srv/{NAME}"
CURRENT: Final = f"{HOME}/current"
PYTHON: Final = f"{CURRENT}/.venv/bin/python"
ENVIRONMENT: Final = f"/etc/{NAME}/environment"
AUTHORITY: Final = f"/etc/{NAME}/ca.pem"
CREDENTIALS: Final = "/etc/credstore"
#: On the host: what its tasks write down.
LEDGER: Final = f"{HOME}/shared/ledger.jsonl"
TARGET: Final = f"celery-{NAME}.target"
SOCKET: Final = f"/run/celery-web-{NAME}.sock"
#: Seconds until a unit is ready, on a machine where a dozen of them start at a time.
START: Final = 120

#: What is no variable of a service's environment: it has a value only where it is a credential.
SECRET: Final = (
    "SECRET_KEY",
    "DATABASE_URL",
    "BROKER_URL",
    "RESULT_URL",
    "CACHE_URL",
    "LOCK_URL",
    "FLOWER_PASSWORD",
    "FLOWER_COOKIE_SECRET",
)

#: A release: the code is there, its Python sees the packages, which belong to it. $1: where, $2: the packages.
_RELEASE: Final = """\
set -eu
tar --extract --one-top-level="$1" --file="$1.tar"
rm "$1.tar"
python3 -m venv --without-pip "$1/.venv"
cp -r "$2/." "$1"/.venv/lib/python3*/site-packages
"""
#: Has everything compiled that is imported, before many processes do so at a time, as users who cannot write there.
_COMPILE: Final = f"""\
set -eu
cd {CURRENT}
.venv/bin/python -m workers check
.venv/bin/python manage.py collectstatic --no-input -v 0
"""


def worker(name: str) -> str:
    """The unit of one worker: `batch-1`."""
    return f"celery-worker-{NAME}@{name}.service"


def group(name: str) -> str:
    """What starts and stops all workers of a group."""
    return f"celery-{NAME}-{name}.target"


def unit(what: str, kind: str = "service") -> str:
    """One of the other units: `web`, `beat`."""
    return f"celery-{what}-{NAME}.{kind}"


@dataclass
class App:
    """A host with a release of the project."""

    host: Host
    project: Project
    reader: ledger.Reader = field(init=False)

    def __post_init__(self) -> None:
        """Read its disk from outside: also while it is off."""
        self.reader = ledger.Reader(self.host.folder / "disk" / LEDGER.lstrip("/"))

    def place(self, links: Mapping[str, str], authority: str) -> None:
        """Bring a release, the environment, the credentials and the units; nothing is started."""
        variables = self.variables(links)
        self.host.write(AUTHORITY, authority)
        self.host.write(ENVIRONMENT, _lines({n: v for n, v in variables.items() if n not in SECRET}), mode=0o600)
        for name in SECRET:
            self.credential("all", name, variables[name])
        self.release("1")
        self.install()
        settings = [f"{name}={value}" for name, value in variables.items()]
        self.host.run("env", *settings, "sh", "-c", _COMPILE, timeout=120)

    def variables(self, links: Mapping[str, str]) -> dict[str, str]:
        """The environment of its processes, secrets and all."""
        own = {"DATA_DIR": f"{HOME}/shared", "TLS_CA_FILE": AUTHORITY, ledger.VARIABLE: LEDGER}
        variables = {**observed.environment(self.project, links), **own}
        not_its_own = ("PATH", "HOME", "LANG", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        return {name: value for name, value in variables.items() if name not in not_its_own}

    def release(self, name: str) -> None:
        """Bring a release of that name and make it the current one."""
        folder = f"{HOME}/releases/{name}"
        self.host.write(f"{folder}.tar", release.packed(self.project))
        self.host.run("sh", "-c", _RELEASE, "release", folder, packages.FOLDER, timeout=60)
        self.host.run("ln", "--symbolic", "--force", "--no-dereference", folder, CURRENT)

    def install(self) -> str:
        """Write the units and have them count; what `workers units` printed."""
        said: str = self.workers("units").stdout
        self.host.run("systemd-sysusers")
        self.host.run("systemd-tmpfiles", "--create", f"/etc/tmpfiles.d/celery-{NAME}.conf")
        self.host.run("systemctl", "daemon-reload")
        return said

    def workers(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Call `python -m workers` as root, as an operator would."""
        return self.host.run("env", f"--chdir={CURRENT}", PYTHON, "-m", "workers", *arguments, check=check, timeout=120)

    def credential(self, role: str, name: str, value: str) -> None:
        """Put one into the store: of a role, or of `all`."""
        self.host.write(f"{CREDENTIALS}/{NAME}.{role}.{name}", value, mode=0o600)

    def systemctl(self, *arguments: str, timeout: float = START) -> str:
        """What systemctl prints; raises RehearsalError where it fails."""
        return self.host.run("systemctl", *arguments, timeout=timeout).stdout.strip()

    def start(self, *units: str) -> None:
        """Start units; returns when they are ready."""
        self.systemctl("start", *units)

    def stop(self, *units: str) -> None:
        """Stop units; returns when they have ended."""
        self.systemctl("stop", *units)

    def quiet(self) -> None:
        """End everything of the project at once, however it was started, and forget that it failed."""
        self.host.run("systemctl", "kill", "--signal=KILL", "celery-*", check=False)
        self.systemctl("stop", f"celery-worker-{NAME}@*", f"celery-*-{NAME}.service", unit("web", "socket"), TARGET)
        self.host.run("systemctl", "reset-failed", "celery-*", check=False)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit, as systemd has it now."""
        return self.systemctl("show", "--value", f"--property={name}", unit)

    def pid(self, unit: str) -> int:
        """The main process of a unit, as the host numbers it; 0 where none runs."""
        return int(self.show(unit, "MainPID"))

    def journal(self, unit: str, *options: str) -> str:
        """What a unit wrote since the host booted."""
        return self.host.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", *options).stdout

    def wait(self, unit: str, name: str, *values: str, timeout: float = START) -> None:
        """Until a property of a unit has one of these values."""
        until(lambda: self.show(unit, name) in values, lambda: f"{unit} {name}={values}: {self.status(unit)}", timeout)

    def wait_ended(self, *units: str) -> None:
        """Until none of them runs or leaves; a target's stop waits for itself only."""
        for each in units:
            self.wait(each, "ActiveState", "inactive")

    def status(self, unit: str) -> str:
        """What an operator sees."""
        return self.host.run("systemctl", "status", "--no-pager", "--full", unit, check=False).stdout

    def entries(self) -> Iterator[ledger.Entry]:
        """What its tasks wrote down since the last call."""
        return self.reader.new()

    def active(self, units: Sequence[str]) -> bool:
        """Whether every one of them is."""
        return self.host.run("systemctl", "is-active", "--quiet", *units, check=False).returncode == 0


def _lines(variables: Mapping[str, str]) -> str:
    return "".join(f'{name}="{value}"\n' for name, value in variables.items())
