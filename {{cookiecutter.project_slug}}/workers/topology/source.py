"""A YAML file as plain values, with the place of each: errors can then name line and column."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

import yaml

from workers.topology.problems import Path, Place, Problem, TopologyError

#: Far above any real topology (the shipped one has 4 KiB); keeps a wrong path from being read into memory.
MAX_BYTES: Final = 256 * 1024
#: Characters of a value that a message shows.
MAX_SHOWN: Final = 40
#: The topology itself is four levels deep.
MAX_DEPTH: Final = 12

_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_PLAIN_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}


@dataclass
class Source:
    """What one or more files say: `values` merged, and where each path was written last."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place | None:
        """Where `path` was written, or else the nearest mapping around it."""
        for length in range(len(path), -1, -1):
            if found := self.places.get(path[:length]):
                return found
        return None

    def overlaid(self, other: "Source") -> "Source":
        """This source with the values of `other` laid over it; a mapping of both begins in this one."""
        both = set(_mappings(self.values)) & set(_mappings(other.values))
        laid = {path: place for path, place in other.places.items() if path not in both}
        return Source(_merged(self.values, other.values), {**self.places, **laid})


def read(file: FilePath, name: str) -> Source:
    """Read `file`; in messages it is called `name`.

    Raises TopologyError (W01, W03) for what is not one plain YAML mapping. Anchors, tags and dates are refused:
    Terraform and Ansible read the same file, and three readers agree only on plain values.
    """
    text = _text(file, name)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _refused(name, error.problem or "not YAML", error.problem_mark or error.context_mark) from None
    except yaml.reader.ReaderError as error:
        place = _place_after(name, text[: error.position].encode())
        raise TopologyError([Problem("W01", (), "a control character: not plain text", place)]) from None
    except RecursionError:
        raise _refused(name, "nested too deep to be a topology") from None
    if node is None:
        raise _refused(name, "the file is empty; it must hold a mapping with at least `project` and `groups`")
    if not isinstance(node, yaml.MappingNode):
        kind = "list" if isinstance(node, yaml.SequenceNode) else "single value"
        raise _refused(name, f"expected a mapping at the top, got: a {kind}", node.start_mark)
    reader = _Reader(name)
    values = reader.value(node, ())
    if reader.problems:
        raise TopologyError(reader.problems)
    return Source(values, reader.places)


def _text(file: FilePath, name: str) -> str:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refused(name, f"cannot be read: {error.strerror or error}") from None
    if len(raw) > MAX_BYTES:
        raise _refused(name, f"larger than {MAX_BYTES} bytes: not a topology")
    if b"\0" in raw:
        place = _place_after(name, raw[: raw.index(b"\0")])
        raise TopologyError([Problem("W01", (), "a NUL byte: not a text file", place)])
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place_after(name, raw[: error.start])
        raise TopologyError([Problem("W01", (), "not UTF-8; save the file as UTF-8", place)]) from None


def _place_after(name: str, before: bytes) -> Place:
    return Place(name, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))


def _refused(name: str, message: str, mark: yaml.Mark | None = None) -> TopologyError:
    return TopologyError([Problem("W01", (), message, _place(name, mark) if mark else Place(name))])


def _place(name: str, mark: yaml.Mark) -> Place:
    return Place(name, mark.line + 1, mark.column + 1)


class _Reader:
    """Turns composed nodes into plain values and collects what is wrong on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        """The plain value of `node`, or None with a problem noted."""
        self.places.setdefault(path, _place(self.name, node.start_mark))
        if id(node) in self._seen:  # the composer hands the anchor's own node out again for each alias
            self.problems.append(Problem("W01", path, "an alias (`*name`); write the values out", self.places[path]))
            return None
        self._seen.add(id(node))
        if len(path) > MAX_DEPTH:
            return self._refuse(node, path, "nested too deep to be a topology")
        if node.tag not in _PLAIN_TAGS:
            return self._refuse(node, path, f"{_tag_name(node.tag)} is not a plain value; quote it if text is meant")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return dict(self._items(node, path))

    def _items(self, node: yaml.Node, path: Path) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, path, "a key must be a plain word")
                continue
            key = key_node.value
            if key in seen:
                self._refuse(key_node, (*path, key), f"written twice, first in line {seen[key]}; keep one")
                continue
            seen[key] = key_node.start_mark.line + 1
            self.places[(*path, key)] = _place(self.name, key_node.start_mark)
            yield key, self.value(value_node, (*path, key))

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind, text = node.tag.rpartition(":")[2], node.value
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return self._boolean(node, path)
        if kind == "int":
            if _DECIMAL.fullmatch(text):
                return int(text)
            return self._refuse(node, path, f"write a plain decimal number, got: {short(text)}", "W03")
        return self._float(node, path)

    def _boolean(self, node: yaml.ScalarNode, path: Path) -> Any:
        # yes, no, on, off are booleans to PyYAML and Ansible, but text to Terraform.
        if node.value.lower() in ("true", "false"):
            return bool(node.value.lower() == "true")
        return self._refuse(node, path, f"expected true or false, got: {short(node.value)}", "W03")

    def _float(self, node: yaml.ScalarNode, path: Path) -> Any:
        try:
            number = float(node.value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
        return self._refuse(node, path, f"expected a finite plain number, got: {short(node.value)}", "W03")

    def _refuse(self, node: yaml.Node, path: Path, message: str, code: str = "W01") -> Any:
        self.problems.append(Problem(code, path, message, _place(self.name, node.start_mark)))
        return None


def _tag_name(tag: str) -> str:
    return short(tag.removeprefix("tag:yaml.org,2002:"))


def short(text: str) -> str:
    """`text` cut to what fits a message."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _mappings(values: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """The paths of all mappings in `values`, itself included."""
    yield path
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _mappings(value, (*path, key))


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged
