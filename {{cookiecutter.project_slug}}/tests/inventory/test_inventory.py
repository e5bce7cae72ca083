"""Inventories that would fail are refused, each with its place, the numbers that disagree, and what to do."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from workers.commands.inventory import inventory as command
from workers.inventory.model import Inventory
from workers.inventory.places import places
from workers.inventory.problems import CODES
from workers.inventory.rules import check
from workers.inventory.sizes import mebibytes
from workers.topology import Topology, load
from workers.topology.load import ROOT
from workers.topology.problems import Place

SAID = "os=debian\r\nrelease=13\r\npython=3.13\r\nmemory=7900\r\ndisk=50000\r\nclock=1001\r\n"
WORKERS = [f"workers_{name}" for name in ("default", "priority", "batch", "ml")]
GROUPS: dict[str, list[str]] = {
    **{f"rabbit{number}": ["rabbitmq"] for number in (1, 2, 3)},
    **{f"redis{number}": ["redis"] for number in (1, 2, 3)},
    "db1": ["postgresql", "monitoring"],
    "web1": ["web", "beat"],
    "web2": ["web", "beat"],
    "work1": WORKERS,
    "work2": WORKERS,
}


def sound() -> dict[str, Any]:
    """Eleven hosts as the playbook describes them, to be changed."""
    hosts = {
        name: {"groups": groups, "address": f"10.0.0.{number}", "said": SAID}
        for number, (name, groups) in enumerate(GROUPS.items(), 1)
    }
    return {"file": "environments/production/inventory.yml", "asked": [1000, 1002], "hosts": hosts}


@pytest.fixture(scope="session")
def topology() -> Topology:
    """The project's own, as production has it."""
    return load(environment="production").topology


def refused(topology: Topology, given: dict[str, Any]) -> list[str]:
    """What is said of it, without places."""
    return [str(problem) for problem in check(Inventory.model_validate(given), topology, "production")]


def without(*names: str) -> dict[str, Any]:
    """The sound one without some hosts."""
    given = sound()
    for name in names:
        del given["hosts"][name]
    return given


def said(host: str, **facts: str) -> dict[str, Any]:
    """The sound one, of which one host says something else."""
    given = sound()
    lines = dict(line.split("=") for line in SAID.split()) | facts
    given["hosts"][host]["said"] = "\n".join(f"{name}={value}" for name, value in lines.items())
    return given


def host(name: str, **about: Any) -> dict[str, Any]:
    """The sound one, where something else is true of a host."""
    given = sound()
    given["hosts"][name] = given["hosts"].get(name, {"address": "10.0.0.99", "said": SAID}) | about
    return given


def variables(given: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    """An inventory with these variables."""
    return {**(given or sound()), "variables": values}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        host("work1", said="", failed="no route to host"),
        "work1 (I01): cannot be reached: no route to host; `ssh work1` must work without a password",
    ),
    (said("work1", python=""), "work1 (I02): has no /usr/bin/python3; apt-get install python3"),
    (said("work1", python="3.11"), "work1 (I02): has Python 3.11; releases are built for 3.13, Debian 13's own"),
    (said("work1", release="12"), "work1 (I03): runs debian 12; install Debian 13 on it"),
    (said("work1", os="ubuntu", release="24.04"), "work1 (I03): runs ubuntu 24.04; install Debian 13 on it"),
    (
        said("work1", clock="994"),
        "work1 (I04): its clock is 6 s behind this machine's, 5 are allowed; on both: timedatectl set-ntp true",
    ),
    (
        said("work1", clock="1302"),
        "work1 (I04): its clock is 300 s ahead of this machine's, 5 are allowed; on both: timedatectl set-ntp true",
    ),
    (
        said("work1", memory="4000"),
        "work1 (I05): system 300 + default 1320 + priority 1320 + batch 1920 + ml 2920 = 7780 MiB > 4000 MiB of memory; take a larger host, move a group to another one, or lower what sizes.yml or the group variables give it",
    ),
    (
        said("rabbit1", memory="2000"),
        "rabbit1 (I05): system 300 + rabbitmq 2048 = 2348 MiB > 2000 MiB of memory; take a larger host, move a group to another one, or lower what sizes.yml or the group variables give it",
    ),
    (
        said("rabbit1", disk="6000"),
        "rabbit1 (I06): system 3000 + rabbitmq 3072 = 6072 MiB > 6000 MiB free on its disk; enlarge it, or free some",
    ),
    (without("work1", "work2"), "workers_ml (I10): no host; add one: workers_ml: {hosts: {NAME: {ansible_host: ADDRESS}}}"),
    (without("db1"), "postgresql (I10): no host; add one: postgresql: {hosts: {NAME: {ansible_host: ADDRESS}}}"),
    (
        without("work2"),
        "workers_batch (I11): 1 hosts, but groups.batch.hosts is 2, from which memory and connections are reckoned; write groups.batch.hosts: 1 into environments/production/sizes.yml, or change the hosts",
    ),
    (host("work3", groups=["workers_bacth"]), "workers_bacth (I12): workers.yml has no group bacth; it has: default, priority, batch, ml"),
    (without("rabbit3"), "rabbitmq (I13): 2 hosts: cut in halves, neither is a majority and all stop; have 3"),
    (without("redis2", "redis3"), "redis (I13): 1 host: nothing goes on when it is lost; have 3"),
    (
        variables(without("db1"), postgresql_url="postgres://shop@localhost/shop"),
        "beat (I14): 2 hosts, each with a database of its own (postgresql_url: localhost): each would hold the lease and send every periodic task; keep one, or give them a database that they share",
    ),
    (
        variables(postgresql_max_connections=100),
        "postgresql_max_connections (I15): 100 < database.max_connections 200 of workers.yml; raise it to 200, or leave it out",
    ),
    (
        variables(without("rabbit1", "rabbit2", "rabbit3"), project_broker="redis", redis_maxclients=500),
        "redis_maxclients (I15): 500 < broker.max_connections 1000 of workers.yml; raise it to 1000, or leave it out",
    ),
    (host("work1", address=""), "work1 (I16): ansible_host is missing; write its IPv4 address: hosts find each other so"),
    (host("work1", address="10.0.0.1"), "work1 (I16): has 10.0.0.1, as rabbit1 has; give each its own"),
    (
        variables(postgresql_primary="db7"),
        "postgresql_primary (I17): db7 is not in the group postgresql; name one of: db1",
    ),
    (
        variables(postgresql_url="postgres://shop@db.example.com/shop"),
        "postgresql_url (I17): set, and the group postgresql has db1; keep one of the two",
    ),
    (
        variables(without("rabbit1", "rabbit2", "rabbit3"), project_broker="redis", redis_uses=["results", "cache"]),
        "redis_uses (I17): lacks `broker`, but project_broker is redis; add it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[message.split(": ")[0] for _, message in REFUSED])
def test_a_wrong_inventory_is_refused(topology: Topology, given: dict[str, Any], message: str) -> None:
    """The whole message is compared; what follows from the same mistake may be said as well."""
    assert message in refused(topology, given)


@pytest.mark.parametrize(
    "given",
    [
        sound(),
        variables(without("db1"), postgresql_url="postgres://shop@db.example.com/shop"),
        variables(without("rabbit1", "rabbit2", "rabbit3"), project_broker="redis"),
        host("work1", said=""),
    ],
    ids=["eleven hosts", "a database of somebody else's", "Redis carries the messages", "not asked: --limit"],
)
def test_a_sound_one_is_not(topology: Topology, given: dict[str, Any]) -> None:
    """Without this the refusals above would prove nothing."""
    assert refused(topology, given) == []


def test_a_host_that_is_away_is_reported_once(topology: Topology) -> None:
    """Nothing is known of its memory, its clock or its Python."""
    assert len(refused(topology, host("work1", said="", failed="no route to host"))) == 1


def test_everything_is_reported_at_once(topology: Topology) -> None:
    """One run is enough to put everything right."""
    given = without("rabbit3")
    given["hosts"]["work1"]["said"] = SAID.replace("release=13", "release=12").replace("clock=1001", "clock=1")
    assert sorted(line.split("(")[1][:3] for line in refused(topology, given)) == ["I03", "I04", "I13"]


def test_every_code_is_provoked_somewhere() -> None:
    """A code without a test could vanish unseen."""
    assert {message.partition("(")[2][:3] for _, message in REFUSED} == set(CODES)


def test_places_are_where_something_is_said() -> None:
    """A host is named in several groups: its place is where it has its address."""
    file = "environments/production/inventory.yml"
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = places(file)
    assert "db1: {ansible_host" in lines[found["db1"].line - 1]
    assert lines[found["redis"].line - 1].startswith("redis:")
    assert places("no/such/file.yml") == {}


def test_the_command_says_where(tmp_path: Path) -> None:
    """Place, code, message, cure; the exit code stops the playbook."""
    file = tmp_path / "said.json"
    file.write_text(json.dumps(said("db1", release="12")), encoding="utf-8")
    done = CliRunner().invoke(command, ["check", "-e", "production", str(file)], standalone_mode=False)
    place = places("environments/production/inventory.yml")["db1"]
    assert str(done.exception) == f"{place} db1 (I03): runs debian 12; install Debian 13 on it"
    file.write_text(json.dumps(sound()), encoding="utf-8")
    done = CliRunner().invoke(command, ["check", "-e", "production", str(file)])
    assert (done.exit_code, done.output) == (
        0,
        "environments/production/inventory.yml is sound: 11 hosts for 4 worker groups, web, beat and brokers.\n",
    )


def test_a_variable_is_named_where_the_environment_keeps_them(tmp_path: Path) -> None:
    """One that the file does not hold yet has no line."""
    file = tmp_path / "said.json"
    file.write_text(json.dumps(variables(postgresql_primary="db7")), encoding="utf-8")
    done = CliRunner().invoke(command, ["check", "-e", "production", str(file)], standalone_mode=False)
    assert str(done.exception).startswith(f"{Place('environments/production/inventory.yml')} postgresql_primary (I17)")


@pytest.mark.parametrize(("text", "amount"), [("512mb", 512), ("1GB", 1024), ("2048kb", 2), ("many", 0)])
def test_redis_own_units_are_read(text: str, amount: int) -> None:
    """As redis.conf writes them."""
    assert mebibytes(text) == amount
