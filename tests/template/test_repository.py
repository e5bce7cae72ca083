"""What the repository says about itself is true."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.stages import ALONE, BESIDE, FIRST, rounds, stages
from tests.template.rendering import PROJECT_FOLDER, ROOT

CONTEXT = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
LOCKS = sorted([*ROOT.glob("requirements/*.txt"), *(ROOT / PROJECT_FOLDER).glob("requirements/*.txt")])


def read(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(heading: str) -> list[str]:
    """The first column of the map under a heading of CONTRIBUTING.md."""
    section = read("CONTRIBUTING.md").partition(f"### {heading}\n")[2].partition("```\n")[2].partition("```")[0]
    return [name for line in section.splitlines() for name in re.split(r"\s{2,}", line)[0].split()]


@pytest.mark.parametrize(("heading", "folder"), [("The template", "."), ("The project", PROJECT_FOLDER)])
def test_the_map_is_the_tree(heading: str, folder: str) -> None:
    """Every place on CONTRIBUTING's maps exists, and every folder is on one of them."""
    names = {name.rstrip("/") for name in blocks(heading)}
    assert names
    assert {name for name in names if not (ROOT / folder / name).exists()} == set()
    there = {path.name for path in (ROOT / folder).iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert there - {"build", "docs", "__pycache__", "requirements"} <= names


def test_the_version_is_the_newest_of_the_changelog() -> None:
    """One number, told in two places."""
    newest = re.search(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == CONTEXT["_template_version"]


def test_every_changelog_entry_says_whom_it_concerns_and_what_to_do() -> None:
    """An entry without steps leaves its reader guessing."""
    entries = re.split(r"^- ", read("CHANGELOG.md").partition("\n## ")[2], flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "*Affected:*" not in entry or "*Steps:*" not in entry] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_commands_and_files_named_in_the_documents_exist(name: str) -> None:
    """A command somebody reads is a command that can be typed; a file named is there."""
    targets = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE))
    project_targets = set(re.findall(r"^([a-z-]+):.*## ", read(f"{PROJECT_FOLDER}/Makefile"), re.MULTILINE))
    text = read(name)
    assert (
        set(re.findall(r"\bmake ([a-z]+)\b(?=[`\s]+(?:#|[A-Z]+=|$)|`)", text, re.MULTILINE))
        <= targets | project_targets
    )
    paths = set(re.findall(r"`([\w./-]+/[\w./-]*|[\w-]+\.(?:py|md|yml|json|toml))`", text)) - {"build/"}
    roots = (ROOT, ROOT / PROJECT_FOLDER)
    assert {path for path in paths if not any((root / path).exists() for root in roots)} == set()


def test_help_lists_every_target() -> None:
    """A target without a description would be found by nobody."""
    phony = re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)
    assert phony is not None
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    listed = re.findall(r"^  ([a-z-]+) ", shown, re.MULTILINE)
    assert listed == phony[1].split()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: f"{path.parents[1].name[:2]}-{path.name}")
def test_locks_hold_hashes_and_no_address(path: Path) -> None:
    """What is installed is what was locked, wherever it is fetched from."""
    text = path.read_text(encoding="utf-8")
    pins = re.findall(r"^[\w.\[\]-]+==\S+(?: ;[^\\]*)? \\$", text, re.MULTILINE)
    assert pins
    assert len(pins) == len(re.findall(r"^[\w.\[\]-]+==", text, re.MULTILINE))
    assert not re.search(r"https?://|file:|--index-url|--find-links|--extra-index-url", text)


def test_pre_commit_calls_locked_tools_only() -> None:
    """No hook is fetched from elsewhere; each entry is a tool of build/venv."""
    [repository] = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    assert all(hook["entry"].startswith("build/venv/bin/") for hook in repository["hooks"])


def test_every_linter_rule_is_on_and_each_exception_has_its_reason() -> None:
    """Rules are switched off one by one, in writing."""
    lint = tomllib.loads(read("pyproject.toml"))["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    off = [*lint["ignore"], *(code for codes in lint["per-file-ignores"].values() for code in codes)]
    unexplained = [code for code in off if not re.search(rf'"{code}",\s+# \S', read("pyproject.toml"))]
    assert unexplained == []


def test_every_stage_runs_once_whatever_runs_beside_it() -> None:
    """A stage that has been renamed would run somewhere else in silence."""
    assert {*FIRST, *BESIDE, *ALONE} <= stages().keys()
    assert sorted(name for lanes in rounds(stages()) for lane in lanes for name in lane) == sorted(stages())
    expected = [[["brokers"], ["template"]], [["systemd", "fleet"]]]
    assert rounds(["fleet", "template", "systemd", "brokers"]) == expected


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("1", 1)])
def test_a_skipped_test_fails_in_ci(ci: str, code: int, tmp_path: Path) -> None:
    """A laptop may lack git or a browser; where everything is promised to run, what did not run is no success."""
    (tmp_path / "test_skips.py").write_text("import pytest\n\ndef test_it(): pytest.skip('no git')\n", encoding="utf-8")
    options = ("-p", "tests.conftest", "--rootdir", tmp_path, "-c", os.devnull, tmp_path)
    command = (sys.executable, "-m", "pytest", *options)
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "CI": ci}, capture_output=True, check=False, text=True)
    assert done.returncode == code, done.stdout
    assert ("which CI does not accept" in done.stdout) == bool(ci)
