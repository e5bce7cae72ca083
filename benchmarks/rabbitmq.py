"""A RabbitMQ of this machine's own installation: one node on free ports, in a folder of its own."""

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmarks.ground import Ground
from demo import processes

#: Debian's, whose /usr/sbin/rabbitmq-server is for the system's own node only; elsewhere the one in PATH.
SERVERS = (Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), *map(Path, filter(None, [shutil.which("rabbitmq-server")])))
START_TIMEOUT = 90


def server() -> Path | None:
    """What starts a node, if this machine has it."""
    return next((path for path in SERVERS if path.exists() and shutil.which("epmd")), None)


@contextmanager
def node(ground: Ground, program: Path) -> Iterator[str]:
    """The URL of a node that was started anew, with nothing in it."""
    folder = ground.project.folder / "rabbitmq"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ports = _free_ports()
    environment = {**ground.project.environment, **_environment(folder, *ports)}
    with ExitStack() as stack:
        log = stack.enter_context((folder / "node.log").open("w"))
        # One of its own: the node would start the system's, which stays behind.
        names = ("epmd", "-port", environment["ERL_EPMD_PORT"])
        stack.enter_context(processes.started(names, folder, environment, log))
        stack.enter_context(processes.started((program,), folder, environment, log))
        _wait_until_it_listens(ports[0], folder / "node.log")
        yield f"amqp://guest:guest@127.0.0.1:{ports[0]}//"


def _environment(folder: Path, clients: int, nodes: int, names: int) -> dict[str, str]:
    (folder / "plugins").write_text("[].\n")
    return {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(clients),
        "RABBITMQ_DIST_PORT": str(nodes),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
    }


def _free_ports() -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(3)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_until_it_listens(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"RabbitMQ did not listen within {START_TIMEOUT} s; its log is {log}")
