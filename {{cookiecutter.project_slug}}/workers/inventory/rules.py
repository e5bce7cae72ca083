"""What must be true of hosts before anything is done to them. One rule a function, one code a rule."""

from collections.abc import Callable, Iterator
from ipaddress import AddressValueError, IPv4Address
from typing import Final
from urllib.parse import urlsplit

from config.addresses import is_loopback
from workers.inventory.model import PREFIX, Inventory
from workers.inventory.sizes import needed_disk, needed_memory, setting
from workers.topology.model import Topology
from workers.topology.problems import Problem

Found = Iterator[Problem]

DEBIAN: Final = "13"
#: What the packages of a release are built for.
PYTHON: Final = "3.13"
#: Seconds that a clock may differ from the controller's: tokens, certificates and logs bear that much.
SKEW: Final = 5
#: Fewer have no majority once one is gone.
FEWEST: Final = 3


def check(inventory: Inventory, topology: Topology, environment: str) -> list[Problem]:
    """Every rule that the inventory breaks; places are not yet filled in."""
    found = [problem for rule in RULES for problem in rule(inventory, topology, environment)]
    return found + [problem for name in inventory.hosts for problem in _of_host(inventory, topology, name)]


def _of_host(inventory: Inventory, topology: Topology, name: str) -> Found:
    """What a host that cannot be reached is, nobody knows; all else is said at once."""
    host = inventory.hosts[name]
    if host.failed:
        why = host.failed.rpartition("ssh: ")[2]  # Ansible says thrice that it was ssh
        yield Problem("I01", (name,), f"cannot be reached: {why}; `ssh {name}` must work without a password")
    elif host.facts:
        for rule in HOST_RULES:
            yield from rule(inventory, topology, name)


def _is_debian(inventory: Inventory, _topology: Topology, name: str) -> Found:
    facts = inventory.hosts[name].facts
    found = f"{facts.get('os', 'unknown')} {facts.get('release', '')}".strip()
    if found != f"debian {DEBIAN}":
        yield Problem("I03", (name,), f"runs {found}; install Debian {DEBIAN} on it")


def _has_python(inventory: Inventory, _topology: Topology, name: str) -> Found:
    found = inventory.hosts[name].facts.get("python", "")
    if not found:
        yield Problem("I02", (name,), "has no /usr/bin/python3; apt-get install python3")
    elif found != PYTHON:
        yield Problem("I02", (name,), f"has Python {found}; releases are built for {PYTHON}, Debian {DEBIAN}'s own")


def _clock_is_right(inventory: Inventory, _topology: Topology, name: str) -> Found:
    clock, (before, after) = inventory.hosts[name].number("clock"), inventory.asked
    if clock is None or before - SKEW <= clock <= after + SKEW:
        return
    off = clock - after if clock > after else clock - before
    said = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} this machine's"
    yield Problem("I04", (name,), f"its clock is {said}, {SKEW} are allowed; on both: timedatectl set-ntp true")


def _memory_fits(inventory: Inventory, topology: Topology, name: str) -> Found:
    has, needed = inventory.hosts[name].number("memory"), needed_memory(inventory, topology, name)
    if has is not None and sum(needed.values()) > has:
        cure = "take a larger host, move a group to another one, or lower what sizes.yml or the group variables give it"
        yield Problem("I05", (name,), f"{_sum(needed)} MiB > {has:.0f} MiB of memory; {cure}")


def _disk_fits(inventory: Inventory, _topology: Topology, name: str) -> Found:
    has, needed = inventory.hosts[name].number("disk"), needed_disk(inventory, name)
    if has is not None and sum(needed.values()) > has:
        yield Problem("I06", (name,), f"{_sum(needed)} MiB > {has:.0f} MiB free on its disk; enlarge it, or free some")


def _groups_have_hosts(inventory: Inventory, topology: Topology, _environment: str) -> Found:
    for group in (*_roles(inventory), *(f"{PREFIX}{name}" for name in topology.groups)):
        if not inventory.group(group):
            yield Problem("I10", (group,), f"no host; add one: {group}: {{hosts: {{NAME: {{ansible_host: ADDRESS}}}}}}")


def _roles(inventory: Inventory) -> tuple[str, ...]:
    """The groups that every environment needs, besides its workers."""
    brokers = ("rabbitmq", "redis") if _on_rabbitmq(inventory) else ("redis",)
    database = () if inventory.variables.get("postgresql_url") else ("postgresql",)
    return (*brokers, *database, "web", "beat")


def _on_rabbitmq(inventory: Inventory) -> bool:
    return bool(inventory.variables.get("project_broker", "rabbitmq") == "rabbitmq")


def _counts_agree(inventory: Inventory, topology: Topology, environment: str) -> Found:
    counts = {f"{PREFIX}{name}": (f"groups.{name}.hosts", group.hosts) for name, group in topology.groups.items()}
    counts |= {"web": ("web.hosts", topology.web.hosts), "beat": ("beat.hosts", topology.beat.hosts)}
    for group, (key, wanted) in counts.items():
        has = len(inventory.group(group))
        if has and has != wanted:
            yield Problem(
                "I11",
                (group,),
                f"{has} hosts, but {key} is {wanted}, from which memory and connections are reckoned; write "
                f"{key}: {has} into environments/{environment}/sizes.yml, or change the hosts",
            )


def _groups_are_known(inventory: Inventory, topology: Topology, _environment: str) -> Found:
    for name in sorted(inventory.worker_groups - topology.groups.keys()):
        known = ", ".join(topology.groups)
        yield Problem("I12", (f"{PREFIX}{name}",), f"workers.yml has no group {name}; it has: {known}")


def _brokers_have_a_majority(inventory: Inventory, _topology: Topology, environment: str) -> Found:
    for group in ("rabbitmq", "redis"):
        count = len(inventory.group(group))
        if count and count % 2 == 0:
            message = f"{count} hosts: cut in halves, neither is a majority and all stop; have {count + 1}"
            yield Problem("I13", (group,), message)
        elif 0 < count < FEWEST and (group == "redis" or environment == "production"):
            yield Problem("I13", (group,), f"{count} host: nothing goes on when it is lost; have {FEWEST}")


def _schedulers_share_a_lock(inventory: Inventory, _topology: Topology, _environment: str) -> Found:
    beats, url = inventory.group("beat"), str(inventory.variables.get("postgresql_url") or "")
    if len(beats) < 2 or not url:  # noqa: PLR2004 - one needs no lock
        return
    host = urlsplit(url).hostname or ""
    if not host or is_loopback(host):
        message = (
            f"{len(beats)} hosts, each with a database of its own (postgresql_url: {host or 'a file'}): each would "
            "hold the lease and send every periodic task; keep one, or give them a database that they share"
        )
        yield Problem("I14", ("beat",), message)


def _connections_fit(inventory: Inventory, topology: Topology, _environment: str) -> Found:
    allowed, wanted = inventory.variables.get("postgresql_max_connections"), topology.database.max_connections
    if allowed is not None and int(allowed) < wanted:
        message = f"{allowed} < database.max_connections {wanted} of workers.yml; raise it to {wanted}, or leave it out"
        yield Problem("I15", ("postgresql_max_connections",), message)
    clients, needed = int(setting(inventory, "redis", "maxclients")), topology.broker.max_connections
    if not _on_rabbitmq(inventory) and clients < needed:
        message = f"{clients} < broker.max_connections {needed} of workers.yml; raise it to {needed}, or leave it out"
        yield Problem("I15", ("redis_maxclients",), message)


def _hosts_are_found(inventory: Inventory, _topology: Topology, _environment: str) -> Found:
    taken: dict[str, str] = {}
    for name, host in inventory.hosts.items():
        try:
            IPv4Address(host.address)
        except AddressValueError:
            message = f"ansible_host is {host.address or 'missing'}; write its IPv4 address: hosts find each other so"
            yield Problem("I16", (name,), message)
            continue
        if (other := taken.setdefault(host.address, name)) != name:
            yield Problem("I16", (name,), f"has {host.address}, as {other} has; give each its own")


def _variables_agree(inventory: Inventory, _topology: Topology, _environment: str) -> Found:
    primary, servers = inventory.variables.get("postgresql_primary"), inventory.group("postgresql")
    if primary and primary not in servers:
        message = f"{primary} is not in the group postgresql; name one of: {', '.join(servers) or 'nobody is'}"
        yield Problem("I17", ("postgresql_primary",), message)
    if inventory.variables.get("postgresql_url") and servers:
        message = f"set, and the group postgresql has {', '.join(servers)}; keep one of the two"
        yield Problem("I17", ("postgresql_url",), message)
    if not _on_rabbitmq(inventory) and "broker" not in setting(inventory, "redis", "uses"):
        message = "lacks `broker`, but project_broker is redis; add it"
        yield Problem("I17", ("redis_uses",), message)


def _sum(needed: dict[str, int]) -> str:
    return " + ".join(f"{name} {amount}" for name, amount in needed.items()) + f" = {sum(needed.values())}"


RULES: Final[tuple[Callable[[Inventory, Topology, str], Found], ...]] = (
    _groups_have_hosts,
    _counts_agree,
    _groups_are_known,
    _brokers_have_a_majority,
    _schedulers_share_a_lock,
    _connections_fit,
    _hosts_are_found,
    _variables_agree,
)
HOST_RULES: Final[tuple[Callable[[Inventory, Topology, str], Found], ...]] = (
    _is_debian,
    _has_python,
    _clock_is_right,
    _memory_fits,
    _disk_fits,
)
