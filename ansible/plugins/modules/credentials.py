"""Writes a project's secrets into systemd's credential store, and removes those that it no longer has."""

import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.whole import write_whole

DOCUMENTATION = """
module: credentials
short_description: All secrets of a project on a host, in one call
description:
  - One file a variable, PROJECT.ROLE.VARIABLE, which only root reads. Only files that differ are written, so that their
    age tells when a secret was changed. Files of the project that C(credentials) does not name are removed.
  - The difference that is shown names files, never values.
options:
  project:
    description: Whose they are; the first part of each file's name.
    type: str
    required: true
  credentials:
    description: By role of the services, C(all) for all of them, each variable and its value. Empty ones are left out.
    type: dict
    required: true
  encrypted:
    description: Whether they lie encrypted with the host's TPM, or else with a key of the host's own.
    type: bool
    default: false
  root:
    description: Where the folders of both stores begin.
    type: path
    default: /etc
"""


def main() -> None:
    """Compare, write, tell."""
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "str", "required": True},
            "credentials": {"type": "dict", "required": True, "no_log": True},
            "encrypted": {"type": "bool", "default": False},
            "root": {"type": "path", "default": "/etc"},
        },
        supports_check_mode=True,
    )
    root, encrypted = Path(module.params["root"]), module.params["encrypted"]
    plain, sealed = root / "credstore", root / "credstore.encrypted"
    store, other = (sealed, plain) if encrypted else (plain, sealed)
    wanted = named(module.params["project"], module.params["credentials"])
    written = [name for name, value in wanted.items() if read(store / name, encrypted=encrypted) != value]
    surplus = [*foreign(store, module.params["project"], wanted), *foreign(other, module.params["project"], {})]
    if not module.check_mode:
        try:
            for name in written:
                write(store / name, wanted[name], encrypted=encrypted)
        except subprocess.CalledProcessError as error:
            module.fail_json(msg=f"systemd-creds {error.cmd[1]}: {error.stderr.decode(errors='replace').strip()}")
        for path in surplus:
            path.unlink()
    told = [*(f"written {name}" for name in written), *(f"removed {path}" for path in surplus)]
    diff = {"header": str(store), "before": "", "after": "".join(f"{line}\n" for line in told)}
    module.exit_json(changed=bool(told), written=written, removed=list(map(str, surplus)), diff=diff)


def named(project: str, credentials: dict[str, dict[str, Any]]) -> dict[str, bytes]:
    """File name -> content."""
    return {
        f"{project}.{role}.{variable}": str(value).encode()
        for role, variables in sorted(credentials.items())
        for variable, value in sorted(variables.items())
        if value not in (None, "")
    }


def foreign(store: Path, project: str, wanted: dict[str, bytes]) -> list[Path]:
    """The project's files in a store that nobody wants."""
    return sorted(path for path in store.glob(f"{project}.*") if path.name not in wanted)


def read(path: Path, *, encrypted: bool) -> bytes | None:
    """What a credential says; None where there is none that this host can read."""
    if not path.is_file() or path.stat().st_mode & 0o077:
        return None
    if not encrypted:
        return path.read_bytes()
    command = ["systemd-creds", "decrypt", f"--name={path.name}", str(path), "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    return None if done.returncode else done.stdout


def write(path: Path, value: bytes, *, encrypted: bool) -> None:
    """Write it as a whole, and for root alone; a value is never on a command line."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if encrypted:
        command = ["systemd-creds", "encrypt", f"--name={path.name}", "-", "-"]
        value = subprocess.run(command, input=value, capture_output=True, check=True).stdout
    write_whole(path, value)


if __name__ == "__main__":
    main()
