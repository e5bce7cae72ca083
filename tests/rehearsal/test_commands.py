"""The command line: what people and programs see."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from rehearsal import Fleet
from rehearsal.commands import main
from rehearsal.paths import PACKAGE
from tests.rehearsal.programs import ENVIRONMENT, REHEARSAL, ROOT, rehearsal
from tests.waiting import until

#: The shared fleet of conftest.py, as the command line knows it.
NAME = ("--fleet", "rt-shared")
CLOCK = r"\d\d:\d\d:\d\d"


def test_the_manual_names_every_command() -> None:
    """README.md's table and the command line are the same list."""
    table = (PACKAGE / "README.md").read_text(encoding="utf-8").partition("## Commands")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z]+)", table)) == set(main.commands)


def test_ls_is_a_table_for_people(fleet: Fleet) -> None:
    """Name, address, groups, layers, state, and since when."""
    fleet["b"].cut()
    fleet["c"].power_off()
    fleet.partition(["a"], ["b", "controller"])
    lines = rehearsal("ls", *NAME).stdout.splitlines()[:5]
    assert [re.sub(CLOCK, "TIME", re.sub(r" {2,}", " | ", line.rstrip())) for line in lines] == [
        "fleet rt-shared",
        "host | address | groups | layers | state | since",
        "a | 10.1.0.1 | plain | - | up, parted from b, controller | TIME",
        "b | 10.2.0.2 | plain | - | cut, parted from a | TIME",
        "c | 172.20.3.3 | plain | - | off | TIME",
    ]


def test_ls_has_the_same_for_programs(fleet: Fleet) -> None:
    """JSON with the names of the table."""
    fleet.partition(["a"], ["b"])
    listed = json.loads(rehearsal("ls", *NAME, "--json").stdout)
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT{CLOCK}\+00:00", listed["hosts"][0].pop("since"))
    assert listed["fleet"] == "rt-shared"
    assert listed["hosts"][0] == {
        "host": "a",
        "address": "10.1.0.1",
        "groups": ["plain"],
        "layers": [],
        "state": "up",
        "parted_from": ["b"],
    }


def test_up_tells_each_step_and_its_time(fleet: Fleet, tmp_path: Path) -> None:
    """Whoever waits sees for what; at the end stands the table."""
    fleet["a"].power_off()
    inventory = tmp_path / "inventory.yml"
    hosts = "".join(f"    {host.name}: {{ansible_host: {host.address}}}\n" for host in fleet.hosts.values())
    inventory.write_text(f"plain:\n  hosts:\n{hosts}", encoding="utf-8")
    lines = rehearsal("up", *NAME, "--inventory", inventory).stdout.splitlines()
    assert [re.sub(r"[0-9.]+ s", "TIME", re.sub(r" +", " ", line)) for line in lines[:4]] == [
        "✓ TIME network",
        "✓ TIME disks and links",
        "✓ TIME boot, 1 of 3 hosts",
        "",
    ]
    assert lines[4].rstrip() == "fleet rt-shared"


def test_each_fault_has_its_command(fleet: Fleet) -> None:
    """What they do is tested on the API; here, that each does its own."""

    def states() -> list[tuple[str, list[str]]]:
        listed = json.loads(rehearsal("ls", *NAME, "--json").stdout)["hosts"]
        return [(row["state"], row["parted_from"]) for row in listed]

    for command, expected in (
        (("cut", "a", "b"), [("cut", []), ("cut", []), ("up", [])]),
        (("mend", "a"), [("up", []), ("cut", []), ("up", [])]),
        (("kill", "b"), [("up", []), ("off", []), ("up", [])]),
        (("boot", "b"), [("up", []), ("up", []), ("up", [])]),
        (("partition", "a", "b,c"), [("up", ["b", "c"]), ("up", ["a"]), ("up", ["a"])]),
        (("heal",), [("up", []), ("up", []), ("up", [])]),
    ):
        done = rehearsal(command[0], *NAME, *command[1:])
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert states() == expected
    assert rehearsal("kill", *NAME, "a", "echo.service").returncode == 0
    assert fleet["a"].run("systemctl", "is-active", "echo.service", check=False).stdout == "failed\n"
    fleet["a"].run("systemctl", "start", "echo.service")


def test_exec_is_as_if_the_command_ran_here(fleet: Fleet) -> None:
    """Its output, its input, its exit code; in a host, and in the network from this machine's side."""
    command = [*REHEARSAL, "exec", *NAME, "b", "--", "sh", "-c", "cat; hostname; exit 7"]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, input="given\n", capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (7, "given\nb\n")
    reached = rehearsal("exec", *NAME, "controller", "--", "ssh", "-F", fleet.ssh_config, "c", "hostname")
    assert (reached.returncode, reached.stdout) == (0, "c\n")


def test_exec_without_a_command_is_a_shell(fleet: Fleet) -> None:
    """With a terminal of one's own."""
    ours, theirs = pty.openpty()
    command = [*REHEARSAL, "exec", *NAME, "a"]
    with subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as shell:
        os.close(theirs)
        shown = ""
        os.write(ours, b"echo $((6 * 7)) on $(hostname); exit 5\n")
        try:
            while "42 on a" not in shown:
                shown += os.read(ours, 1000).decode()
        finally:
            assert shell.wait(30) == 5, shown
            os.close(ours)
    assert fleet["a"].on


def test_logs_are_there_while_a_host_is_off(fleet: Fleet) -> None:
    """A lost host's journal tells what it did last."""
    fleet["a"].run("logger", "--tag", "probe", "before the loss")
    until(lambda: "before the loss" in rehearsal("logs", *NAME, "a").stdout, "the line in the journal")
    fleet["a"].power_off()
    done = rehearsal("logs", *NAME, "a", "--lines", "500")
    assert done.returncode == 0
    assert "probe[" in done.stdout
    assert "before the loss" in done.stdout
    unit = rehearsal("logs", *NAME, "a", "--unit", "echo.service", "--lines", "1").stdout
    assert "echo.service" in unit


def test_logs_can_be_followed(fleet: Fleet) -> None:
    """New lines come as they are written."""
    command = [*REHEARSAL, "logs", *NAME, "a", "--follow", "--lines", "1"]
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as logs:
        assert logs.stdout
        logs.stdout.readline()
        fleet["a"].run("logger", "as it happens")
        assert any("as it happens" in line for line in logs.stdout)
        logs.kill()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("cut", *NAME, "a", "d"), "fleet rt-shared has no host d; it has: a, b, c"),
        (
            ("ls", "--fleet", "rt-none"),
            "no fleet is called rt-none; bring one up: python -m rehearsal up --fleet rt-none",
        ),
        (("up", "--fleet", "Rt"), "fleet 'Rt': expected a letter, then up to 15 of a-z, 0-9 and -"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(fleet: Fleet, arguments: tuple[str, ...], reason: str) -> None:
    """On standard error, with exit code 1, before the first of several hosts is touched."""
    done = rehearsal(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{reason}\n")
    assert fleet.network.cut() == set()


def test_down_where_nothing_is_up_is_no_error() -> None:
    """What a script calls at its end, whatever happened before."""
    done = rehearsal("down", "--fleet", "rt-none")
    assert (done.returncode, done.stdout) == (0, "no fleet is called rt-none: nothing to do\n")
