"""A generated project and the commands its owner types."""

import json
import re
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from demo.processes import clean_environment
from tests.waiting import PATIENCE, until

DEFAULT_PORTS = ("8000", "5555", "6399")

#: Reads one program a line (as JSON), runs it with Django and the application at hand, prints its `answer` (as JSON).
_SHELL = """\
import json, sys
from config.env import select_settings
select_settings()
import django
django.setup()
from config.celery import app
from workers.topology import topology
for line in sys.stdin:
    names = {"app": app, "topology": topology}
    exec(json.loads(line), names)
    print("answer:" + json.dumps(names["answer"]), flush=True)
"""


@dataclass(frozen=True)
class Project:
    """One generated project; `python` may be another project's, which has the same packages."""

    root: Path
    python: Path

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run its Python with `arguments` to the end."""
        command = [str(self.python), *arguments]
        environment = self.environment | variables
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call its Makefile."""
        command = ["make", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False, timeout=2400
        )

    @property
    def environment(self) -> dict[str, str]:
        """The user's, without what would take precedence over its `.env`."""
        named = re.findall(r"^#? ?([A-Z_]+)=", (self.root / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
        return clean_environment(frozenset(named))

    def ask(self, code: str, **variables: str) -> Any:  # noqa: ANN401 - whatever the code says
        """Run `code` with Django, the application (`app`) and `topology` at hand; gives back what it calls `answer`."""
        with self.shell(**variables) as ask:
            return ask(code)

    @contextmanager
    def shell(self, **variables: str) -> Iterator[Callable[[str], Any]]:
        """Yield what `ask` does, without a start of the interpreter for each question."""
        errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        process = subprocess.Popen(
            [str(self.python), "-c", _SHELL],
            cwd=self.root,
            env=self.environment | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

        def ask(code: str) -> Any:  # noqa: ANN401 - whatever the code says
            assert process.stdin
            assert process.stdout
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(code) + "\n")
                process.stdin.flush()
            for line in process.stdout:
                if line.startswith("answer:"):
                    return json.loads(line.removeprefix("answer:"))
            errors.seek(0)
            raise AssertionError(errors.read()[-5000:])

        with errors, process:
            yield ask
            assert process.stdin
            process.stdin.close()
            process.wait(PATIENCE)

    def use_free_ports(self) -> None:
        """Give it ports of its own, in the one place that names them."""
        file = self.root / ".env"
        ports = dict(zip(DEFAULT_PORTS, map(str, free_ports(len(DEFAULT_PORTS))), strict=True))
        pattern = rf"(?<=[:=])({'|'.join(ports)})\b"
        file.write_text(
            re.sub(pattern, lambda match: ports[match[1]], file.read_text(encoding="utf-8")), encoding="utf-8"
        )

    def variable(self, name: str) -> str:
        """A value of its `.env`."""
        found = re.search(rf"(?m)^{name}=(.*)$", (self.root / ".env").read_text(encoding="utf-8"))
        assert found, f"{name} is not in .env"
        return found[1]

    @contextmanager
    def up(self, workers: int) -> Iterator["Up"]:
        """`workers up` from its being ready, with `workers` answering, to its clean end."""
        log = self.root / "up.log"
        with log.open("w") as output:
            process = psutil.Popen(
                [str(self.python), "-m", "workers", "up"],
                cwd=self.root,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = Up(self, process, log)
        try:
            running.wait_ready(workers)
            yield running
        finally:
            running.stop()


@dataclass
class Up:
    """A project that runs."""

    project: Project
    process: psutil.Popen
    log: Path
    family: list[psutil.Process] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_ready(self, workers: int) -> None:
        """Until the web is ready and `workers` of them said so."""
        self.wait(lambda: self.get("/readyz") == 200 and self.text.count(" ready.") >= workers, "ready")
        self.remember()

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Until `condition` holds; fails with the end of the log."""
        wait_for(condition, f"{what}; the log ends:\n{self.text[-3000:]}", lambda: self.process.poll() is None)

    def remember(self) -> None:
        """Note every process there is now, to see later that it has gone."""
        self.family = [self.process, *self.process.children(recursive=True)]

    def left(self) -> list[psutil.Process]:
        """The remembered processes that still run."""
        return [process for process in self.family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]

    def get(self, path: str) -> int:
        """The status of a page, 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.project.variable("SITE_URL") + path, timeout=5) as answer:  # noqa: S310 - our own address
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def stop(self) -> int:
        """Ctrl-C, once; the exit code."""
        if self.process.poll() is None:
            self.remember()
            self.process.send_signal(signal.SIGINT)
        try:
            return int(self.process.wait(PATIENCE))
        except psutil.TimeoutExpired:
            for process in self.left():
                process.kill()
            raise AssertionError(f"it did not stop; the log ends:\n{self.text[-3000:]}") from None


def wait_for(condition: Callable[[], bool], what: str, alive: Callable[[], bool] = lambda: True) -> None:
    """Wait for `condition`, as long as what makes it possible is `alive`."""

    def held() -> bool:
        if condition():
            return True
        assert alive(), f"ended while waiting for {what}"
        return False

    until(held, what)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
