"""A server for each use, and a Sentinel: ../README.md."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://redis"]

Variables = Mapping[str, Any]
#: Says a command to the process at a port, as the user `deploy`; returns the answer's lines.
Say = Callable[[int, str], list[str]]
#: How a server's setting is called in redis_instances.
SETTINGS: Final = {
    "appendonly": "appendonly",
    "maxmemory": "maxmemory",
    "maxmemory-policy": "maxmemory_policy",
    "min-replicas-to-write": "min_replicas",
}
#: What goes wrong on the disk is seen here.
WRITTEN: Final = ("aof_last_write_status", "aof_last_bgrewrite_status")


@pytest.fixture(scope="module")
def say(ask: Callable[..., str], variables: Variables) -> Say:
    """The password is read on the host, and goes through the environment of a process of root's."""

    def say(port: int, command: str) -> list[str]:
        said = ask("sh -c %s", spoken(variables, port, command)).splitlines()
        assert said, f"nobody answers at port {port}"
        return said

    return say


def spoken(variables: Variables, port: int, command: str) -> str:
    """What the host's shell is told."""
    return f"{variables['redis_shell']}\ngive {port} <<'COMMAND'\n{command}\nCOMMAND"


@pytest.fixture(scope="module")
def ports(variables: Variables) -> dict[str, int]:
    """The port of each use."""
    return {use: variables["redis_instances"][use]["port"] for use in variables["redis_uses"]}


def test_servers_and_sentinel_run(host: Host, unsettled: Callable[..., list[str]], variables: Variables) -> None:
    """All do, after a boot as well, with what was placed; the package's own server, without a password, does not."""
    told, packaged = unsettled(variables["redis_units"]), variables["redis_disabled_unit"]
    if host.service(packaged).is_running or host.service(packaged).is_enabled:
        told.append(f"{packaged} runs, or would after a boot")
    assert not told, "; ".join(told)


def test_files_are_kept_from_others(misplaced: Callable[..., list[str]], variables: Variables) -> None:
    """Passwords are in them; servers and Sentinels may read what was placed, and not write it."""
    told = misplaced(variables["redis_files"])
    assert not told, "; ".join(told)


def test_only_tls_is_open(ask: Callable[..., str], ports: dict[str, int], variables: Variables) -> None:
    """Every process has its plain port closed, and listens where it should and nowhere else."""
    wanted = {**ports, "sentinel": variables["redis_sentinel_port"]}
    told = []
    for name, port in wanted.items():
        text = ask("cat %s", f"{variables['redis_place']['lib']}/{name}/own.conf")
        own = dict(re.findall(r"^(port|tls-port) (\d+)$", text, re.MULTILINE))
        if own != {"port": "0", "tls-port": str(port)}:
            told.append(f"{name}: {own}")
    listens = ask("ss --tcp --listening --numeric --processes --no-header")
    found = {int(port) for port in re.findall(r":(\d+) .*\"(?:redis|valkey)-", listens)}
    told += [f"{port} is open" for port in sorted(found - {*wanted.values()})]
    assert not told, "; ".join(told)


def test_strangers_may_do_nothing(ask: Callable[..., str], ports: dict[str, int], variables: Variables) -> None:
    """Who does not log in may not even ask whether somebody is there."""
    flavour, folder = variables["redis_flavour"], variables["redis_place"]["etc"]
    told = []
    for port in (*ports.values(), variables["redis_sentinel_port"]):
        command = f"{flavour}-cli --tls --cacert {folder}/tls/ca.pem -h %s -p {port} PING 2>&1 || :"
        if not (said := ask(command, variables["redis_address"])).startswith("NOAUTH"):
            told.append(f"port {port} answers: {said.strip()}")
    assert not told, "; ".join(told)


def test_users_are_those_of_the_roles(say: Say, ports: dict[str, int], variables: Variables) -> None:
    """And the default one, which is off."""
    users, sentinel = set(variables["redis_users"].values()) | {"default"}, variables["redis_sentinel_port"]
    copier = {variables["redis_users"]["replication"]}
    told = [
        f"port {port}: {name}"
        for port in (*ports.values(), sentinel)
        for name in sorted(set(say(port, "ACL USERS")) ^ (users - copier if port == sentinel else users))
    ]
    assert not told, f"users too many or too few: {', '.join(told)}"
    on = [str(port) for port in (*ports.values(), sentinel) if "off" not in say(port, "ACL GETUSER default")]
    assert not on, f"the default user is on at port {', '.join(on)}"


def test_all_name_the_same_primary(
    say: Say, ask_all: Callable[..., dict[str, str]], ports: dict[str, int], inventory: Any, variables: Variables
) -> None:
    """The Sentinels of all hosts do; this host's server is it, or follows it and keeps up."""
    every = {name: inventory.variables(name) for name in variables["redis_hosts"]}
    told = []
    for use, port in ports.items():
        asked = f"SENTINEL GET-MASTER-ADDR-BY-NAME {use}"
        said = ask_all({name: spoken(other, variables["redis_sentinel_port"], asked) for name, other in every.items()})
        named = {name: answer.split("\n")[0] for name, answer in said.items() if answer}
        if len(set(named.values())) > 1:
            told.append(f"{use}: Sentinels name {', '.join(f'{address} ({name})' for name, address in named.items())}")
        address, role = variables["redis_address"], say(port, "ROLE")
        follows = role[0] == "slave" and role[3] == "connected" and role[1] in named.values()
        if not (role[0] == "master" and {address} == set(named.values())) and not follows:
            told.append(f"{use}: this server is {' '.join(role[:4])}")
    assert not told, "; ".join(told)


def test_sentinels_can_replace_a_primary(say: Say, ports: dict[str, int], variables: Variables) -> None:
    """Enough of them are there to agree that it is gone, and to choose another one."""
    said = {use: say(variables["redis_sentinel_port"], f"SENTINEL CKQUORUM {use}")[0] for use in ports}
    told = [f"{use}: {words}" for use, words in said.items() if not words.startswith("OK")]
    assert not told, "; ".join(told)


def test_memory_and_disk_are_as_each_use_needs(say: Say, ports: dict[str, int], variables: Variables) -> None:
    """What happens when the memory is full, what is on the disk, and who must follow: as it runs now."""
    told = []
    for use, port in ports.items():
        instance = variables["redis_instances"][use]
        lines = say(port, f"CONFIG GET {' '.join(SETTINGS)}")
        has = dict(zip(lines[::2], lines[1::2], strict=True))
        wanted = {name: in_bytes(str(instance[key])) for name, key in SETTINGS.items()}
        told += [f"{use}: {name} is {has[name]}, not {value}" for name, value in wanted.items() if has[name] != value]
    assert not told, "; ".join(told)


def in_bytes(value: str) -> str:
    """As Redis says it, which takes mb and gb, too."""
    found = re.fullmatch(r"(\d+)([kmg])b", value.lower())
    return str(int(found[1]) * 1024 ** (1 + "kmg".index(found[2]))) if found else value


def test_disk_takes_what_is_written(say: Say, ports: dict[str, int], variables: Variables) -> None:
    """Append-only files are written and rewritten without an error."""
    told = []
    for use, port in ports.items():
        if variables["redis_instances"][use]["appendonly"] == "yes":
            said = dict(line.split(":", 1) for line in say(port, "INFO persistence") if ":" in line)
            told += [f"{use}: {name} is {said[name]}" for name in WRITTEN if said[name].strip() != "ok"]
    assert not told, "; ".join(told)


def test_kernel_lets_large_processes_fork(host: Host, variables: Variables) -> None:
    """Its settings hold now, not only after a boot. In a container some are not the host's to set."""
    told = []
    for name, value in variables["redis_sysctl"].items():
        own = host.run("test -w %s", f"/proc/sys/{name.replace('.', '/')}").succeeded
        if own and (has := host.sysctl(name)) != value:
            told.append(f"{name} is {has}, not {value}")
    assert not told, "; ".join(told)
