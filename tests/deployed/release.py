"""The project's code and environment on a host, and units that run it."""

import io
import tarfile
from collections.abc import Mapping
from typing import Final

from rehearsal.host import Host
from tests.brokers.observers import project as observed
from tests.deployed import packages
from tests.project.running import Project

#: On each host: the code, what units find in their environment, and whose certificates to believe.
CODE: Final = "/srv/app"
ENVIRONMENT: Final = "/etc/app/environment"
AUTHORITY: Final = "/etc/app/ca.pem"
#: What its owner would bring to a host.
PARTS: Final = (
    "config",
    "environments",
    "manage.py",
    "probe",
    "pyproject.toml",
    "static",
    "systemd",
    "telemetry",
    "templates",
    "workers",
    "workers.yml",
)

UNIT: Final = """\
[Unit]
Description={about}
[Service]
ExecStart=/usr/bin/python3 -m {module}
WorkingDirectory=/srv/app
EnvironmentFile=/etc/app/environment
Restart=always
RestartSec=1
{more}
[Install]
WantedBy=multi-user.target
"""
#: Looks whether it would run; and has it compiled, before many processes do so at a time.
_CHECK: Final = f"""\
set -a
. {ENVIRONMENT}
cd {CODE}
exec python3 -m workers check
"""


def place(host: Host, project: Project, links: Mapping[str, str], authority: str) -> None:
    """Have the project on a host: its code, the environment of its processes, the authority (PEM) they believe."""
    own = {"PYTHONPATH": packages.FOLDER, "DATA_DIR": CODE, "HOME": "/root", "TLS_CA_FILE": AUTHORITY}
    variables = {**observed.environment(project, links), **own}
    del variables["PATH"]  # the host's own
    del variables["PYTHONDONTWRITEBYTECODE"]  # compiling all that a worker imports takes four seconds of a core
    host.write(AUTHORITY, authority)
    host.write(ENVIRONMENT, "".join(f'{name}="{value}"\n' for name, value in variables.items()), mode=0o600)
    host.write(f"{CODE}.tar", packed(project))
    host.run("tar", "--extract", f"--one-top-level={CODE}", f"--file={CODE}.tar")
    host.run("sh", "-c", _CHECK, timeout=60)


def unit(host: Host, name: str, about: str, module: str, more: str = "") -> None:
    """Write a unit that runs a Python module of the project; `more`: further lines of its [Service]."""
    host.write(f"/etc/systemd/system/{name}.service", UNIT.format(about=about, module=module, more=more))


def packed(project: Project) -> bytes:
    """The project as a tar file."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for part in PARTS:
            archive.add(project.root / part, arcname=part, filter=_unless_compiled)
    return written.getvalue()


def _unless_compiled(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry
