"""What an operator reads of a playbook."""

import os
import re
import subprocess
from pathlib import Path

import yaml

from tests.fleet.project import ANSIBLE
from tests.playbooks.local import FOLDER, NO_INVENTORY


def said(folder: Path, content: str, *options: str) -> str:
    """The output of a dry run that writes one file on two hosts; seconds are left out."""
    copy = {"content": content, "dest": str(folder / "file"), "mode": "0644"}
    play = {"name": "Files", "hosts": "all", "connection": "local", "gather_facts": False}
    playbook = folder / "playbook.yml"
    playbook.write_text(yaml.safe_dump([play | {"tasks": [{"name": "Write", "copy": copy}]}]), encoding="utf-8")
    environment = {**os.environ, **NO_INVENTORY, "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"), "NO_COLOR": "1"}
    command = [str(ANSIBLE / "bin/ansible-playbook"), "--inventory", "one,two,", "--check", *options, str(playbook)]
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=True)
    return re.sub(r" +\d[\d.]* s\b", "", done.stdout.partition("\nSeconds by role")[0])


def test_a_change_is_one_line_with_its_hosts(tmp_path: Path) -> None:
    """However many they are."""
    assert re.search(r"^ +Write +one two$", said(tmp_path, "text\n"), re.MULTILINE)


def test_the_same_difference_is_shown_once(tmp_path: Path) -> None:
    """With those who have it."""
    text = said(tmp_path, "text\n", "--diff")
    assert text.count("+text") == 1
    assert "on one two:" in text


def test_each_difference_is_shown_with_its_host(tmp_path: Path) -> None:
    """Else nobody knows what will be where."""
    text = said(tmp_path, "of {{ inventory_hostname }}\n", "--diff")
    for host in ("one", "two"):
        assert re.search(rf"on {host}:\n.* before\n.* after: .*\n.*@@.*\n +\+of {host}\n", text)
