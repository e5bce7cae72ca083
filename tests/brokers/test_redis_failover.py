"""What a worker and its tasks live through while Redis fails over, and what a second placement leaves alone."""

import time
from pathlib import Path

import pytest

from tests.brokers.clients import Clients, runs
from tests.brokers.cluster import Cluster
from tests.brokers.redis import Redis, until
from tests.project.running import Project

#: Seconds for what takes five.
SOON = 30


@pytest.fixture
def cluster(redis: Cluster) -> Redis:
    """The cluster of this session, healthy and empty."""
    assert isinstance(redis, Redis)
    redis.wait_healthy()
    redis.clear()
    return redis


@pytest.fixture
def clients(cluster: Redis, observed: Project, tmp_path: Path) -> Clients:
    """Processes that work on it."""
    return Clients(cluster, observed, tmp_path)


def test_a_worker_keeps_its_tasks_through_a_fail_over(clients: Clients, cluster: Redis) -> None:
    """A running task ends where it runs, one with a countdown starts when it is due, and neither runs twice.

    Celery by itself kills tasks that acknowledge late, and those it held come back after the visibility timeout.
    """
    with clients.observers() as observers:
        worker = clients.worker(observers, "one")
        until(lambda: worker.says("ready."), "the worker", SOON)
        clients.ask('from probe.tasks.priority import observe\nobserve.apply_async(("now", "first", 0.0))\nanswer = 1')
        until(lambda: runs(observers)["first"] == 1, "the first task", SOON)
        clients.publish("priority", 20, countdown=12, kind="eta")
        primary = cluster.primary()
        primary.power_off()
        try:
            until(lambda: len(runs(observers)) == 21, "the tasks with a countdown", SOON)
            assert not worker.says("Connection to broker lost")
            assert not worker.says("Terminating")
            time.sleep(2)  # for a second run of any of them
            assert set(runs(observers).values()) == {1}
        finally:
            primary.boot()


def test_a_worker_that_is_told_to_stop_gives_back_what_it_reserved(clients: Clients, cluster: Redis) -> None:
    """At the front of its queue, at once: not after the visibility timeout."""
    clients.publish("priority", 30, countdown=60, kind="eta")
    with clients.observers() as observers:
        worker = clients.worker(observers, "one")
        until(lambda: cluster.cli(cluster.primary(), "broker", "hlen", "observed:unacked") == "30", "30 held", SOON)
        worker.process.terminate()
        worker.process.wait(SOON)
        leader = cluster.primary()
        assert cluster.cli(leader, "broker", "llen", "observed:priority") == "30"
        assert cluster.cli(leader, "broker", "hlen", "observed:unacked") == "0"


def test_tasks_of_a_worker_that_died_come_back(clients: Clients, cluster: Redis) -> None:
    """Its host lost its power, say: after the visibility timeout, here 20 s, another worker runs them, once."""
    clients.publish("priority", 5, countdown=12, kind="eta")
    short = {"visibility_timeout": 20, "unacked_restore_interval": 1}
    with clients.observers() as observers:
        dead = clients.worker(observers, "dead", options=short)
        until(lambda: cluster.cli(cluster.primary(), "broker", "hlen", "observed:unacked") == "5", "5 held", SOON)
        dead.kill()
        assert not runs(observers)
        clients.worker(observers, "other", options=short)
        until(lambda: len(runs(observers)) == 5, "the tasks of the dead worker", 2 * SOON)
        assert set(runs(observers).values()) == {1}


def test_a_second_placement_after_a_fail_over_changes_nothing(cluster: Redis) -> None:
    """Who is primary is Sentinel's to say: the placed files name the first host, and a restart must not obey them."""
    second = cluster.hosts[1]
    cluster.lead(second)
    before = [cluster.kept(host) for host in cluster.hosts]
    for host in cluster.hosts:
        cluster.configure(host)
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "restart", "redis-sentinel")
        cluster.wait_healthy()
    for host in (cluster.hosts[0], cluster.hosts[2]):
        host.run("systemctl", "restart", "redis-server@broker", "redis-server@results", "redis-server@cache")
        cluster.wait_healthy()
    assert [cluster.kept(host) for host in cluster.hosts] == before
    assert cluster.leader().name == second.name


def test_a_killed_primary_does_not_come_back_as_one(cluster: Redis) -> None:
    """Restarted at once it takes writes again, all of which are lost when the Sentinels replace it a second later."""
    killed = cluster.primary()
    killed.kill(cluster.unit)
    others = [host for host in cluster.hosts if host is not killed]
    until(lambda: "master" in {cluster.role(host, "broker") for host in others}, "the fail-over", SOON)
    assert cluster.role(killed, "broker") != "master"
    cluster.wait_healthy()
    assert cluster.role(killed, "broker") == "slave"


def test_a_restart_of_all_servers_loses_nothing(cluster: Redis) -> None:
    """Nor what was written in a transaction, which a server reads back with the rights of a user nobody logs in as."""
    both = "redis.call('SADD', KEYS[1], 'x') redis.call('RPUSH', KEYS[2], 'y')"
    cluster.cli(cluster.primary(), "broker", "eval", both, "2", "a set", "a list")
    for act in ("stop", "start"):
        for host in cluster.hosts:
            host.run("systemctl", act, cluster.unit)
    cluster.wait_healthy()
    kept = [cluster.cli(cluster.primary(), "broker", *asked) for asked in (("smembers", "a set"), ("llen", "a list"))]
    assert kept == ["x", "1"]
