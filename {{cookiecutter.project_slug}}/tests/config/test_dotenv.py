"""How .env is made from .env.example."""

import re
import stat
from pathlib import Path

import pytest
from django.conf import settings
from dotenv import dotenv_values

from config import dotenv
from config.env import BASE_DIR, Environment, Variables, environments_of

EXAMPLE = (BASE_DIR / ".env.example").read_text(encoding="utf-8")


def test_every_placeholder_becomes_a_secret_of_its_own() -> None:
    """Two placeholders never share a value, and a named one has the same everywhere."""
    filled = dotenv.fill("A=generate\nB=generate\nC=x:generate:pw@h\nD=y:generate:pw@h\n# generate stays\n")
    a, b, c, d, comment = filled.splitlines()
    assert a != b.replace("B", "A")
    assert c[4:] == d[4:]
    assert re.fullmatch(r"A=[\w-]{64}", a)
    assert comment == "# generate stays"


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Others on the machine cannot read the secrets, whatever the umask."""
    (tmp_path / ".env.example").write_text("A=generate\n")
    assert dotenv.main(tmp_path) == 0
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_an_existing_file_is_never_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Running it again loses no secret."""
    (tmp_path / ".env.example").write_text("A=generate\n")
    (tmp_path / ".env").write_text("A=mine\n")
    assert dotenv.main(tmp_path) == 0
    assert (tmp_path / ".env").read_text() == "A=mine\n"
    assert "left as it is" in capsys.readouterr().out


def test_half_a_file_is_not_left_behind(tmp_path: Path) -> None:
    """A full disk must not leave a file that looks whole."""
    with pytest.raises(UnicodeEncodeError):
        dotenv.write(tmp_path / ".env", "\ud800")
    assert not (tmp_path / ".env").exists()


def test_a_missing_example_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a traceback."""
    assert dotenv.main(tmp_path) == 1
    assert ".env could not be written" in capsys.readouterr().err


def test_the_example_names_only_variables_that_something_reads() -> None:
    """A line of the example that does nothing would mislead for ever."""
    kinds: list[type[Variables]] = [Environment, *environments_of(settings.PROJECT_APPS)]
    known = {name.upper() for kind in kinds for name in kind.model_fields}
    named = set(re.findall(r"^#? ?([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert named - known == set()


def test_the_example_holds_no_secret() -> None:
    """Every secret in it is a placeholder."""
    for name, value in dotenv_values(BASE_DIR / ".env.example").items():
        if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
            assert value == "generate"
        if name.endswith("_URL") and "@" in (value or ""):
            assert ":generate:redis@" in str(value)
