"""What waits on Redis is counted as a whole, and what is wrong with a server is found."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu.transport.redis import Channel
from redis import Redis

from config.env import Environment
from tests.workers.sample import SOUND, loaded
from workers.brokers.depth import Depth
from workers.brokers.redis import depths as counting
from workers.brokers.redis.depths import TooManyHeldError, depths
from workers.brokers.redis.judgement import fitness, judge
from workers.brokers.redis.status import look
from workers.brokers.redis.survey import Server, Survey, Watcher, survey
from workers.brokers.redis.taking import HAND
from workers.brokers.report import Severity
from workers.derive.celery_settings import Links, celery_settings
from workers.topology import topology

SOUND_INFO = {
    "role": "master",
    "redis_version": "8.0.2",
    "maxmemory": 1000,
    "used_memory": 100,
    "maxclients": 100,
    "connected_clients": 10,
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "min_slaves_good_slaves": 2,
    "slave0": {"ip": "10.0.0.2", "port": 6379, "lag": 0},
}
PRIMARY, REPLICA = ("10.0.0.1", 6379), ("10.0.0.2", 6379)


#: What is kept in one server, and in which database.
USES = {"broker": 5, "result": 6, "cache": 7}


@pytest.fixture
def app(tmp_path: Path, redis_server: str) -> Iterator[Celery]:
    """An application on an empty Redis."""
    app = Celery("t", set_as_current=False)
    url = f"{redis_server}/5"
    app.conf.update(celery_settings(loaded(tmp_path, SOUND), Links(url, url, url), events=False, timezone="UTC"))
    yield app
    with Redis.from_url(url) as client:
        client.flushdb()


def test_all_of_a_queue_is_counted(app: Celery) -> None:
    """Waiting with any priority, handed to one, held by one, held until it is due, given up: a list has 1 of 6."""
    queue = app.amqp.queues["batch"]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    with app.connection_for_write() as connection:
        producer = connection.Producer()
        for headers in ({}, {"eta": later}, {}):
            producer.publish({}, exchange=queue.exchange, routing_key="batch", declare=[queue], headers=headers)
    with app.connection_for_read() as connection, connection.channel() as channel:
        held = [queue(channel).get() for _ in range(2)]
        with Redis.from_url(app.conf.broker_url) as client:
            client.lpush("sample:batch.dead", "a letter")
            client.zadd("sample:hands", {f"sample:batch{HAND}somebody": 1})
            client.lpush(f"sample:batch{HAND}somebody", "handed to a worker that is gone")
            client.lpush(f"sample:batch{Channel.sep}9", "with a priority, from an application that has kombu's steps")
            assert depths(client, "sample:", ["default", "batch"]) == {
                "default": Depth(0, 0, 0, 0),
                "batch": Depth(ready=2, unacked=2, delayed=1, dead=1),
            }
            assert client.llen("sample:batch") == 1
        for message in held:
            assert message is not None
            message.ack()


def test_counting_ends(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator who asks in an emergency gets an answer, if not the whole."""
    monkeypatch.setattr(counting, "WITHIN", -1.0)
    with Redis.from_url(app.conf.broker_url) as client:
        client.hset("sample:unacked", "tag", '[{}, "tasks", "batch"]')
        with pytest.raises(TooManyHeldError, match="1 messages are held by workers"):
            depths(client, "sample:", ["batch"])


def watched(**changes: Any) -> Survey:
    """A sound cluster of two, but for `changes` in its primary's INFO."""
    servers = (Server("10.0.0.1:6379", {**SOUND_INFO, **changes}), Server("10.0.0.2:6379", {"role": "slave"}))
    watchers = tuple(Watcher(f"s{n}", primary=PRIMARY, others=2, replicas=(REPLICA,)) for n in range(3))
    return Survey("broker", servers, watchers)


def test_a_sound_one_has_no_findings() -> None:
    """Or nobody would look at them."""
    assert list(judge(watched(), keeps_work=True)) == []


@pytest.mark.parametrize(
    ("changes", "severity", "message"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, Severity.CRITICAL, "throws away what it holds when its memory is full"),
        ({"aof_enabled": 0}, Severity.WARNING, "keeps no append-only file"),
        ({"aof_last_write_status": "err"}, Severity.CRITICAL, "cannot write its append-only file"),
        ({"aof_last_bgrewrite_status": "err"}, Severity.WARNING, "could not rewrite its append-only file"),
        ({"min_slaves_good_slaves": 0}, Severity.CRITICAL, "takes no writes: no replica keeps up with it"),
        ({"used_memory": 760}, Severity.WARNING, "memory 76% of maxmemory"),
        ({"used_memory": 950}, Severity.CRITICAL, "memory 95% of maxmemory"),
        ({"maxmemory": 0}, Severity.WARNING, "has no limit of memory"),
        ({"connected_clients": 91}, Severity.CRITICAL, "connections 91% of maxclients"),
        ({"redis_version": "5.0.14"}, Severity.CRITICAL, "is version 5.0.14"),
        ({"slave0": {"ip": "10.0.0.2", "port": 6379, "lag": 9}}, Severity.WARNING, "is 9 s behind the primary"),
    ],
)
def test_what_is_wrong_is_found(changes: dict[str, Any], severity: Severity, message: str) -> None:
    """Each by itself, with what to do."""
    (finding,) = judge(watched(**changes), keeps_work=True)
    assert finding.severity == severity
    assert finding.message.startswith(message)
    assert finding.cure


def test_a_cache_may_evict_and_forget() -> None:
    """And should: one that refuses writes when it is full fails the pages that fill it."""
    cache = Server("c", {**SOUND_INFO, "maxmemory_policy": "allkeys-lfu", "aof_enabled": 0})
    assert list(fitness(cache, keeps_work=False)) == []
    (finding,) = fitness(Server("c", SOUND_INFO), keeps_work=False)
    assert finding.message.startswith("is a cache that refuses writes")


@pytest.mark.parametrize(
    ("watcher", "severity", "message"),
    [
        (Watcher("s2", error="timed out"), Severity.WARNING, "this Sentinel does not answer: timed out"),
        (Watcher("s2", primary=REPLICA), Severity.WARNING, "the Sentinels disagree about the primary"),
        (Watcher("s2", primary=PRIMARY, quorum="NOQUORUM"), Severity.WARNING, "could not fail over: NOQUORUM"),
        (Watcher("s2", primary=PRIMARY, is_down=True), Severity.CRITICAL, "takes the primary of broker for down"),
    ],
)
def test_what_a_sentinel_thinks_is_said(watcher: Watcher, severity: Severity, message: str) -> None:
    """They decide about the next fail-over."""
    sound = watched()
    (finding,) = judge(Survey(sound.name, sound.servers, (*sound.watchers[:2], watcher)), keeps_work=True)
    assert finding.severity == severity
    assert finding.message.startswith(message)


def test_the_newest_fail_over_names_the_primary() -> None:
    """A Sentinel that was cut off is behind, and the old primary takes itself for one still."""
    servers = (Server("10.0.0.1:6379", SOUND_INFO), Server("10.0.0.2:6379", SOUND_INFO))
    watchers = (Watcher("s1", primary=PRIMARY, epoch=3), Watcher("s2", primary=REPLICA, epoch=4))
    found = Survey("broker", servers, watchers)
    assert found.primary is servers[1]
    assert any(finding.message == "takes itself for a primary as well" for finding in judge(found, keeps_work=True))


def test_a_dead_server_is_a_finding_within_seconds() -> None:
    """Nobody listens at that address of a network that exists nowhere."""
    began = time.monotonic()
    found = survey("redis://:pw@192.0.2.1:6379/0", None, None)
    assert time.monotonic() - began < 5
    (finding,) = judge(found, keeps_work=True)
    assert (finding.subject, finding.severity) == ("192.0.2.1:6379", Severity.CRITICAL)
    assert finding.message.startswith("does not answer")


def test_one_server_for_everything_is_one_report(app: Celery) -> None:
    """As on a developer's machine: three times the same says no more than once. What is kept there is work."""
    url = app.conf.broker_url
    shared: dict[str, Any] = {f"{use}_url": url.replace("/5", f"/{number}") for use, number in USES.items()}
    (report,) = look(Environment(environment="test", **shared), topology())
    assert report.title.startswith("BROKER_URL, RESULT_URL, CACHE_URL: 127.0.0.1:")
    assert [table.title for table in report.tables] == ["servers", "queues"]
    assert not any("is a cache" in finding.message for finding in report.findings)
