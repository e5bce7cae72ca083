"""The stages of `make test`, and which of them run side by side."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TESTS: Final = ROOT / "tests"

LINT: Final[tuple[tuple[str, ...], ...]] = (
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

#: What is wrong here is known in seconds.
FIRST: Final = frozenset({"lint"})
#: These need no hosts, so that they run beside those that do, which wait most of the time; the longest first.
BESIDE: Final[tuple[str, ...]] = ("project", "template", "playbooks", "demo")
#: Each has the machine to itself: a watchdog of ten seconds was late once beside others, and eleven hosts take every
#: core and most of what the kernel allows.
ALONE: Final[tuple[str, ...]] = ("systemd", "fleet")


def stages() -> dict[str, tuple[tuple[str, ...], ...]]:
    """Every stage and its commands: a new folder of tests is one without being listed anywhere."""
    folders = sorted(folder.name for folder in TESTS.iterdir() if any(folder.glob("test_*.py")))
    return {"lint": LINT} | {name: (("pytest", f"tests/{name}"),) for name in folders}


def rounds(names: Iterable[str]) -> list[list[list[str]]]:
    """These stages as rounds, one after the other; a round's lanes run side by side, a lane's stages one by one."""
    chosen = list(names)
    first = [name for name in chosen if name in FIRST]
    beside = [name for name in BESIDE if name in chosen]
    alone = [name for name in ALONE if name in chosen]
    others = [name for name in chosen if name not in {*first, *beside, *alone}]
    every: list[list[list[str]]] = [[first], [others, beside], [alone]]
    return [lanes for each in every if (lanes := [lane for lane in each if lane])]
