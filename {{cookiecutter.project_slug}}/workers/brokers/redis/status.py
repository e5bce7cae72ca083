"""Redis at a glance: for `workers brokers status` and `workers brokers declare`."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from config.env import Environment
from workers.brokers.redis.client import client
from workers.brokers.redis.depths import TooManyHeldError, depths
from workers.brokers.redis.judgement import fitness, judge, lags
from workers.brokers.redis.survey import TIMEOUT, Server, Survey, survey
from workers.brokers.report import Finding, Report, Severity, Table
from workers.derive import broker, redis, sentinel
from workers.topology import Topology

#: The variable that holds the URL -> whether what is kept there is work, which must not be thrown away.
USES: Final = {"BROKER_URL": True, "RESULT_URL": True, "CACHE_URL": False}
_MIB: Final = 2**20


def look(env: Environment, topology: Topology) -> list[Report]:
    """A report for each Redis that the environment names; takes a few seconds at most, whoever is dead."""
    shared = _by_server(_urls(env))
    with ThreadPoolExecutor(len(USES), thread_name_prefix="redis") as pool:
        return list(pool.map(lambda urls: _report(urls, env, topology), shared))


def unfit(env: Environment) -> tuple[str, list[Finding]]:
    """What the broker is, in words, and why it would not do as one."""
    found = _survey(env, env.broker_url.get_secret_value())
    if found.primary is None:
        return found.name, [
            finding for finding in judge(found, keeps_work=True) if finding.severity >= Severity.CRITICAL
        ]
    info = found.primary.info
    words = f"{_product(info)} at {found.primary.address}, {info.get('maxmemory_policy')}"
    aof = "with" if info.get("aof_enabled") else "without"
    return f"{words}, {aof} an append-only file", list(fitness(found.primary, keeps_work=True))


def _urls(env: Environment) -> dict[str, str]:
    all_of_them = {variable: getattr(env, variable.lower()).get_secret_value() for variable in USES}
    return {
        variable: url for variable, url in all_of_them.items() if broker.scheme(url) in ("redis", "rediss", "sentinel")
    }


def _by_server(urls: Mapping[str, str]) -> list[dict[str, str]]:
    """The same variables, together where they differ in the database's number only: one server, one report."""
    shared: dict[str, dict[str, str]] = {}
    for variable, url in urls.items():
        shared.setdefault(urlsplit(url)._replace(path="", query="").geturl(), {})[variable] = url
    return list(shared.values())


def _sentinels(env: Environment, url: str) -> dict[str, Any] | None:
    return sentinel.arguments(env.sentinels, env.tls_ca_file) if redis.is_sentinel(url) else None


def _survey(env: Environment, url: str) -> Survey:
    return survey(url, _sentinels(env, url), str(env.tls_ca_file) if env.tls_ca_file else None)


def _report(urls: Mapping[str, str], env: Environment, topology: Topology) -> Report:
    found = _survey(env, next(iter(urls.values())))
    findings = list(judge(found, keeps_work=any(USES[variable] for variable in urls)))
    report = Report(f"{', '.join(urls)}: {found.name}", [_servers(found)], findings)
    if found.watchers:
        report.tables.append(_watchers(found))
    if "BROKER_URL" in urls and found.primary:
        _add_depths(report, urls["BROKER_URL"], env, topology)
    return report


def _servers(found: Survey) -> Table:
    behind = lags(found.primary)
    columns = ("server", "role", "lag s", "MiB", "of", "clients", "append-only file", "version")
    return Table("servers", columns, [_server(server, behind) for server in found.servers])


def _server(server: Server, behind: Mapping[str, int]) -> tuple[str | int | None, ...]:
    info = server.info
    if server.error:
        return (server.address, "does not answer", None, None, None, None, None, None)
    role = "primary" if server.is_primary else "replica"
    kept = ("written" if info.get("aof_last_write_status") == "ok" else "fails") if info.get("aof_enabled") else "off"
    memory, limit = info["used_memory"] // _MIB, info.get("maxmemory", 0) // _MIB or None
    return (
        server.address,
        role,
        behind.get(server.address),
        memory,
        limit,
        info["connected_clients"],
        kept,
        _product(info),
    )


def _product(info: Mapping[str, Any]) -> str:
    if valkey := info.get("valkey_version"):
        return f"Valkey {valkey}"
    return f"Redis {info.get('redis_version')}"


def _watchers(found: Survey) -> Table:
    def rows() -> Iterator[tuple[str | int | None, ...]]:
        for watcher in found.watchers:
            if watcher.error or not watcher.primary:
                yield watcher.address, "does not answer", None, None, None
                continue
            host, port = watcher.primary
            yield watcher.address, f"{host}:{port}", watcher.epoch, watcher.others, "no" if watcher.quorum else "yes"

    return Table(
        "Sentinels", ("Sentinel", "says primary is", "since fail-over", "knows others", "quorum"), list(rows())
    )


def _add_depths(report: Report, url: str, env: Environment, topology: Topology) -> None:
    tls = redis.tls(url, env.tls_ca_file) or {}
    waits = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
    patience = {"patience": 0} if redis.is_sentinel(url) else {}
    try:
        with client(url, _sentinels(env, url), variable="BROKER_URL", **waits, **tls, **patience) as asked:
            found = depths(asked, f"{topology.project}:", topology.groups)
    except (RedisError, OSError, TooManyHeldError) as error:
        cure = "look again; `workers brokers status` takes a sample"
        report.findings.append(Finding(Severity.WARNING, "queues", f"could not be counted: {error}", cure))
        return
    rows = [(queue, *depth) for queue, depth in found.items()]
    report.tables.append(Table("queues", ("queue", "ready", "unacked", "delayed", "dead"), rows))
