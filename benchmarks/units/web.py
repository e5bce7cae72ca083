"""The web's unit: requests while it restarts and while it gets new processes."""

from statistics import median
from typing import Any

from benchmarks.figures import Figure
from tests.systemd.app import TARGET, App, unit
from tests.systemd.hammering import CLIENTS, WEB, hammered
from tests.systemd.restarts import restart


def restarts(app: App, times: int) -> list[Figure]:
    """Restart it so often, then reload it so often, under load."""
    app.systemctl("enable", *WEB)
    app.start(TARGET)
    with hammered(app) as restarted:
        seconds = restart(app, unit("web"), times)
    with hammered(app) as reloaded:
        for _ in range(times):
            app.systemctl("reload", unit("web"))
    app.stop(TARGET)
    app.systemctl("disable", *WEB)
    how = f"{CLIENTS} clients without a pause, a connection each request"
    return [
        Figure(f"requests refused in {times} restarts", f"{len(restarted['failed'])} of {_all(restarted)}", "0", how),
        Figure(f"requests refused in {times} reloads", f"{len(reloaded['failed'])} of {_all(reloaded)}", "0", how),
        Figure("longest wait for an answer meanwhile", f"{restarted['longest']:.1f} s", "", "restarts"),
        Figure("a restart of the web until READY", f"{median(seconds):.1f} s", "", "the same run"),
    ]


def _all(found: dict[str, Any]) -> int:
    return int(found["answered"]) + len(found["failed"])
