"""Renders a role's templates here and has the host write those that differ, in one call for all of them."""

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

#: What a file of the list may say beside what the module wants to know of it.
OF_THE_MODULE = ("path", "owner", "group", "mode", "validate")


class ActionModule(ActionBase):
    """The module `place`, with templates in place of contents."""

    def run(self, tmp: object = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Render every file of `files`, its template finding it as `item`, and let the module do the rest."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        files = self._task.args.get("files")
        if not isinstance(files, list) or set(self._task.args) != {"files"}:
            raise AnsibleActionFail("place: expected `files`, a list, and nothing else")
        contents = {file["path"]: self._rendered(file, variables) for file in files}
        arguments = {
            "files": [{key: file[key] for key in OF_THE_MODULE if key in file} for file in files],
            # One text, because each string within a secret dictionary would be blotted out of all that is printed.
            "contents": json.dumps(contents),
        }
        result.update(self._execute_module(module_name="place", module_args=arguments, task_vars=task_vars))
        return result

    def _rendered(self, file: dict[str, Any], variables: dict[str, Any]) -> str:
        """As the module `template` does it: line breaks after blocks are dropped, includes lie beside the template."""
        source = self._find_needle("templates", file["template"])
        templar = self._templar.copy_with_new_env(
            searchpath=[str(Path(source).parent)], available_variables={**variables, "item": file}
        )
        text = trust_as_template(self._loader.get_text_file_contents(source))
        rendered = templar.template(text, escape_backslashes=False, overrides={"trim_blocks": True})
        return "" if rendered is None else str(rendered)
