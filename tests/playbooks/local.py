"""Runs tasks on this machine, with the plugins of the playbooks."""

import getpass
import grp
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.fleet.project import ANSIBLE
from tests.template.rendering import ROOT

FOLDER: Final = ROOT / "ansible"
#: There is no inventory here, which ansible.cfg takes for an error.
NO_INVENTORY: Final = {
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "false",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false",
}
#: Whose a test's files are.
ME: Final = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}


def told(folder: Path, action: str, arguments: Mapping[str, Any], *options: str) -> dict[str, Any]:
    """What a task says whose templates lie in `folder`; `failed` is in it where it failed."""
    play = {"hosts": "localhost", "connection": "local", "tasks": [{"name": "It", action: dict(arguments)}]}
    playbook = folder / "playbook.yml"
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    environment = {
        **os.environ,
        **NO_INVENTORY,
        "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    }
    command = [str(ANSIBLE / "bin/ansible-playbook"), "--inventory", "localhost,", str(playbook), *options]
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    [play_said] = json.loads(done.stdout)["plays"]
    said: dict[str, Any] = play_said["tasks"][-1]["hosts"]["localhost"]
    return said
