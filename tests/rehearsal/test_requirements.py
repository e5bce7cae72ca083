"""What this machine lacks is named, with the command that gets it, before anything is made."""

import os
import subprocess
from pathlib import Path

import pytest

from rehearsal import MissingError, requirements
from tests.rehearsal.leavings import leavings
from tests.rehearsal.programs import ENVIRONMENT, REHEARSAL, ROOT, rehearsal


def test_missing_programs_are_named_with_their_packages(tmp_path: Path) -> None:
    """All at once, each package once, in one command that can be pasted; nothing is begun."""
    done = rehearsal("up", "--fleet", "rt-none", PATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        (
            "missing: systemd-nspawn, ssh-keygen, nsenter, unshare, setsid, setpriv, mount; "
            "apt-get install mount openssh-client systemd-container util-linux\n"
        ),
    )
    assert leavings("rt-none") == []


def test_the_keys_of_debians_archive_are_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ubuntu does not have them from the start; without them nobody would check what is downloaded."""
    monkeypatch.setattr(requirements, "KEYRING", tmp_path / "keyring.gpg")
    with pytest.raises(MissingError) as raised:
        requirements.require()
    assert str(raised.value) == f"missing: {tmp_path}/keyring.gpg; apt-get install debian-archive-keyring"


def test_root_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without it is told how to go on."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert requirements.what_is_missing() == [
        "root is needed, to mount and to make network namespaces; run the same with sudo"
    ]


def test_disks_cannot_lie_on_an_overlay(tmp_path: Path) -> None:
    """In a container they would, and no host would boot."""
    for name in ("lower", "upper", "work", "root"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    mount = f"mount -t overlay overlay -o {options} {tmp_path}/root"
    state = tmp_path / "root" / "state"
    command = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", *REHEARSAL, "up", "--fleet", "rt-none"]
    environment = ENVIRONMENT | {"REHEARSAL_STATE": str(state)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (
        1,
        f"{state} lies on an overlay, as in a container; name a folder on a disk: REHEARSAL_STATE=/folder\n",
    )


def test_a_kernel_without_what_hosts_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Control groups and overlayfs are looked at as well."""
    monkeypatch.setattr(requirements, "cgroups", lambda: tmp_path)
    monkeypatch.setattr(requirements, "FILESYSTEMS", tmp_path / "filesystems")
    (tmp_path / "filesystems").write_text("nodev\tproc\n\text4\n", encoding="ascii")
    assert requirements.what_is_missing() == [
        "control groups of version 2 are not mounted; mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        "the kernel has no overlayfs; take one that has the module overlay",
    ]


def test_hosts_that_the_kernel_has_no_room_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They would boot, and fail in odd places: systemd watches files with inotify, and all of it is root's."""
    limit = tmp_path / "inotify/max_user_instances"
    limit.parent.mkdir()
    monkeypatch.setattr(requirements, "INSTANCES_LIMIT", limit)
    monkeypatch.setattr(requirements, "_instances", lambda: 2)
    limit.write_text("20\n", encoding="ascii")
    requirements.require_room(2)
    with pytest.raises(MissingError) as raised:
        requirements.require_room(3)
    assert str(raised.value) == (
        f"3 hosts make it 29 inotify instances, 20 are allowed; sysctl {tmp_path.name}.inotify.max_user_instances=58"
    )


@pytest.mark.parametrize(("user", "expected"), [("root", 1), ("nobody", 0)])
def test_instances_of_others_take_no_room(user: str, expected: int) -> None:
    """A desktop's user may have a hundred: the limit is each user's own."""
    making = "import ctypes; ctypes.CDLL(None).inotify_init(); print(flush=True); input()"
    command = ["setpriv", f"--reuid={user}", "/usr/bin/python3", "-c", making]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        found = requirements.instances(Path(f"/proc/{process.pid}"))
        process.kill()
    assert found == expected
