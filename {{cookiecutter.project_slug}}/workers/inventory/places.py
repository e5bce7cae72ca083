"""Where an inventory file says something about a group or a host; none for one that a program writes."""

from collections.abc import Iterator
from typing import Final

import yaml

from workers.topology.load import ROOT
from workers.topology.problems import Place

#: An inventory of ten thousand hosts; a larger file is none.
LARGEST: Final = 4 * 2**20


def places(name: str) -> dict[str, Place]:
    """The place of each key of a YAML file, where it is written with something below it; the first one else."""
    file = ROOT / name
    if not file.is_file() or file.stat().st_size > LARGEST:
        return {}
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}  # Ansible has read it, whatever it is
    found: dict[str, Place] = {}
    for key, value in _pairs(node):
        place = Place(name, key.start_mark.line + 1, key.start_mark.column + 1)
        if getattr(value, "value", None):
            found.setdefault(key.value, place)
    for key, _ in _pairs(node):
        found.setdefault(key.value, Place(name, key.start_mark.line + 1, key.start_mark.column + 1))
    return found


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value
            yield from _pairs(value)
