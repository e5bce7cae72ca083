"""`workers brokers` on real servers: how they are, whoever is dead, and what happens when their memory is full."""

from tests.brokers.clients import Clients, runs
from tests.brokers.redis import Redis
from tests.waiting import until

#: Seconds that the command may look at brokers; the start of Python and Django comes on top.
BOUND = 5
LOOK = """
import time
from config.env import environment
from workers.brokers.redis.status import look
from workers.topology import topology
began = time.monotonic()
reports = [report.as_data() for report in look(environment(), topology())]
answer = {"seconds": time.monotonic() - began, "reports": {report["title"]: report for report in reports}}
"""


def test_a_sound_cluster_has_nothing_to_say(redis_clients: Clients) -> None:
    """Three servers and three Sentinels for each use, and all queues."""
    redis_clients.publish("priority", 3)
    seen = redis_clients.ask(LOOK)
    assert {title: report["findings"] for title, report in seen["reports"].items()} == {
        "BROKER_URL: broker": [],
        "RESULT_URL: results": [],
        "CACHE_URL: cache": [],
    }
    tables = seen["reports"]["BROKER_URL: broker"]["tables"]
    assert sorted(server["role"] for server in tables["servers"]) == ["primary", "replica", "replica"]
    assert [sentinel["quorum"] for sentinel in tables["Sentinels"]] == ["yes", "yes", "yes"]
    (priority,) = (queue for queue in tables["queues"] if queue["queue"] == "priority")
    assert (priority["ready"], priority["unacked"], priority["delayed"]) == (3, 0, 0)


def test_it_answers_in_time_while_a_host_is_dead(redis_clients: Clients, sound_redis: Redis) -> None:
    """From the moment on at which its packets vanish; its server and its Sentinel are named."""
    dead = next(host for host in sound_redis.hosts if host is not sound_redis.primary())
    dead.power_off()
    try:
        seen = redis_clients.ask(LOOK)
        assert seen["seconds"] < BOUND
        subjects = {finding["subject"] for finding in seen["reports"]["BROKER_URL: broker"]["findings"]}
        assert subjects == {f"{dead.address}:6379", f"{dead.address}:26379"}
        assert seen["reports"]["BROKER_URL: broker"]["severity"] == "warning"
    finally:
        dead.boot()


def is_found(clients: Clients, expected: dict[str, str]) -> bool:
    """Whether that is among the findings about the broker."""
    findings = clients.ask(LOOK)["reports"]["BROKER_URL: broker"]["findings"]
    return any(expected.items() <= finding.items() for finding in findings)


def test_a_primary_without_replicas_is_critical(redis_clients: Clients, sound_redis: Redis) -> None:
    """It takes no writes."""
    primary = sound_redis.primary()
    followers = [host for host in sound_redis.hosts if host is not primary]
    expected = {
        "severity": "critical",
        "subject": f"{primary.address}:6379",
        "message": "takes no writes: no replica keeps up with it",
    }
    for host in followers:
        host.run("systemctl", "stop", "redis-server@broker")
    try:
        until(lambda: is_found(redis_clients, expected), "the finding", 30)
        assert sound_redis.cli(primary, "broker", "set", "a", "b").startswith("NOREPLICAS")
    finally:
        for host in followers:
            host.run("systemctl", "start", "redis-server@broker")


def test_a_full_memory_refuses_messages_and_lets_workers_go_on(redis_clients: Clients, sound_redis: Redis) -> None:
    """The sender gets the error; what waits already is worked off, which makes room."""
    redis_clients.publish("priority", 10)
    sound_redis.cli(sound_redis.primary(), "broker", "config", "set", "maxmemory", "1mb")
    try:
        code = """
from probe.tasks.priority import observe
try:
    observe.apply_async(("now", "refused", 0.0))
    answer = "accepted"
except Exception as error:
    answer = str(error)
"""
        assert "command not allowed when used memory > 'maxmemory'" in redis_clients.ask(code)
        with redis_clients.observers() as observers:
            redis_clients.worker(observers, "one")
            until(lambda: len(runs(observers)) == 10, "all that waited", 30)
        assert sound_redis.cli(sound_redis.primary(), "broker", "hlen", "observed:unacked") == "0"
    finally:
        sound_redis.cli(sound_redis.primary(), "broker", "config", "set", "maxmemory", "512mb")


def test_declare_says_whether_the_server_is_fit(redis_clients: Clients, sound_redis: Redis) -> None:
    """A deploy stops where messages could be thrown away."""
    done = redis_clients.run("-m", "workers", "brokers", "declare")
    assert done.returncode == 0, done.stderr
    assert "noeviction, with an append-only file" in done.stdout
    sound_redis.cli(sound_redis.primary(), "broker", "config", "set", "maxmemory-policy", "allkeys-lru")
    try:
        done = redis_clients.run("-m", "workers", "brokers", "declare")
        assert done.returncode == 1, done.stdout
        assert "throws away what it holds when its memory is full (allkeys-lru)" in done.stderr
    finally:
        sound_redis.cli(sound_redis.primary(), "broker", "config", "set", "maxmemory-policy", "noeviction")
