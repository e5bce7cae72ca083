"""Places what an Ansible role describes, without Ansible: its defaults, over them a host's variables, its templates.

So the files that these tests prove are those that a playbook will place. Plain Jinja2 and nothing of Ansible's own:
a role that needs one of Ansible's filters fails here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import jinja2
import yaml
from jinja2.nativetypes import NativeEnvironment
from jinja2.runtime import Context

ROLES: Final = Path(__file__).resolve().parents[2] / "ansible/roles"


@dataclass(frozen=True)
class File:
    """A file that a role places."""

    path: str
    text: str
    mode: int
    owner: str  # user:group


@dataclass(frozen=True)
class Role:
    """One of ansible/roles, for one host."""

    name: str

    def variables(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The role's defaults with `given` over them, every `{{ }}` in a value resolved.

        Raises jinja2.UndefinedError that names what a host lacks.
        """
        text = (ROLES / self.name / "defaults/main.yml").read_text(encoding="utf-8")
        defaults: dict[str, Any] = yaml.safe_load(text)
        return cast("dict[str, Any]", _resolved({**defaults, **given}, {**defaults, **given}))

    def files(self, given: Mapping[str, Any]) -> Iterator[File]:
        """The files of the role's list `<role>_files`, rendered."""
        values = self.variables(given)
        loader = jinja2.FileSystemLoader(ROLES / self.name / "templates")
        # The settings with which Ansible's own template module renders.
        environment = jinja2.Environment(  # noqa: S701 - configuration files, not pages
            loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
        )
        for file in values[f"{self.name}_files"]:
            text = environment.get_template(file["template"]).render({**values, "item": file})
            yield File(file["path"], text, int(file["mode"], 8), f"{file['owner']}:{file['group']}")


class _Resolving(Context):
    """Looks up variables whose values may themselves name variables."""

    def resolve_or_missing(self, key: str) -> Any:  # noqa: ANN401 - whatever YAML holds
        return _resolved(super().resolve_or_missing(key), self.parent)


_NATIVE: Final = NativeEnvironment(undefined=jinja2.StrictUndefined)
_NATIVE.context_class = _Resolving


def _resolved(value: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, str) and "{{" in value:
        return _NATIVE.from_string(value).render(values)
    if isinstance(value, list):
        return [_resolved(each, values) for each in value]
    if isinstance(value, dict):
        return {_resolved(name, values): _resolved(each, values) for name, each in value.items()}
    return value
