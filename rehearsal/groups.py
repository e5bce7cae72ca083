"""The groups of an inventory file as nodes, which know their places; what is wrong with their shape is collected."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import yaml

#: What Ansible knows in a group.
_PARTS: Final = ("hosts", "children", "vars")
#: The group that every host is in, whether it is written or not.
ALL: Final = "all"

Pair = tuple[yaml.ScalarNode, yaml.Node]


class Problems:
    """What is wrong with a file, each with its place."""

    def __init__(self, file: Path) -> None:
        """Nothing yet."""
        self.file = file
        self._found: dict[str, tuple[int, int]] = {}

    def add(self, place: yaml.Node | yaml.Mark | None, message: str) -> None:
        """Note a problem; the same one twice is one: a group's variable is looked at once a host."""
        mark = place.start_mark if isinstance(place, yaml.Node) else place
        where = f"{self.file}:{mark.line + 1}:{mark.column + 1}" if mark else str(self.file)
        self._found.setdefault(f"{where} {message}", (mark.line, mark.column) if mark else (0, 0))

    @property
    def lines(self) -> list[str]:
        """All of them, in the order of the file."""
        return sorted(self._found, key=lambda line: self._found[line])


@dataclass
class Group:
    """What a file says about one group, in all places where it says something."""

    hosts: list[Pair] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    variables: list[Pair] = field(default_factory=list)


@dataclass
class HostNodes:
    """What a file says about one host: its groups, inner ones first, and its own and their variables."""

    node: yaml.Node
    groups: list[str] = field(default_factory=list)
    variables: list[Pair] = field(default_factory=list)


def read_hosts(file: Path, problems: Problems) -> dict[str, HostNodes]:
    """Every host of the file by its name, in the order of the file."""
    groups: dict[str, Group] = {}
    top = _parsed(file, problems)
    try:
        for key, node in _items(top, "the inventory", "groups", problems):
            _collect(key.value, node, groups, problems)
    except RecursionError:  # an alias (`*name`) within its own anchor
        problems.add(top, "nested without end; write the values out")
    hosts: dict[str, HostNodes] = {}
    for name, group in groups.items():
        around = _around(name, groups)
        inherited = [pair for each in around for pair in groups[each].variables]
        for key, node in group.hosts:
            host = hosts.setdefault(key.value, HostNodes(key))
            host.groups += [each for each in around if each not in (*host.groups, ALL)]
            host.variables += [*_items(node, f"host {key.value}", "variables", problems), *inherited]
    if not hosts and not problems.lines:
        problems.add(top, "no hosts; write at least one: `workers: {hosts: {worker1: {ansible_host: 10.0.0.1}}}`")
    return hosts


def unknown(word: str, known: Iterable[str]) -> str:
    """That `word` is unknown, with the nearest that is known or else all of them."""
    near = get_close_matches(word, list(known), n=1)
    return f"unknown: {word}; {f'did you mean {near[0]}?' if near else 'there are: ' + ', '.join(known)}"


def _parsed(file: Path, problems: Problems) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        problems.add(None, f"cannot be read: {error.strerror}; name the inventory with --inventory FILE")
    except UnicodeDecodeError:
        problems.add(None, "not UTF-8; save it as UTF-8")
    except yaml.MarkedYAMLError as error:
        problems.add(error.problem_mark or error.context_mark, f"not YAML: {error.problem}")
    except yaml.YAMLError as error:
        problems.add(None, f"not YAML: {str(error).splitlines()[0]}")
    return None


def _collect(name: str, node: yaml.Node, groups: dict[str, Group], problems: Problems) -> None:
    """Add what `node` says about the group and about those within it. A group may be written in several places."""
    group = groups.setdefault(name, Group())
    for key, value in _items(node, f"group {name}", ", ".join(_PARTS), problems):
        if key.value not in _PARTS:
            problems.add(key, f"group {name}: {unknown(key.value, _PARTS)}")
            continue
        pairs = list(_items(value, f"group {name}: {key.value}", "names", problems))
        if key.value == "hosts":
            group.hosts += pairs
        elif key.value == "vars":
            group.variables += pairs
        else:
            group.children += [child.value for child, _ in pairs]
            for child, within in pairs:
                _collect(child.value, within, groups, problems)


def _around(name: str, groups: dict[str, Group]) -> list[str]:
    """The group itself and every group around it, inner ones first."""
    found = [name]
    for inner in found:  # grows as it is walked over
        found += [outer for outer, group in groups.items() if inner in group.children and outer not in found]
    return [*(each for each in found if each != ALL), *([ALL] if ALL in groups else [])]


def _items(node: yaml.Node | None, what: str, holds: str, problems: Problems) -> Iterator[Pair]:
    """The pairs of a mapping; an empty value counts as an empty mapping, as it does for Ansible."""
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")):
        return
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else f"`{node.value}`"
        problems.add(node, f"{what}: expected a mapping of {holds}, got: {kind}")
        return
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            yield key, value
        else:
            problems.add(key, f"{what}: a key must be a plain word")
