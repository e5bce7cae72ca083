"""Writes files that differ from what they should be: each as a whole or not at all."""

import grp
import json
import os
import pwd
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.whole import write_whole

DOCUMENTATION = """
module: place
short_description: Write several files in one call, those that differ
description:
  - Called by roles as an action, which renders the templates on the controller.
  - Of a file that not everybody on the host may read the difference is not shown.
options:
  files:
    description:
      - The files. In a role C(template) names each one's template, which finds the entry as C(item).
      - C(validate) is a command that refuses a wrong one, with C(%s) for the new file.
    type: list
    elements: dict
    required: true
  contents:
    description: JSON, the text of each by its path. Made by the action.
    type: str
    required: true
"""

FILE = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "required": True},
    "validate": {"type": "str"},
}
EVERYBODY_READS = 0o004


def main() -> None:
    """Write what differs; says which files those were."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "contents": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    contents: dict[str, str] = json.loads(module.params["contents"])
    differing = [file for file in module.params["files"] if differs(file, contents[file["path"]])]
    diff = [difference(file, contents[file["path"]]) for file in differing]
    if not module.check_mode:
        for file in differing:
            put(module, file, contents[file["path"]])
    module.exit_json(changed=bool(differing), written=[file["path"] for file in differing], diff=diff)


def differs(file: dict[str, Any], content: str) -> bool:
    """Whether its content, mode or owner is another one, or it is not there."""
    path = Path(file["path"])
    try:
        status = path.stat()
        if path.read_bytes() != content.encode():
            return True
        owner, group = pwd.getpwnam(file["owner"]).pw_uid, grp.getgrnam(file["group"]).gr_gid
    except (FileNotFoundError, KeyError):  # KeyError: an account that the package would have made, in check mode
        return True
    return (status.st_uid, status.st_gid, status.st_mode & 0o7777) != (owner, group, int(file["mode"], 8))


def difference(file: dict[str, Any], content: str) -> dict[str, str]:
    """What `--diff` prints of it."""
    path = Path(file["path"])
    if not int(file["mode"], 8) & EVERYBODY_READS:
        return {"prepared": f"{path}: differs, and is not for everybody's eyes\n"}
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    header = f"{path} ({file['owner']}:{file['group']} {file['mode']})"
    return {"before": before, "after": content, "before_header": str(path), "after_header": header}


def put(module: AnsibleModule, file: dict[str, Any], content: str) -> None:
    """Write it, or give it the right owner only: a service that reads it is not out of date then."""
    path = Path(file["path"])
    try:
        owner = pwd.getpwnam(file["owner"]).pw_uid, grp.getgrnam(file["group"]).gr_gid
    except KeyError as error:
        module.fail_json(msg=f"{path}: {error}: no such account on this host")
    mode = int(file["mode"], 8)
    if path.is_file() and path.read_bytes() == content.encode():
        os.chown(path, *owner)
        os.chmod(path, mode)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.encode(), mode, owner, partial(validate, module, file))


def validate(module: AnsibleModule, file: dict[str, Any], new: str) -> None:
    """Fail with the command's own words where it refuses the new file; the old one stays."""
    if not file["validate"]:
        return
    command = file["validate"].replace("%s", new)
    asked = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if asked.returncode:
        module.fail_json(msg=f"{file['path']}: refused by `{command}`, left as it is\n{asked.stdout}{asked.stderr}")


if __name__ == "__main__":
    main()
