"""The files that make hosts these hosts, upon layers that all share, and that let this machine reach them."""

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


def write_controller(folder: Path, hosts: str) -> None:
    """Write what this machine's side needs into the fleet's folder: names, keys, ssh's configuration."""
    keys = folder / "keys"
    for part in (keys, folder / "etc"):
        part.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("user", "host"):  # the one it connects with, the one all its hosts show
        if not (keys / f"{name}.pub").exists():
            (keys / name).unlink(missing_ok=True)
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"rehearsal-{name}", "-f", keys / name)
    public = " ".join((keys / "host.pub").read_text(encoding="ascii").split()[:2])
    (keys / "known_hosts").write_text(f"* {public}\n", encoding="ascii")
    (folder / "etc" / "hosts").write_text(hosts, encoding="utf-8")
    (folder / "etc" / "resolv.conf").write_text(
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", encoding="utf-8"
    )
    (folder / "ssh_config").write_text(
        f"Host *\n  User root\n  IdentityFile {keys / 'user'}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {keys / 'known_hosts'}\n  StrictHostKeyChecking yes\n  ConnectTimeout 10\n",
        encoding="utf-8",
    )


def new_disk(host: Host, keys: Path, hosts: str, stack: str) -> None:
    """Write the disk that a host begins with, upon the layers of `stack`; the file of that name comes last."""
    for name in ("disk", "work", "root"):
        shutil.rmtree(host.folder / name, ignore_errors=True)
        (host.folder / name).mkdir(parents=True)
    files = {
        "etc/hostname": (f"{host.entry.hostname}\n", 0o644),
        "etc/hosts": (hosts, 0o644),
        "etc/machine-id": (f"{host.identity}\n", 0o444),
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
    for folder, mode in {
        ".": 0o755,
        "etc": 0o755,
        "etc/ssh": 0o755,
        "var": 0o755,
        "root": 0o700,
        "root/.ssh": 0o700,
    }.items():
        (host.folder / "disk" / folder).chmod(mode)  # whatever the caller's umask
    (host.folder / "stack").write_text(stack, encoding="utf-8")
