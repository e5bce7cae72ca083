"""A fleet comes up whole, stays within itself, and goes without a trace, whatever happened on the way."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rehearsal import Fleet, Host, RehearsalError
from rehearsal.cgroup import Cgroup, fleet_cgroup
from rehearsal.fixtures import Fleets
from rehearsal.network import Network, exists
from rehearsal.paths import PACKAGE, cgroups
from rehearsal.state import State, memory_of
from tests.rehearsal.hosts import connection, inventory_of, reaching
from tests.rehearsal.leavings import interfaces, leavings
from tests.rehearsal.programs import ENVIRONMENT, REHEARSAL, ROOT, output, rehearsal
from tests.waiting import until


def test_up_on_a_fleet_that_is_up_changes_nothing(fleet: Fleet) -> None:
    """Hosts go on with the processes they have, connections with their peers."""
    before = [host.cgroup.init() for host in fleet.hosts.values()]
    with connection(fleet, fleet["a"]) as open_one:
        fleet.up()
        assert open_one.send() == "echoed"
    assert [host.cgroup.init() for host in fleet.hosts.values()] == before


def test_up_makes_whole_what_faults_have_broken(fleet: Fleet) -> None:
    """Hosts that are off are booted, links mended, partitions healed."""
    everybody = reaching(fleet)
    fleet["a"].power_off()
    fleet["b"].cut()
    fleet.partition(["b"], ["c"])
    fleet.up()
    until(lambda: reaching(fleet) == everybody, "echo's port on the booted host")


def test_a_fleet_leaves_nothing(fleets: Fleets, tmp_path: Path) -> None:
    """After `down`, and after a second one, the machine is as it was; also when the block in between fails."""
    before, of_nspawn = interfaces(), set(NSPAWN.rglob("*"))
    inventory = inventory_of(tmp_path, a="10.0.0.1")
    with suppress(ZeroDivisionError), fleets("rt-gone", inventory) as fleet:
        fleet["a"].run("systemd-run", "--unit=busy", "sleep", "infinity")
        assert len(leavings("rt-gone")) > 5
        raise ZeroDivisionError
    assert leavings("rt-gone") == []
    Fleet("rt-gone", inventory).down()
    assert leavings("rt-gone") == []
    assert interfaces() == before
    assert set(NSPAWN.rglob("*")) <= of_nspawn


def test_fleets_with_the_same_addresses_never_meet(fleet: Fleet, fleets: Fleets, tmp_path: Path) -> None:
    """Two rehearsals of one production side by side: same names, same addresses, other hosts."""
    with fleets("rt-twin", inventory_of(tmp_path, a="10.1.0.1", b="10.2.0.2")) as twin:
        for each, text in ((fleet, "first"), (twin, "second")):
            each["a"].write("/srv/which", text)
        assert [read_by_ssh(each) for each in (fleet, twin)] == ["first", "second"]
        twin["a"].power_off()
        assert read_by_ssh(fleet) == "first"
    assert len(reaching(fleet)) == 9


def read_by_ssh(fleet: Fleet) -> str:
    """A file of host a, by way of the network and the fleet's own keys."""
    return output(*fleet.command("ssh", "-F", str(fleet.ssh_config), "a", "cat", "/srv/which"))


def test_nothing_leaves_the_fleets_network(fleet: Fleet) -> None:
    """Neither a host nor a program in the fleet's network reaches this machine; names fail at once, not after 20 s."""
    addresses = output("hostname", "--all-ip-addresses").split() or ["127.0.0.1"]
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = str(server.getsockname()[1])
        for address in addresses:
            socket.create_connection((address, int(port)), 2).close()
            for command in (fleet["a"].command, fleet.command):
                tried = subprocess.run(command("python3", "-c", CONNECT, address, port), check=False, timeout=30)
                assert tried.returncode == 3
    for command in (fleet["a"].command, fleet.command):
        began = time.monotonic()
        assert subprocess.run(command("python3", "-c", LOOK_UP), check=False, timeout=30).returncode == 3
        assert time.monotonic() - began < 2


CONNECT = """\
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)
except OSError:
    sys.exit(3)
"""
LOOK_UP = """\
import socket, sys
socket.getaddrinfo("a", 1)
try:
    socket.getaddrinfo("www.example.org", 1)
except socket.gaierror:
    sys.exit(3)
"""

#: Where nspawn keeps locks and folders of the machines it runs.
NSPAWN = Path("/run/systemd/nspawn")
README = (PACKAGE / "README.md").read_text(encoding="utf-8")

#: Moments at which `up` is killed: each becomes true in this order.
MOMENTS: dict[str, Callable[[Network], bool]] = {
    "remembered": lambda network: State.load(network.fleet) is not None,
    "control namespace": lambda network: exists(network.control),
    "first host begun": lambda network: Host(network.hosts[0], network).on,
    "all hosts begun": lambda network: all(Host(entry, network).on for entry in network.hosts),
    "first systemd runs": lambda network: any(Host(entry, network).cgroup.init() for entry in network.hosts),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_up_that_is_killed_leaves_nothing_behind_after_down(moment: str, tmp_path: Path) -> None:
    """SIGKILL in the middle of `up`, at several moments: `down` finds everything that had been made."""
    network = killed_up(moment, tmp_path)
    done = rehearsal("down", "--fleet", network.fleet)
    assert (done.returncode, done.stderr) == (0, "")
    until(lambda: leavings(network.fleet) == [], "nothing to be left")


@pytest.mark.parametrize("moment", ["hosts are gone", "namespaces are gone", "disks are gone"])
def test_a_down_that_was_killed_can_be_repeated(moment: str, tmp_path: Path) -> None:
    """What is left after a SIGKILL in the middle of `down` is still known to the next one."""
    inventory = inventory_of(tmp_path, a="10.0.0.1", b="10.0.0.2")
    fleet = Fleet("rt-killed", inventory)
    fleet.up()
    moments: dict[str, Callable[[], bool]] = {
        "hosts are gone": lambda: not any(host.on for host in fleet.hosts.values()),
        "namespaces are gone": lambda: not exists(fleet.network.control),
        "disks are gone": lambda: not fleet["a"].folder.exists(),
    }
    with subprocess.Popen([*REHEARSAL, "down", "--fleet", fleet.name], cwd=ROOT, env=ENVIRONMENT) as process:
        while not moments[moment]():
            assert process.poll() is None, f"down ended before {moment}"
        os.kill(process.pid, signal.SIGKILL)
    done = rehearsal("down", "--fleet", fleet.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert leavings(fleet.name) == []


def test_an_up_that_was_killed_can_be_repeated(fleets: Fleets, tmp_path: Path) -> None:
    """A second `up` continues where the first was killed, with what it has made."""
    network = killed_up("first host begun", tmp_path)
    done = rehearsal("up", "--fleet", network.fleet, "--inventory", tmp_path / "inventory.yml")
    try:
        assert (done.returncode, done.stderr) == (0, "")
        assert all(Host(entry, network).run("true").returncode == 0 for entry in network.hosts)
    finally:
        Fleet.take_down(network.fleet)
    assert leavings(network.fleet) == []
    assert not fleets.running or network.fleet not in [fleet.name for fleet in fleets.running]


def killed_up(moment: str, folder: Path) -> Network:
    """Kill `up` at a moment of MOMENTS; nothing of it has ended by itself."""
    inventory = inventory_of(folder, a="10.0.0.1", b="10.0.0.2", c="10.0.0.3", d="10.0.0.4")
    network = Network("rt-killed", inventory.hosts)
    Fleet.take_down(network.fleet)
    command = [*REHEARSAL, "up", "--fleet", network.fleet, "--inventory", str(folder / "inventory.yml")]
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
        while not MOMENTS[moment](network):
            assert process.poll() is None, f"up ended before {moment}"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert leavings(network.fleet) != []
    return network


@contextmanager
def foreign_namespace(name: str) -> Iterator[None]:
    """A network namespace that somebody else made."""
    output("ip", "netns", "add", name)
    try:
        yield
    finally:
        output("ip", "netns", "delete", name)


def test_a_namespace_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """Where a name is taken, `up` refuses before anything is made, and `down` takes nothing away."""
    fleet = Fleet("rt-foreign", inventory_of(tmp_path, a="10.0.0.1"))
    with foreign_namespace("rehearsal.rt-foreign.a"):
        with pytest.raises(RehearsalError) as raised:
            fleet.up()
        fleet.down()
        assert exists("rehearsal.rt-foreign.a")
        assert leavings("rt-foreign") == [
            "mount /run/netns/rehearsal.rt-foreign.a",
            "namespace rehearsal.rt-foreign.a",
        ]
    assert str(raised.value) == (
        "the network namespace rehearsal.rt-foreign.a exists, and no fleet of that name made it; choose another name "
        "(--fleet NAME), or delete it if nobody needs it: ip netns delete rehearsal.rt-foreign.a"
    )


def test_a_control_group_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """The same for control groups with processes in them."""
    fleet = Fleet("rt-foreign", inventory_of(tmp_path, a="10.0.0.1"))
    foreign = fleet_cgroup("rt-foreign")
    foreign.mkdir()
    process = subprocess.Popen(["sleep", "60"])
    try:
        (foreign / "cgroup.procs").write_text(str(process.pid), encoding="ascii")
        with pytest.raises(RehearsalError) as raised:
            fleet.up()
        fleet.down()
        assert process.poll() is None
        assert Cgroup(foreign).populated()
    finally:
        process.kill()
        process.wait()
        foreign.rmdir()
    assert str(raised.value) == (
        f"the control group {foreign} has processes in it, and no fleet of that name made it; choose another name "
        f"(--fleet NAME), or end them if nobody needs them: echo 1 >{foreign}/cgroup.kill"
    )


def test_an_empty_control_group_is_taken_over(fleets: Fleets, tmp_path: Path) -> None:
    """What a crash left of hosts whose memory is gone as well stands in nobody's way, and goes with the fleet."""
    (fleet_cgroup("rt-left") / "old" / "payload").mkdir(parents=True)
    with fleets("rt-left", inventory_of(tmp_path, a="10.0.0.1")) as fleet:
        assert fleet["a"].on
    assert leavings("rt-left") == []


def test_a_mount_of_somebody_elses_is_not_emptied(fleets: Fleets, tmp_path: Path) -> None:
    """Whoever has mounted something below a fleet's folder keeps what is in it."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    with fleets("rt-mount", inventory_of(tmp_path, a="10.0.0.1")) as fleet:
        target = fleet["a"].folder / "disk" / "srv"
        target.mkdir()
        output("mount", "--bind", str(tmp_path / "precious"), str(target))
        try:
            with pytest.raises(RehearsalError) as raised:
                fleet.down()
        finally:
            output("umount", str(target))
        assert (tmp_path / "precious" / "file").exists()
    assert str(raised.value) == f"{target} is mounted, not by this fleet; umount it, then: down once more"
    assert leavings("rt-mount") == []


def test_packet_filters_of_somebody_elses_are_left_alone(fleet: Fleet) -> None:
    """Neither the machine's own tables nor others in the fleet's network are touched by a partition and its end."""
    machine = output("nft", "list", "ruleset")
    output(*fleet.command("nft", 'add table bridge mine { chain c { comment "kept"; }; }'))
    try:
        fleet.partition(["a"], ["b"])
        fleet.heal()
        assert output(*fleet.command("nft", "list", "tables")) == "table bridge mine\n"
        assert output("nft", "list", "ruleset") == machine
    finally:
        output(*fleet.command("nft", "delete table bridge mine"))


def test_hosts_that_came_later_are_known_to_all(fleets: Fleets, tmp_path: Path) -> None:
    """A fleet grows by another `up`: hosts that were on stay on, and reach the new one by its name."""
    with fleets("rt-grow", inventory_of(tmp_path, a="10.0.0.1")) as small:
        init = small["a"].cgroup.init()
        grown = Fleet("rt-grow", inventory_of(tmp_path, a="10.0.0.1", b="10.9.0.2"))
        grown.up()
        assert small["a"].cgroup.init() == init
        assert grown["a"].run("nc", "-z", "-w", "5", "b", "22").returncode == 0
        with pytest.raises(RehearsalError) as raised:
            Fleet("rt-grow", inventory_of(tmp_path, a="10.0.0.1")).up()
    assert str(raised.value) == (
        "fleet rt-grow has a host b (10.9.0.2) that the inventory does not have like that; take the fleet down first "
        "(python -m rehearsal down --fleet rt-grow), or choose another name"
    )


@pytest.mark.parametrize("name", ["", "Rt", "1rt", "rt_x", "rt-seventeen-long", "../rt"])
def test_names_that_would_not_do_are_refused(name: str, tmp_path: Path) -> None:
    """A fleet's name becomes part of namespaces, groups and paths."""
    with pytest.raises(RehearsalError) as raised:
        Fleet(name, inventory_of(tmp_path, a="10.0.0.1"))
    assert str(raised.value) == f"fleet {name!r}: expected a letter, then up to 15 of a-z, 0-9 and -"


def test_a_damaged_memory_says_what_to_do(fleets: Fleets, tmp_path: Path) -> None:
    """A state file that somebody edited is named, and what README.md says to do then leaves nothing."""
    with fleets("rt-damage", inventory_of(tmp_path, a="10.0.0.1")):
        file = memory_of("rt-damage")
        file.write_text("{", encoding="utf-8")
        done = rehearsal("down", "--fleet", "rt-damage")
        commands = README.partition("## By hand")[2].split("```")[1]
        by_hand = commands.replace("NAME", "rt-damage").replace("/sys/fs/cgroup/rehearsal", f"{cgroups()}/rehearsal")
        subprocess.run(["sh", "-euxc", by_hand], check=True, timeout=60)
        assert leavings("rt-damage") == []
    assert (done.returncode, done.stderr) == (1, f"{file} is damaged; take the fleet down by hand: see README.md\n")


def test_hosts_live_on_when_their_terminal_is_closed(tmp_path: Path) -> None:
    """Whoever brought them up may press Ctrl-C or log out: hosts belong to no session of theirs."""
    inventory_of(tmp_path, a="10.0.0.1")
    command = [*REHEARSAL, "up", "--fleet", "rt-session", "--inventory", str(tmp_path / "inventory.yml")]
    try:
        with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, process_group=0) as up:
            assert up.wait(60) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(up.pid, signal.SIGHUP)
        assert Fleet.remembered("rt-session")["a"].on
    finally:
        Fleet.take_down("rt-session")
