"""What the roles about the project share: ../README.md."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from testinfra.host import Host

testinfra_hosts = ["ansible://web", "ansible://beat", "ansible://workers_*"]

Variables = Mapping[str, Any]
#: Run on the host as root with PROJECT and whether its credentials are encrypted. Looks for them, or the passwords in
#: them, in units, command lines, environments and the project's folder; says names, never a value.
LEAKS: Final = r"""
import pathlib, re, subprocess, sys
project, encrypted = sys.argv[1], sys.argv[2] == "True"
def value(path):
    command = ["systemd-creds", f"--name={path.name}", "decrypt", str(path), "-"] if encrypted else ["cat", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
def text(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
store = pathlib.Path("/etc/credstore.encrypted" if encrypted else "/etc/credstore")
def parts(text):
    found = re.findall("://[^:/]*:([^@]+)@", text) if "://" in text else [text]
    return [part for part in found if len(part) >= 8]
secrets = {part: path.name for path in store.glob(f"{project}.*") for part in parts(value(path))}
asked = ["systemctl", "show", f"celery-*{project}*"]
texts = {"systemctl show": subprocess.run(asked, capture_output=True, text=True, check=True).stdout}
texts |= {str(path): text(path) for path in pathlib.Path("/proc").glob("[1-9]*/cmdline")}
texts |= {str(path): text(path) for path in pathlib.Path("/proc").glob("[1-9]*/environ")}
folders = ("/etc/systemd/system", f"/etc/{project}")
texts |= {str(path): text(path) for folder in folders for path in pathlib.Path(folder).rglob("*") if path.is_file()}
for name, found in texts.items():
    for secret, whose in secrets.items():
        if secret in found:
            print(whose, "in", name)
"""


def test_environment_is_the_inventorys(host: Host, misplaced: Callable[..., list[str]], variables: Variables) -> None:
    """What services are told that is no secret; only root reads even that."""
    told = misplaced(variables["release_files"])
    assert not told, "; ".join(told)
    text = host.file(f"{variables['project_folder']}/environment").content_string
    found = dict(re.findall(r'^(\w+)="(.*)"$', text, re.MULTILINE))
    quoted = {name: re.sub(r'(["\\])', r"\\\1", str(value)) for name, value in variables["project_environment"].items()}
    names = [name for name in sorted(found.keys() | quoted.keys()) if found.get(name) != quoted.get(name)]
    assert not names, f"not as the inventory has it: {', '.join(names)}"


def test_credentials_are_those_of_what_it_runs(ask: Callable[..., str], variables: Variables) -> None:
    """No role's secrets lie on a host that does not run it, and nobody but root reads any."""
    project, encrypted = variables["project"], variables["project_credentials_encrypted"]
    folder, other = sorted(("/etc/credstore", "/etc/credstore.encrypted"), reverse=bool(encrypted))
    wanted = {
        f"{project}.{role}.{name}"
        for role, values in variables["project_credentials"].items()
        if role in variables["project_credential_roles"]
        for name, value in values.items()
        if value not in (None, "")
    }
    asked = "find %s %s -name %s -printf '%%h %%f %%m %%U\n' 2>/dev/null || :"
    lines = [line.split() for line in ask(asked, folder, other, f"{project}.*").splitlines()]
    found = {name for where, name, *_ in lines if where == folder}
    told = [f"{name} is missing" for name in sorted(wanted - found)] + [
        f"{name} is not its" for name in sorted(found - wanted)
    ]
    told += [f"{where}/{name} is in the other store" for where, name, *_ in lines if where == other]
    told += [f"{name} may be read by others" for _, name, *rest in lines if rest != ["600", "0"]]
    assert not told, "; ".join(told)


def test_no_secret_leaves_the_store(ask: Callable[..., str], variables: Variables) -> None:
    """None stands in a unit, a command line, an environment, or a file of the project's folder."""
    told = ask(
        "python3 -c %s %s %s", LEAKS, variables["project"], str(bool(variables["project_credentials_encrypted"]))
    )
    assert not told, f"found: {'; '.join(told.splitlines())}"


def test_account_is_nobodys(host: Host, misplaced: Callable[..., list[str]], variables: Variables) -> None:
    """Services run as a user that logs in nowhere, and what they share is theirs alone."""
    user = variables["project_user"]
    assert host.user(user).exists, f"there is no user {user}"
    assert host.user(user).shell.endswith(("nologin", "false")), f"{user} may log in: {host.user(user).shell}"
    shared = {"path": f"{variables['project_home']}/shared", "mode": "0750", "owner": user, "group": user}
    told = misplaced([shared])
    assert not told, "; ".join(told)
