"""What templates and hooks call by name; Cookiecutter loads it through `_extensions` in cookiecutter.json.

The template's root is found from the working directory, not from this file: Cookiecutter works in the
template while it renders, whatever way it was named, and cruft renders an old and a new template in one
process, which loads this module once.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

# Loaded now: the folder may be gone by the time the answers are known (cruft).
REPORT: Callable[[Mapping[str, object]], str] = runpy.run_path(
    str(Path(__file__).parent / "hooks" / "pre_gen_project.py")
)["report"]

MARKDOWN_MARKS = re.compile(r"([\\`*_\[\]<>~|#]|&(?=#?\w+;))")


def accepted(answers: Mapping[str, object]) -> str:
    """Refuse wrong answers here, as soon as all are given.

    The hook of the same purpose runs only after the project's folder was made from a slug nobody had checked:
    by then `../x` has been created, and 10,000 characters have ended in a traceback. The hook remains for
    `cookiecutter --replay`, which does not come by here.
    """
    if refused := REPORT(answers):
        raise FailedHookException(refused)
    return "accepted"


def quoted(answer: str) -> str:
    """The answer as a string of TOML, YAML and JSON alike: `tojson` escapes emoji as only JSON has them."""
    return json.dumps(answer, ensure_ascii=False)


def markdown(answer: str) -> str:
    """The answer as plain text of a Markdown file, whatever characters it holds."""
    return MARKDOWN_MARKS.sub(r"\\\1", answer)


def template_root() -> str:
    """The checkout (or unpacked archive) that is being rendered."""
    here = Path.cwd()
    return str(next(folder for folder in (here, *here.parents) if (folder / "cookiecutter.json").is_file()))


def template_commit() -> str:
    """The commit being rendered, "-dirty" if files were changed since; where git cannot tell, says so."""
    command = ["git", "-C", template_root(), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    unknown = "commit unknown (it was not a git checkout)"
    # Without this an archive unpacked inside some other checkout would be given that one's commit.
    if not Path(template_root(), ".git").exists() or shutil.which("git") is None:
        return unknown
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    asked = subprocess.run(command, capture_output=True, check=False, env=environment, text=True)
    return f"commit {asked.stdout.strip()}" if asked.returncode == 0 else unknown


class Template(Extension):
    """Adds the functions above to Jinja."""

    def __init__(self, environment: Environment) -> None:
        """Register them under their own names."""
        super().__init__(environment)
        environment.filters |= {"accepted": accepted, "quoted": quoted, "markdown": markdown}
        environment.globals |= {"template_root": template_root, "template_commit": template_commit}
