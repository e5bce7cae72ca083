"""What can be wrong with a topology, each with its place, its stable code and its cure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Path = tuple[str | int, ...]

#: Code -> what it stands for. Codes are stable: runbooks and searches refer to them.
CODES: Final[dict[str, str]] = {
    "W01": "the file cannot be read as one plain YAML mapping",
    "W02": "unknown key",
    "W03": "a value of the wrong type or out of range",
    "W04": "a key that is missing",
    "W10": "soft time limit not below the hard one",
    "W11": "the stop timeout is shorter than what a stop can take",
    "W12": "RabbitMQ's consumer timeout would take running tasks away",
    "W13": "Redis' visibility timeout would run tasks twice",
    "W14": "more memory than the host has",
    "W15": "more database connections than the database allows",
    "W16": "more broker connections than the broker allows",
    "W17": "an option that the pool ignores",
    "W18": "a pool that must not be used",
    "W19": "a pool for debugging outside local settings",
    "W20": "long tasks reserved behind long tasks",
    "W21": "a queue that no host consumes",
    "W23": "a task that two groups claim",
    "W24": "a pattern that no task matches",
    "W25": "a task that no group claims",
    "W26": "a task whose own limit exceeds its group's",
    "W27": "a periodic task that could not be sent",
    "W28": "a queue that holds less than its workers reserve",
    "W29": "a queue that counts as full only after it is full",
}


@dataclass(frozen=True)
class Place:
    """Where a value was written; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One refusal: a code of `CODES`, the path of the value, what is wrong, and what to do."""

    code: str
    path: Path
    message: str
    place: Place | None = None

    def __str__(self) -> str:
        where = f"{self.place} " if self.place else ""
        return f"{where}{dotted(self.path)} ({self.code}): {self.message}"


class TopologyError(Exception):
    """The topology is refused; `problems` holds every reason, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=_in_file_order))
        super().__init__("\n".join(map(str, self.problems)))


def dotted(path: Path) -> str:
    """`("groups", "batch", "time_limit")` as an operator says it: `batch.time_limit`."""
    shown = path[1:] if len(path) > 1 and path[0] == "groups" else path
    return ".".join(map(str, shown)) or "the file"


def _in_file_order(problem: Problem) -> tuple[str, int, int, str]:
    place = problem.place or Place("")
    return place.file, place.line, place.column, problem.code
