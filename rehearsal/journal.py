"""The journal of a host: asked of the host while it is on, read from its disk while it is off."""

import subprocess

from rehearsal.host import Host


def journal_command(host: Host, *options: str) -> list[str]:
    """The command that prints it; `options` are journalctl's."""
    wanted = ["journalctl", "--no-pager", "--quiet", *options]
    if host.cgroup.init() is not None:
        return host.command(*wanted)
    return [*wanted, f"--directory={host.folder / 'disk' / 'var' / 'log' / 'journal'}"]


def journal(host: Host, lines: int) -> str:
    """Its last `lines`; where there is none, what went wrong in place of it."""
    command = journal_command(host, f"--lines={lines}", "--output=short-precise")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout or done.stderr
