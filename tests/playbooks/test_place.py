"""All files of a role in one call: those that differ are written, whole, and secrets are not shown."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.local import ME, told


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A folder with a template that finds its entry as `item`."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/part.j2").write_text("part of {{ item.path | basename }}\n", encoding="utf-8")
    text = "{% set word = item.word %}\n{% include 'part.j2' +%}\nsays {{ word }}\n"
    (tmp_path / "templates/file.j2").write_text(text, encoding="utf-8")
    return tmp_path


def file(path: Path, word: str, **more: str) -> dict[str, Any]:
    """An entry of the list."""
    return {"template": "file.j2", "path": str(path), "word": word, "mode": "0644", **ME, **more}


def test_what_differs_is_written_and_the_rest_is_left(templates: Path) -> None:
    """Folders are made; the second time nothing is changed; then one of two."""
    one, two = templates / "new/one", templates / "new/two"
    said = told(templates, "place", {"files": [file(one, "hello"), file(two, "hello")]})
    assert said["written"] == [str(one), str(two)]
    assert one.read_text(encoding="utf-8") == "part of one\nsays hello\n"
    assert not told(templates, "place", {"files": [file(one, "hello"), file(two, "hello")]})["changed"]
    age = one.stat().st_mtime
    said = told(templates, "place", {"files": [file(one, "hello"), file(two, "goodbye")]})
    assert said["written"] == [str(two)]
    assert one.stat().st_mtime == age


def test_another_mode_makes_no_younger_file(templates: Path) -> None:
    """A service that reads it is not out of date for that."""
    path = templates / "one"
    told(templates, "place", {"files": [file(path, "hello")]})
    age = path.stat().st_mtime
    time.sleep(0.01)  # a file that is written now has another age
    assert told(templates, "place", {"files": [file(path, "hello", mode="0600")]})["changed"]
    assert (path.stat().st_mode & 0o777, path.stat().st_mtime) == (0o600, age)


def test_a_file_that_not_everybody_reads_is_not_shown(templates: Path) -> None:
    """Neither in the difference nor in what was asked of the module; the others are."""
    files = [file(templates / "open", "hello"), file(templates / "closed", "s3cret-word", mode="0640")]
    said = told(templates, "place", {"files": files}, "--check", "--diff")
    assert said["changed"]
    assert not (templates / "closed").exists()
    assert "says hello" in str(said["diff"])
    assert "s3cret-word" not in str(said["diff"]) + str(said["invocation"])


def test_a_refused_file_leaves_the_old_one(templates: Path) -> None:
    """With the words of who refused it."""
    path = templates / "one"
    told(templates, "place", {"files": [file(path, "hello")]})
    said = told(templates, "place", {"files": [file(path, "goodbye", validate="/bin/ls %s/not-a-folder")]})
    assert said["failed"]
    assert "not-a-folder" in said["msg"]
    assert path.read_text(encoding="utf-8") == "part of one\nsays hello\n"
    assert sorted(each.name for each in templates.iterdir()) == ["one", "playbook.yml", "templates"]
