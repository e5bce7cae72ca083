"""What every host has, whatever else it does: ../README.md."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://all"]

Variables = Mapping[str, Any]
#: sshd's settings, as `sshd -T` says them, that let somebody in without a key.
OPEN: Final = {
    "passwordauthentication": ("yes",),
    "kbdinteractiveauthentication": ("yes",),
    "permitemptypasswords": ("yes",),
    "permitrootlogin": ("yes",),
}
#: One restart mends something. After so many, the last within so many seconds, a service fails again and again.
RESTARTS: Final = 3
LATELY: Final = 600


@pytest.fixture(scope="module")
def filtered(ask: Callable[..., str]) -> list[dict[str, Any]]:
    """Chains and rules of the host's table of its packet filter."""
    return json.loads(ask("nft --json list table inet base"))["nftables"]


def test_hosts_know_each_other(host: Host, variables: Variables) -> None:
    """Every host of the inventory has its name and address in /etc/hosts."""
    lines = {tuple(line.split()[:2]) for line in host.file("/etc/hosts").content_string.splitlines() if line}
    wanted = {(variables["hostvars"][name]["ansible_host"], name) for name in variables["groups"]["all"]}
    missing = [" ".join(pair) for pair in sorted(wanted - lines)]
    assert not missing, f"/etc/hosts lacks {', '.join(missing)}"


def test_nothing_comes_in_unnamed(filtered: list[dict[str, Any]]) -> None:
    """What no rule names is dropped, on its way in and through."""
    chains = {one["chain"]["name"]: one["chain"]["policy"] for one in filtered if "chain" in one}
    told = [f"{name} is not" for name in ("input", "forward") if chains.get(name) != "drop"]
    assert not told, f"what no rule names is to be dropped, and in the chain {', '.join(told)}"


def test_only_ways_of_the_inventory_are_open(filtered: list[dict[str, Any]], variables: Variables) -> None:
    """Ports that are open to anybody are those of base_flows and base_open, and all of them."""
    found = {port for one in filtered if "rule" in one for port in opened(one["rule"]["expr"])}
    groups, own = variables["groups"], variables["group_names"]
    others = {name for name in groups["all"] if name != variables["inventory_hostname"]}
    flows = [
        flow
        for flow in variables["base_flows"] + variables["base_flows_more"]
        if flow["to"] in own and any(others & set(groups.get(group, ())) for group in flow["from"])
    ]
    flows += [flow for flow in variables["base_open"] + variables["base_open_more"] if flow["to"] in ("all", *own)]
    wanted = {int(port) for flow in flows for port in flow["ports"]}
    told = [f"{port} is open" for port in sorted(found - wanted)]
    told += [f"{port} is shut" for port in sorted(wanted - found)]
    assert not told, f"unlike base_flows and base_open, {', '.join(told)}"


def opened(expressions: Sequence[Mapping[str, Any]]) -> set[int]:
    """The ports of a rule."""
    matches = [one["match"] for one in expressions if "match" in one]
    ports = [one["right"] for one in matches if one["left"].get("payload", {}).get("field") == "dport"]
    return {port for right in ports for port in spread(right)}


def spread(ports: Any) -> list[int]:
    """As nft says them: one, a range, or a set of both."""
    if isinstance(ports, int):
        return [ports]
    if "range" in ports:
        first, last = ports["range"]
        return list(range(first, last + 1))
    return [port for each in ports["set"] for port in spread(each)]


def test_services_run(unsettled: Callable[..., list[str]], variables: Variables) -> None:
    """Packet filter, SSH, journal and clock do, with what was placed for them."""
    told = unsettled(variables["base_units"])
    assert not told, "; ".join(told)


def test_nobody_enters_without_a_key(ask: Callable[..., str], variables: Variables) -> None:
    """Of sshd, as it would start now: no password opens anything, and its port is the one that is open."""
    said = [line.split(" ", 1) for line in ask("/usr/sbin/sshd -T").splitlines()]
    told = [f"{name} {value}" for name, value in said if value in OPEN.get(name, ())]
    assert not told, f"sshd lets people in: {', '.join(told)}"
    ports = [value for name, value in said if name == "port"]
    assert ports == [str(variables["base_ssh_port"])], f"sshd listens on {', '.join(ports)}"


def test_people(host: Host, variables: Variables) -> None:
    """Who is to have an account has one with sudo; who left has none."""
    people, gone = [one["name"] for one in variables["base_users"]], variables["base_users_gone"]
    missing = [name for name in people if not host.user(name).exists or "sudo" not in host.user(name).groups]
    left = [name for name in gone if host.user(name).exists]
    told = [f"{name} has no account with sudo" for name in missing] + [f"{name} has an account still" for name in left]
    assert not told, "; ".join(told)


def test_journal_is_bounded(ask: Callable[..., str], variables: Variables) -> None:
    """In size and age, and it outlives a boot: of journald's settings the last one counts."""
    text = ask("systemd-analyze cat-config systemd/journald.conf")
    said = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    most, wanted = (
        variables["base_journal_size"],
        {"Storage": "persistent", "MaxRetentionSec": variables["base_journal_age"]},
    )
    told = [f"{name}={said.get(name, '')}, not {value}" for name, value in wanted.items() if said.get(name) != value]
    if in_bytes(said.get("SystemMaxUse", "")) > in_bytes(most):
        told.append(f"SystemMaxUse={said.get('SystemMaxUse', '')}, not {most} at most")
    assert not told, f"journald has {', '.join(told)}"


def in_bytes(size: str) -> float:
    """What journald.conf says of a size; no limit if it says nothing."""
    found = re.fullmatch(r"([\d.]+)([KMGT]?)", size)
    return float(found[1]) * 1024 ** " KMGT".index(found[2] or " ") if found else math.inf


def test_updates_leave_brokers_and_databases_out(ask: Callable[..., str], variables: Variables) -> None:
    """Security updates come every day, of nothing whose restart the fleet would notice."""
    lines = ask("apt-config dump").splitlines()
    daily = [f'APT::Periodic::{name} "1";' for name in ("Update-Package-Lists", "Unattended-Upgrade")]
    assert set(daily) <= set(lines), "they do not come every day: see apt-config dump, APT::Periodic"
    left_out = {
        f'Unattended-Upgrade::Package-Blacklist:: "{name}";': name for name in variables["base_upgrades_not_of"]
    }
    told = [name for line, name in left_out.items() if line not in lines]
    assert not told, f"they come for {', '.join(told)}, too"


def test_nothing_fails(ask: Callable[..., str]) -> None:
    """No unit of the host has failed, and no service fails and starts again and again."""
    failed = [line.split()[0] for line in ask("systemctl --failed --plain --no-legend").splitlines()]
    assert not failed, f"failed: {', '.join(failed)}; systemctl status says why"
    show = "systemctl show --timestamp=unix --property=Id,NRestarts,InactiveExitTimestamp '*.service'"
    now, text = ask(f"date +%s; {show}").split("\n", 1)
    states = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    told = [
        f"{state['Id']} was started again {state['NRestarts']} times"
        for state in states
        if int(state.get("NRestarts", 0)) >= RESTARTS
        and int(now) - int(state["InactiveExitTimestamp"].removeprefix("@") or 0) < LATELY
    ]
    assert not told, "; ".join(told)
