"""Reads `workers.yml`, lays the environment's sizes over it, and refuses what is wrong, all of it at once."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.variables import Variables, loaded
from workers.topology import rules
from workers.topology.model import Pool, Topology
from workers.topology.problems import Path, Place, Problem, TopologyError
from workers.topology.source import Source, read, short

#: The generated project's root: workers.yml and environments/ lie there.
ROOT: Final = FilePath(__file__).resolve().parents[2]
TOPOLOGY_FILE: Final = "workers.yml"
SIZES_FILE: Final = "environments/{environment}/sizes.yml"


@dataclass(frozen=True)
class Loaded:
    """A valid topology, with the places of its values for later problems (tasks, hosts)."""

    topology: Topology
    source: Source
    environment: str

    def placed(self, problem: Problem) -> Problem:
        """`problem` with the line and column of its value."""
        return replace(problem, place=self.source.place(problem.path))


@cache
def topology() -> Topology:
    """The topology of this process's project and environment; read once."""
    return load().topology


def current_environment() -> str:
    """The environment this process belongs to: the variable ENVIRONMENT, by default local."""
    return loaded(Variables).environment


def load(root: FilePath = ROOT, environment: str | None = None) -> Loaded:
    """The topology under `root` as `environment` has it.

    Raises TopologyError with every problem found: first of the files' form, then of types and keys, then of the rules.
    """
    environment = environment or current_environment()
    source = read(root / TOPOLOGY_FILE, TOPOLOGY_FILE)
    sizes = SIZES_FILE.format(environment=environment)
    if (root / sizes).exists():
        above = read(root / sizes, sizes)
        _refuse_other_groups(source, above)
        source = source.overlaid(above)
    return validate(source, environment)


def validate(source: Source, environment: str) -> Loaded:
    """The typed topology of `source`; raises TopologyError with all problems of the first kind found."""
    try:
        model = Topology.model_validate(source.values)
    except ValidationError as error:
        # A union reports one error for each of its members; they read the same here.
        raise TopologyError(dict.fromkeys(_typed(details, source) for details in error.errors())) from None
    loaded = Loaded(model, source, environment)
    if found := rules.check(model, environment):
        raise TopologyError(map(loaded.placed, found))
    return loaded


def _refuse_other_groups(source: Source, sizes: Source) -> None:
    """Sizes are those of the groups of workers.yml: one renamed there would be told as a new one, without its tasks."""
    known = _groups(source)
    others = [("groups", name) for name in _groups(sizes) if name not in known]
    if known and others:
        raise TopologyError(
            Problem("W02", path, f"{TOPOLOGY_FILE} has no such group{_nearest(path[-1], known)}", sizes.place(path))
            for path in others
        )


def _groups(source: Source) -> list[str]:
    groups = source.values.get("groups")
    return list(groups) if isinstance(groups, dict) else []


def _typed(details: ErrorDetails, source: Source) -> Problem:
    """A pydantic error in the words of `workers.yml`."""
    path = _in_file(details["loc"], source.values)
    code, message = _words(details, path)
    return Problem(code, path, message, source.place(path) or Place(TOPOLOGY_FILE))


def _words(details: ErrorDetails, path: Path) -> tuple[str, str]:
    kind, got, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return "W02", f"unknown key{_nearest(str(path[-1]), _known_keys(path[:-1]))}"
    if kind == "missing":
        return "W04", "missing; add it"
    if path[-1:] == ("pool",) and got == "eventlet":
        return "W18", "eventlet is unmaintained and its extra does not install; use pool: threads, or gevent"
    if path[-1:] == ("pool",):
        return "W03", f"expected one of {', '.join(get_args(Pool))}, got: {shown(got)}"
    if path[-1:] == ("concurrency",):
        return "W03", f"expected auto or a whole number from 1 to 10000, got: {shown(got)}"
    expected = EXPECTED.get(kind, details["msg"].lower()).format_map(context)
    return "W03", f"expected {expected}, got: {shown(got)}"


#: pydantic's error type -> what was expected, in the words of the field; values come from the error's context.
EXPECTED: Final[dict[str, str]] = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_short": "at least {min_length} character(s)",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} entry",
    "too_long": "at most {max_length} entries",
}


def shown(value: Any) -> str:
    """`value` as the file writes it, cut to what fits a line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    text = short(str(value))
    return repr(text) if isinstance(value, str) else text


def _in_file(location: tuple[int | str, ...], values: Any) -> Path:
    """The location that pydantic gives, without the parts it adds for unions and mapping keys."""
    path: list[int | str] = []
    for part in location:
        here = _reach(values, path)
        inside = isinstance(here, dict) or (isinstance(here, list) and isinstance(part, int))
        if not inside or part == "[key]":
            break
        path.append(part)
    return tuple(path)


def _reach(values: Any, path: list[int | str]) -> Any:
    for part in path:
        if isinstance(values, dict):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
    return values


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(sorted(known))}"


def _known_keys(path: Path) -> list[str]:
    kind: Any = Topology
    for part in path:
        is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        kind = kind.model_fields[str(part)].annotation if is_model else get_args(kind)[-1]
    return list(kind.model_fields)
