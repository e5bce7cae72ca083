"""The disk of a host before its first boot: what makes it this host, upon layers that all share."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from rehearsal.host import Host
from rehearsal.inventory import HostEntry
from rehearsal.shell import call


def hosts_file(entries: Iterable[HostEntry], controller: str) -> str:
    """`/etc/hosts` with every host of the fleet."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback", f"{controller} controller"]
    for entry in entries:
        names = entry.name if entry.name == entry.hostname else f"{entry.name} {entry.hostname}"
        lines.append(f"{entry.address} {names}")
    return "\n".join([*lines, ""])


def make_keys(folder: Path) -> None:
    """Make the fleet's two keys: the one its user connects with, the one all its hosts show."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("user", "host"):
        if not (folder / f"{name}.pub").exists():
            (folder / name).unlink(missing_ok=True)
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"rehearsal-{name}", "-f", folder / name)


def prepare(host: Host, keys: Path, hosts: str, stack: str) -> None:
    """Write what a new host starts with upon the layers of `stack`; its file of that name comes last."""
    for name in ("disk", "work", "root"):
        shutil.rmtree(host.folder / name, ignore_errors=True)
        (host.folder / name).mkdir(parents=True, mode=0o755)
    identity = hashlib.sha256(f"{host.network.fleet}/{host.name}".encode()).hexdigest()[:32]
    files: dict[str, tuple[str, int]] = {
        "etc/hostname": (f"{host.entry.hostname}\n", 0o644),
        "etc/hosts": (hosts, 0o644),
        "etc/machine-id": (f"{identity}\n", 0o444),
        "etc/ssh/ssh_host_ed25519_key": ((keys / "host").read_text(encoding="ascii"), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": ((keys / "host.pub").read_text(encoding="ascii"), 0o644),
        "root/.ssh/authorized_keys": ((keys / "user.pub").read_text(encoding="ascii"), 0o600),
        # systemd compares their age with that of /usr: no catalogue or cache is to be built anew at the first boot.
        "etc/.updated": ("", 0o644),
        "var/.updated": ("", 0o644),
    }
    for path, (content, mode) in files.items():
        file = host.folder / "disk" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        file.chmod(mode)
    (host.folder / "disk" / "root").chmod(0o700)
    (host.folder / "disk" / "root" / ".ssh").chmod(0o700)
    (host.folder / "stack").write_text(stack, encoding="utf-8")
