"""Ports are looked at before anything is done, and every place that names one follows the choice."""

import os
import re
import socket
from pathlib import Path

import pytest
from dotenv import dotenv_values

from demo import ports
from demo.steps import StepFailedError


@pytest.fixture
def listener() -> socket.socket:
    """Somebody else's server, on some port."""
    return socket.create_server(("127.0.0.1", 0))


def test_taken_ports_are_named_with_their_owner_and_free_ones(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines say who has the ports, and the one command that would work."""
    with listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(ports, "DEFAULTS", {"WEB_PORT": 8000, "FLOWER_PORT": 5555})
        monkeypatch.setenv("WEB_PORT", str(port))
        monkeypatch.setenv("FLOWER_PORT", str(port))
        with pytest.raises(StepFailedError) as refused:
            ports.chosen()
    lines = str(refused.value).splitlines()
    assert [line.startswith(f"Port {port} is taken by ") for line in lines] == [True, True, False]
    assert lines[0].endswith(f"(process {os.getpid()}).")
    command = re.fullmatch(r"Stop it, or choose another: make demo WEB_PORT=(\d+) FLOWER_PORT=(\d+)", lines[2])
    assert command is not None
    assert ports.is_free(int(command[1]))


@pytest.mark.parametrize("text", ["80", "65536", "-1", "web", "8000 "])
def test_what_is_no_port_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error does not become a traceback minutes later."""
    monkeypatch.setenv("FLOWER_PORT", text)
    with pytest.raises(StepFailedError) as refused:
        ports.chosen()
    assert str(refused.value) == f"FLOWER_PORT: expected a port between 1024 and 65535; got {text!r}"


def test_chosen_ports_reach_every_url(tmp_path: Path) -> None:
    """Ports stand in URLs as well; digits that only look like one stay."""
    file = tmp_path / ".env"
    file.write_text(
        "SECRET_KEY=x8000-6399\nSITE_URL=http://127.0.0.1:8000\nWEB_PORT=8000\n"
        "BROKER_URL=redis://:p5555w@127.0.0.1:6399/0\nOTHER=80001\n",
        encoding="utf-8",
    )
    ports.write(file, {"WEB_PORT": 8100, "FLOWER_PORT": 5601, "REDIS_PORT": 6401})
    assert dotenv_values(file) == {
        "SECRET_KEY": "x8000-6399",
        "SITE_URL": "http://127.0.0.1:8100",
        "WEB_PORT": "8100",
        "BROKER_URL": "redis://:p5555w@127.0.0.1:6401/0",
        "OTHER": "80001",
    }


def test_the_defaults_are_those_of_the_generated_project() -> None:
    """A port that changes there must change here, or the demo would move nothing."""
    example = Path(__file__).parents[2] / "{{cookiecutter.project_slug}}" / ".env.example"
    text = example.read_text(encoding="utf-8")
    for name, port in ports.DEFAULTS.items():
        assert f":{port}" in text or f"{name}={port}" in text, name
