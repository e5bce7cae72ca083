"""The generated project: how it is made, installed, started and found to be ready."""

import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from demo import ports, processes
from demo.steps import StepFailedError

TEMPLATE = Path(__file__).resolve().parent.parent
READY_WITHIN = 120


@dataclass(frozen=True)
class Project:
    """One generated project, in a folder that only the demo uses."""

    folder: Path
    ports: dict[str, int]

    @property
    def root(self) -> Path:
        """Where the default answers put it."""
        return self.folder / "corner_shop"

    @property
    def python(self) -> Path:
        """The Python of its own environment."""
        return self.root / ".venv" / "bin" / "python"

    @property
    def log(self) -> Path:
        """What all its processes print."""
        return self.folder / "workers-up.log"

    @property
    def environment(self) -> dict[str, str]:
        """What its commands run with: nothing that would take precedence over its `.env`."""
        example = self.root / ".env.example"
        named = re.findall(r"^#? ?([A-Z_]+)=", example.read_text() if example.exists() else "", re.MULTILINE)
        return processes.clean_environment(frozenset({*named, *self.ports}))

    def generate(self, say: Callable[[str], None]) -> None:
        """Render it anew; what took long to install stays, if it is of this Python."""
        self.clear()
        config = self.folder / "cookiecutter.yml"
        config.write_text(f'replay_dir: "{self.folder}"\n', encoding="utf-8")
        command = [sys.executable, "-m", "cookiecutter", "--no-input", "--overwrite-if-exists"]
        options: processes.Command = ("--config-file", config, "--output-dir", self.folder, TEMPLATE)
        processes.run([*command, *options], TEMPLATE, self.environment, say)
        ports.write(self.root / ".env", self.ports)

    def clear(self) -> None:
        """Remove a former run's project and data, except for its environment and its Redis server."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {self.root / ".venv", self.root / ".local"}
        for path in self.root.iterdir() if self.root.exists() else ():
            if path not in kept:
                remove(path)
        for path in (self.root / ".local").glob("*"):
            if path.name != "redis-server":
                remove(path)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        if not (self.root / ".venv" / "lib" / f"python{version}").exists():
            remove(self.root / ".venv")

    def install(self, say: Callable[[str], None]) -> None:
        """As its owner does it; the Python is the one the demo itself was started with."""
        processes.run(["make", "install", f"PYTHON={processes.base_python()}"], self.root, self.environment, say)

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[str]]:
        """All its processes, from here to the end of the block."""
        command = (self.python, "-m", "workers", "up")
        with (
            self.log.open("w", encoding="utf-8") as log,
            processes.started(command, self.root, self.environment, log) as process,
        ):
            yield process

    def wait_until_ready(self, up: subprocess.Popen[str], say: Callable[[str], None]) -> None:
        """Return once database, broker and results answer; the log's last lines say why they do not."""
        deadline = time.monotonic() + READY_WITHIN
        while not self.is_ready():
            if up.poll() is not None:
                raise StepFailedError(f"{self.tail(30)}\n\nThe project stopped with exit status {up.returncode}.")
            if time.monotonic() > deadline:
                raise StepFailedError(f"{self.tail(30)}\n\nIt was not ready within {READY_WITHIN} s. Log: {self.log}")
            say(self.tail(1))
            time.sleep(0.1)

    def is_ready(self) -> bool:
        """Ask the project itself."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['WEB_PORT']}/readyz", timeout=5) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False

    def work(self) -> int:
        """Let it place its orders and print its report; returns the exit status: 0 if every task finished."""
        command = (self.python, "manage.py", "demo")
        with processes.started(command, self.root, self.environment, None) as process:
            return process.wait()

    def tail(self, lines: int) -> str:
        """The last lines of the log, without their colours."""
        text = self.log.read_text(encoding="utf-8", errors="replace")[-20_000:]
        return "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()[-lines:])


def remove(path: Path) -> None:
    """Delete a file or a folder with all it holds, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
