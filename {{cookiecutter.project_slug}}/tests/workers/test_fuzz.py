"""Whatever a file holds, loading ends in a topology or in problems that name a place."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workers.sample import SOUND
from workers.topology import Problem, Topology, TopologyError, load
from workers.topology.problems import CODES

# Thousands of files: minutes on a busy machine, and twice as many if each line that they run were noted.
pytestmark = [pytest.mark.timeout(600), pytest.mark.no_cover]

_PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(["auto", "solo"])
)
_VALUES = st.recursive(_PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))
_SPLICES = st.sampled_from(
    ["\0", "\t", "\n", ":", "- ", "&a ", "*a", "!!int ", "{", "[", "'", '"', "<<: ", "\ufeff", "\u2028"]
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, below in inner for found in _paths(below, (*path, key)))]


@st.composite
def _mutated_values(draw: st.DrawFn) -> str:
    values: Any = yaml.safe_load(SOUND)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_paths(values)[1:]))
        section = values
        for key in path[:-1]:
            section = section[key]
        if draw(st.booleans()):
            section[path[-1]] = draw(_VALUES)
        elif isinstance(section, dict):
            section[draw(st.text(max_size=12))] = section.pop(path[-1])
        if not values:
            break
    return yaml.safe_dump(values, allow_unicode=draw(st.booleans()))


@st.composite
def _mutated_text(draw: st.DrawFn) -> str:
    text = SOUND
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(_SPLICES | st.text(max_size=10)) + text[end:]
    return text


def _ends_well(directory: Path, raw: bytes) -> None:
    (directory / "workers.yml").write_bytes(raw)
    lines = len(raw.decode("utf-8", "replace").splitlines()) + 1
    for problem in _problems(directory):
        assert problem.place is not None
        assert 1 <= problem.place.line <= lines
        assert problem.code in CODES


def _problems(directory: Path) -> tuple[Problem, ...]:
    try:
        assert isinstance(load(directory, "production").topology, Topology)
    except TopologyError as error:
        return error.problems
    return ()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for all examples of a test."""
    return tmp_path_factory.mktemp("fuzz")


#: CI looks closely; whoever changes something else need not wait for that.
_MANY = settings(
    max_examples=1500 if os.environ.get("CI") else 300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@_MANY
@given(text=_mutated_values())
def test_wrong_values_end_in_problems(directory: Path, text: str) -> None:
    """YAML that reads well and says something else: other types, other keys, huge numbers."""
    _ends_well(directory, text.encode("utf-8", "surrogatepass"))


@_MANY
@given(text=_mutated_text())
def test_broken_text_ends_in_problems(directory: Path, text: str) -> None:
    """A topology cut, spliced and overwritten at any place."""
    _ends_well(directory, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=500)
@given(raw=st.binary(max_size=200))
def test_any_bytes_end_in_problems(directory: Path, raw: bytes) -> None:
    """A picture, an archive, a log in the file's place."""
    _ends_well(directory, raw)
