"""Runs the checks and each folder of tests as a stage of its own; names on the command line choose some.

All stages run, whatever fails before: one run tells everything. Exit status 1 if any failed.
"""

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"

LINT: tuple[tuple[str, ...], ...] = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    (
        "mypy",
        "local_extensions.py",
        "hooks/pre_gen_project.py",
        "hooks/post_gen_project.py",
        "benchmarks",
        "demo",
        "rehearsal",
        "tests",
    ),
)

#: Under CI, also for tests of the projects made here: what was waited for in vain on a busy machine gets
#: a second chance, and is reported. What is wrong, lost or done twice gets none.
ONCE_MORE = "--reruns 1 --only-rerun '^[A-Za-z._]*NotInTimeError: ' -rR"

console = Console(highlight=False)


def stages() -> dict[str, tuple[tuple[str, ...], ...]]:
    """Every stage and its commands: a new folder of tests is one without being listed anywhere."""
    folders = sorted(folder.name for folder in TESTS.iterdir() if any(folder.glob("test_*.py")))
    return {"lint": LINT} | {name: (("pytest", f"tests/{name}"),) for name in folders}


def passes(commands: tuple[tuple[str, ...], ...]) -> bool:
    """Run each command of this environment; all of them, so that one failure does not hide another."""
    codes = [subprocess.call([sys.executable, "-m", *command], cwd=ROOT) for command in commands]
    return not any(codes)


def main(chosen: list[str]) -> int:
    """Run the stages and print the table."""
    if os.environ.get("CI"):
        os.environ["PYTEST_ADDOPTS"] = ONCE_MORE
    known = stages()
    if unknown := [name for name in chosen if name not in known]:
        console.print(f"No such stage: {', '.join(unknown)}. There are: {', '.join(known)}")
        return 2
    table = Table("Stage", "Result", "Seconds", title="make test")
    table.columns[2].justify = "right"
    failed = False
    for name in chosen or known:
        console.rule(name)
        began = monotonic()
        passed = passes(known[name])
        failed |= not passed
        table.add_row(name, "[green]passed[/]" if passed else "[red]FAILED[/]", f"{monotonic() - began:.1f}")
    console.print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
