"""The web server's configuration, in the real server."""

import subprocess
import sys
from pathlib import Path

from config.env import BASE_DIR
from tests.config.web import running_web


def test_gunicorn_accepts_the_configuration() -> None:
    """Every setting exists in the installed version, and the application loads."""
    command = [sys.executable, "-m", "gunicorn", "--check-config", "config.wsgi", "-c", "config/gunicorn.conf.py"]
    done = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


def test_each_request_is_one_line_with_its_id(tmp_path: Path) -> None:
    """Method, path, status and time as fields; no query string, which may hold a token; no line for a probe."""
    with running_web(tmp_path) as web:
        web.get("/healthz")
        web.get("/login/?next=/token-of-somebody")
        web.get("/nowhere/")
        web.stop()
        lines = [line for line in web.lines() if line["logger"] == "gunicorn.access"]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/login/", 200),
        ("GET", "/nowhere/", 404),
    ]
    assert all(line["request_id"] and line["duration_ms"] >= 0 for line in lines)
    assert "token-of-somebody" not in web.log.read_text(encoding="utf-8")
