"""Each fault does to real hosts what its name says, and nothing else."""

import pytest

from rehearsal import Fleet, Host, RehearsalError
from tests.rehearsal.hosts import PORT, SCRIPT, attempt, connection, reaching, wait_for_echo
from tests.waiting import until


def test_power_loss_is_silence(fleet: Fleet) -> None:
    """No connection is reset or closed when a host loses its power; new ones wait in vain. Goodbyes would be a stop."""
    with connection(fleet, fleet["a"]) as old:
        assert old.send() == "echoed"
        fleet["a"].power_off()
        assert old.listen() == "silent"
        assert old.send() == "silent"
        assert attempt(fleet, fleet["a"]) == "timeout"
        fleet["a"].boot()
        wait_for_echo(fleet["a"])
        # TCP repeats what was sent meanwhile; the booted host knows nothing of that connection.
        until(lambda: old.listen() == "ended", "TCP's next attempt")
    assert attempt(fleet, fleet["a"]) == "connected"


def test_a_dead_host_is_never_reported_unreachable(fleet: Fleet) -> None:
    """Its neighbours' kernels do not find out by ARP, which takes them 3 s: in a cloud they would not either."""
    fleet["a"].power_off()
    fleet["b"].run("ip", "neigh", "flush", "dev", "eth0")
    script = SCRIPT.read_text(encoding="utf-8")
    tried = fleet["b"].run("python3", "-c", script, fleet["a"].address, str(PORT), "4")
    assert tried.stdout == "timeout\n"


def test_a_booted_host_says_nothing_about_its_life_before(fleet: Fleet) -> None:
    """Whoever does not send anything learns nothing from a host that lost its power and came back."""
    with connection(fleet, fleet["a"]) as old:
        assert old.send() == "echoed"
        fleet["a"].power_off()
        fleet["a"].boot()
        wait_for_echo(fleet["a"])
        assert old.listen() == "silent"


def test_power_loss_keeps_the_disk(fleet: Fleet) -> None:
    """A booted host has its files, its journal and what was enabled, but is a new run of its kernel's PID 1."""
    host = fleet["a"]
    host.write("/srv/kept", "kept")
    before = boot_id(host)
    host.power_off()
    host.boot()
    assert host.read("/srv/kept") == "kept"
    assert boot_id(host) != before
    assert host.run("systemctl", "is-active", "echo.service").stdout == "active\n"
    assert len(host.run("journalctl", "--list-boots", "--output=json").stdout.split("boot_id")) > 2


def test_a_killed_unit_says_goodbye(fleet: Fleet) -> None:
    """Kill ends every process of the unit without asking; the kernel closes connections and refuses new ones."""
    host = fleet["a"]
    with connection(fleet, host) as old:
        assert old.send() == "echoed"
        host.kill("echo.service")
        assert old.listen() == "ended"
    assert attempt(fleet, host) == "refused"
    assert host.run("pgrep", "--full", "companion.sh", check=False).stdout == ""
    assert host.run("ls", "/run/asked-to-end", check=False).returncode != 0
    assert host.run("systemctl", "is-active", "ssh.service").stdout == "active\n"
    host.run("systemctl", "start", "echo.service")
    wait_for_echo(host)


def test_a_unit_that_is_not_there_cannot_be_killed(fleet: Fleet) -> None:
    """A test with a wrong name in it must not pass because nothing happened."""
    with pytest.raises(RehearsalError) as raised:
        fleet["a"].kill("ehco.service")
    command = "systemctl kill --kill-whom=all --signal=KILL ehco.service"
    assert str(raised.value) == (
        f"a: {command}: exit code 1\n  Failed to kill unit ehco.service: Unit ehco.service not loaded."
    )


def test_a_cut_link_is_silence_until_it_is_mended(fleet: Fleet) -> None:
    """Packets vanish both ways, connections outlive a cut that is shorter than their patience."""
    everybody = reaching(fleet)
    with connection(fleet, fleet["a"]) as old:
        assert old.send() == "echoed"
        fleet["a"].cut()
        assert old.send() == "silent"
        assert reaching(fleet) == {pair for pair in everybody if "a" not in pair}
        fleet["a"].mend()
        until(lambda: old.listen() == "echoed", "TCP's next attempt")
    assert reaching(fleet) == everybody


def test_partition_parts_exactly_those_who_are_named(fleet: Fleet) -> None:
    """Named pairs lose each other, both ways; everybody else, and this machine's side, notices nothing."""
    everybody = reaching(fleet)
    assert len(everybody) == 9
    fleet.partition(["a"], ["b"])
    assert everybody - reaching(fleet) == {("a", "b"), ("b", "a")}
    fleet.partition(["c"], ["a", "controller"])
    assert everybody - reaching(fleet) == {("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("controller", "c")}
    fleet.heal()
    assert reaching(fleet) == everybody


def test_a_partition_outlives_a_boot(fleet: Fleet) -> None:
    """It lies in the network, not in the host."""
    fleet.partition(["a"], ["b"])
    fleet["a"].power_off()
    fleet["a"].boot()
    assert ("a", "b") not in reaching(fleet)


def test_partition_of_an_unknown_host_parts_nobody(fleet: Fleet) -> None:
    """All names are looked up before any packet is dropped."""
    with pytest.raises(RehearsalError) as raised:
        fleet.partition(["a"], ["b", "d"])
    assert str(raised.value) == "fleet rt-shared has no host d; it has: a, b, c"
    assert len(reaching(fleet)) == 9


def test_a_host_reboots_from_inside(fleet: Fleet) -> None:
    """`systemctl reboot`, as a playbook does it, ends in the same host booted again."""
    host = fleet["a"]
    before = boot_id(host)
    host.run("systemctl", "reboot", check=False)
    until(lambda: boot_id(host) not in ("", before), "another boot")
    wait_for_echo(host)
    assert attempt(fleet, host) == "connected"


def test_a_host_that_was_shut_down_from_inside_is_off(fleet: Fleet) -> None:
    """Nobody answers for it, as nobody answers for a machine without power; it can be booted again."""
    host = fleet["a"]
    host.run("systemctl", "poweroff", check=False)
    host.cgroup.wait_empty()
    assert attempt(fleet, host) == "timeout"
    with pytest.raises(RehearsalError) as raised:
        host.run("true")
    assert str(raised.value) == "host a is off; boot it first"
    host.boot()
    wait_for_echo(host)


def boot_id(host: Host) -> str:
    """Which run of the host this is; nspawn gives each its own. Empty while it goes down and before it comes up."""
    try:
        return host.run("cat", "/proc/sys/kernel/random/boot_id", check=False).stdout
    except RehearsalError:
        return ""
