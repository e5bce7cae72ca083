"""What is printed from the model: the schema for editors, and the tuning guide for people."""

import json
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from workers.topology.model import Beat, Broker, Database, Group, Host, Local, Objective, Relay, Topology, Web
from workers.topology.problems import CODES

SCHEMA_FILE: Final = "workers.schema.json"
GUIDE_FILE: Final = "docs/tuning.md"

_SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "Worker groups: `groups.NAME`": Group,
    "Objectives: `groups.NAME.objective`": Objective,
    "Worker hosts: `host`": Host,
    "Web servers: `web`": Web,
    "Scheduler: `beat`": Beat,
    "Relay: `relay`": Relay,
    "Database: `database`": Database,
    "Broker: `broker`": Broker,
    "Local run: `local`": Local,
}

_OPENING: Final = """\
# Tuning guide

Every key of `workers.yml`: what it means, its default, and the reason for its number. Durations are seconds, memory is
MiB. This page and `workers.schema.json` are printed from the model in `workers/topology/model.py` by
`python -m workers docs`; a test holds them to it.
"""

_CODES_OPENING: Final = """\
## What is refused

`python -m workers check` names the place, the numbers that disagree and what to do. The codes are stable.
"""


def documents() -> dict[str, str]:
    """Path in the project -> text, of every printed document."""
    schema = json.dumps(Topology.model_json_schema(), indent=2, ensure_ascii=False)
    return {SCHEMA_FILE: f"{schema}\n", GUIDE_FILE: "\n".join(_guide())}


def _guide() -> Iterator[str]:
    yield _OPENING
    for title, model in _SECTIONS.items():
        yield f"## {title}\n\n{cleandoc(model.__doc__ or '')}\n"
        for name, field in model.model_fields.items():
            yield f"**`{name}`** ({_default(field)}): {_one_line(field.description)}\n"
    yield _CODES_OPENING
    yield "| code | refused is |\n|---|---|"
    for code, meaning in CODES.items():
        yield f"| {code} | {meaning} |"
    yield ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default: Any = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel) or default is None:
        return "optional"
    return f"default `{json.dumps(default)}`"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
