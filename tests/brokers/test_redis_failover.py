"""What a worker and its tasks live through while Redis fails over, and what a second placement leaves alone."""

import time

from tests.brokers.clients import Clients, runs
from tests.brokers.redis import Redis
from tests.waiting import until

#: Seconds for what takes five.
SOON = 30


_FIRST = """
from probe.tasks.priority import observe
observe.apply_async(("now", "first", 0.0))
answer = None
"""


def test_a_worker_keeps_its_tasks_through_a_fail_over(redis_clients: Clients, sound_redis: Redis) -> None:
    """A running task ends where it runs, one with a countdown starts when it is due, and neither runs twice.

    Celery by itself kills tasks that acknowledge late, and those it held come back after the visibility timeout.
    """
    with redis_clients.observers() as observers:
        worker = redis_clients.worker(observers, "one")
        until(lambda: worker.says("ready."), "the worker", SOON)
        redis_clients.ask(
            'from probe.tasks.priority import observe\nobserve.apply_async(("now", "first", 0.0))\nanswer = 1'
        )
        until(lambda: runs(observers)["first"] == 1, "the first task", SOON)
        redis_clients.publish("priority", 20, countdown=12, kind="eta")
        primary = sound_redis.primary()
        primary.power_off()
        try:
            until(lambda: len(runs(observers)) == 21, "the tasks with a countdown", SOON)
            assert not worker.says("Connection to broker lost")
            assert not worker.says("Terminating")
            time.sleep(2)  # for a second run of any of them
            assert set(runs(observers).values()) == {1}
        finally:
            primary.boot()


def held(cluster: Redis) -> str:
    """How many tasks workers hold."""
    return cluster.cli(cluster.primary(), "broker", "hlen", "observed:unacked")


def test_a_worker_that_is_told_to_stop_gives_back_what_it_reserved(redis_clients: Clients, sound_redis: Redis) -> None:
    """At the front of its queue, at once: not after the visibility timeout."""
    redis_clients.publish("priority", 30, countdown=60, kind="eta")
    with redis_clients.observers() as observers:
        worker = redis_clients.worker(observers, "one")
        until(
            lambda: sound_redis.cli(sound_redis.primary(), "broker", "hlen", "observed:unacked") == "30",
            "30 held",
            SOON,
        )
        worker.process.terminate()
        worker.process.wait(SOON)
        assert sound_redis.cli(sound_redis.primary(), "broker", "llen", "observed:priority") == "30"
        assert held(sound_redis) == "0"


def test_tasks_of_a_worker_that_died_come_back(redis_clients: Clients, sound_redis: Redis) -> None:
    """Its host lost its power, say: after the visibility timeout, here 20 s, another worker runs them, once."""
    redis_clients.publish("priority", 5, countdown=12, kind="eta")
    short = {"visibility_timeout": 20, "unacked_restore_interval": 1}
    with redis_clients.observers() as observers:
        dead = redis_clients.worker(observers, "dead", options=short)
        until(
            lambda: sound_redis.cli(sound_redis.primary(), "broker", "hlen", "observed:unacked") == "5", "5 held", SOON
        )
        dead.kill()
        assert not runs(observers)
        redis_clients.worker(observers, "other", options=short)
        until(lambda: len(runs(observers)) == 5, "the tasks of the dead worker", 2 * SOON)
        assert set(runs(observers).values()) == {1}


_ALONE = """
from probe.tasks.priority import observe
try:
    observe.apply_async(("now", "alone", 0.0), retry=False)
    answer = "sent"
except Exception as error:
    answer = str(error)
"""


def test_what_no_replica_has_was_not_sent(redis_clients: Clients, sound_redis: Redis) -> None:
    """The primary would say yes, here for a minute, and what only it has is lost with it: the sender gets the error."""
    primary = sound_redis.primary()
    followers = [host for host in sound_redis.hosts if host is not primary]
    _, lag = sound_redis.cli(primary, "broker", "config", "get", "min-replicas-max-lag").split()
    sound_redis.cli(primary, "broker", "config", "set", "min-replicas-max-lag", "60")
    try:
        for host in followers:
            host.run("systemctl", "kill", "--signal=STOP", sound_redis.unit)
        assert "no replica of 'broker' confirmed the message in time" in redis_clients.ask(_ALONE)
        assert sound_redis.cli(primary, "broker", "llen", "observed:priority") == "0"
    finally:
        for host in followers:
            host.run("systemctl", "kill", "--signal=CONT", sound_redis.unit)
        sound_redis.cli(primary, "broker", "config", "set", "min-replicas-max-lag", lag)


def test_a_second_placement_after_a_fail_over_changes_nothing(sound_redis: Redis) -> None:
    """Who is primary is Sentinel's to say: the placed files name the first host, and a restart must not obey them."""
    second = sound_redis.hosts[1]
    sound_redis.lead(second)
    before = [sound_redis.kept(host) for host in sound_redis.hosts]
    for host in sound_redis.hosts:
        sound_redis.configure(host)
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "restart", "redis-sentinel")
        sound_redis.wait_healthy()
    for host in (sound_redis.hosts[0], sound_redis.hosts[2]):
        host.run("systemctl", "restart", "redis-server@broker", "redis-server@results", "redis-server@cache")
        sound_redis.wait_healthy()
    assert [sound_redis.kept(host) for host in sound_redis.hosts] == before
    assert sound_redis.leader().name == second.name


def test_a_killed_primary_does_not_come_back_as_one(sound_redis: Redis) -> None:
    """Restarted at once it takes writes again, all of which are lost when the Sentinels replace it a second later."""
    killed = sound_redis.primary()
    killed.kill(sound_redis.unit)
    others = [host for host in sound_redis.hosts if host is not killed]
    until(lambda: "master" in {sound_redis.role(host, "broker") for host in others}, "the fail-over", SOON)
    assert sound_redis.role(killed, "broker") != "master"
    sound_redis.wait_healthy()
    assert sound_redis.role(killed, "broker") == "slave"


def test_a_restart_of_all_servers_loses_nothing(sound_redis: Redis) -> None:
    """Nor what was written in a transaction, which a server reads back with the rights of a user nobody logs in as."""
    both = "redis.call('SADD', KEYS[1], 'x') redis.call('RPUSH', KEYS[2], 'y')"
    sound_redis.cli(sound_redis.primary(), "broker", "eval", both, "2", "a set", "a list")
    for act in ("stop", "start"):
        for host in sound_redis.hosts:
            host.run("systemctl", act, sound_redis.unit)
    sound_redis.wait_healthy()
    kept = [
        sound_redis.cli(sound_redis.primary(), "broker", *asked)
        for asked in (("smembers", "a set"), ("llen", "a list"))
    ]
    assert kept == ["x", "1"]
