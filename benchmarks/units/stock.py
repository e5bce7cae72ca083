"""Stock Celery on the same host and the same Redis: its own unit and its own settings, nothing tuned."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.delivery import ledger, results
from tests.systemd.app import AUTHORITY, PYTHON
from tests.systemd.ground import Ground
from tests.systemd.load import Load, sender

#: What Celery's documentation says of systemd ("Daemonization"; extra/systemd in its repository, main in July 2026).
UNIT: Final = (Path(__file__).parent / "celery.service").read_text(encoding="utf-8")
NAME: Final = "celery.service"
HOME: Final = "/opt/celery"
#: On the host: what its tasks write down.
LEDGER: Final = f"{HOME}/ledger.jsonl"
#: Of the one Redis; ours are below.
DATABASE: Final = 9
CONFIGURATION: Final = """\
CELERY_BIN="{python} -m celery"
CELERY_APP="proj"
CELERYD_NODES="worker"
CELERYD_OPTS="--concurrency={slots}"
CELERYD_PID_FILE="/var/run/celery/%n.pid"
CELERYD_LOG_FILE="/var/log/celery/%n%I.log"
CELERYD_LOG_LEVEL="INFO"
{variable}={ledger}
STOCK_URL="{url}"
"""
_MULTI: Final = f"""\
set -a
. /etc/conf.d/celery
cd {HOME}
exec $CELERY_BIN -A $CELERY_APP multi {{verb}} $CELERYD_NODES --pidfile=$CELERYD_PID_FILE \
    --logfile=$CELERYD_LOG_FILE --loglevel=$CELERYD_LOG_LEVEL $CELERYD_OPTS
"""
_PURGE: Final = f"{PYTHON} -m celery -A proj purge --force"
_USER: Final = """\
set -e
useradd --system celery
mkdir -p /var/run/celery /var/log/celery
chown celery: /opt/celery /var/run/celery /var/log/celery
systemctl daemon-reload
"""


@dataclass(frozen=True)
class Stock:
    """Celery's unit with one worker, installed by its documentation."""

    ground: Ground
    slots: int

    def install(self) -> None:
        """Have it on the host; nothing is started."""
        host, here = self.ground.app.host, Path(__file__).parent
        host.write(f"{HOME}/proj.py", (here / "proj.py").read_text(encoding="utf-8"))
        host.write(f"{HOME}/ledger.py", Path(ledger.__file__).read_text(encoding="utf-8"))
        host.write("/etc/conf.d/celery", self._configuration)
        host.write(f"/etc/systemd/system/{NAME}", UNIT)
        host.run("sh", "-c", _USER)

    @contextmanager
    def loaded(self, folder: Path) -> Iterator[Load]:
        """Tasks for it, sent from this machine, from here to the end of the block."""
        reader = ledger.Reader(self.ground.app.host.folder / "disk" / LEDGER.lstrip("/"))
        program = (str(Path(__file__).with_name("proj.py")),)
        variables = {"STOCK_URL": self._url(str(self.ground.ca_file))}
        with sender(self.ground, folder, program, variables, [reader]) as made:
            yield made

    def multi(self, verb: str) -> None:
        """Call `celery multi` without its unit, as the unit's user."""
        self.ground.app.host.run("runuser", "-u", "celery", "--", "sh", "-c", _MULTI.format(verb=verb), timeout=300)

    def deafen(self) -> None:
        """Have its broker send it nothing more."""
        host = self.ground.app.host
        tell = f"{PYTHON} -c 'from proj import app; app.control.broadcast(\"deafen\")'"
        host.run("sh", "-c", f"set -a; . /etc/conf.d/celery; cd {HOME}; {tell}")

    def workers(self) -> list[int]:
        """The main processes that run: those whose parent is no worker."""
        listed = self.ground.app.host.run("pgrep", "-u", "celery", "-P", "1", "-f", "celery", check=False).stdout
        return [int(pid) for pid in listed.split()]

    def clear(self) -> None:
        """End all of it, however it was started, and take away what it left: the next start finds nothing to do."""
        host = self.ground.app.host
        self.ground.app.stop(NAME)
        host.run("pkill", "-KILL", "-u", "celery", check=False)
        host.run("sh", "-c", f"set -a; . /etc/conf.d/celery; cd {HOME}; rm -f /var/run/celery/*; {_PURGE}")

    @property
    def pid(self) -> int:
        """Its main process, once it has said so; 0 where there is none."""
        told = self.ground.app.host.run("cat", "/var/run/celery/worker.pid", check=False).stdout
        return int(told or 0)

    @property
    def _configuration(self) -> str:
        values = {"python": PYTHON, "slots": self.slots, "variable": ledger.VARIABLE, "ledger": LEDGER}
        return CONFIGURATION.format(url=self._url(AUTHORITY), **values)

    def _url(self, authority: str) -> str:
        broker = results.links(self.ground.database.host)["RESULT_URL"].replace("/0", f"/{DATABASE}")
        return f"{broker}?ssl_cert_reqs=required&ssl_ca_certs={authority}"
