"""What Celery is told: known settings only, the traps closed, and the same on both brokers."""

import socket
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app.defaults import DEFAULTS

from tests.workers.sample import SOUND, changed, loaded
from workers.derive.broker import connect_timeout, tls, transport_options
from workers.derive.celery_settings import Links, celery_settings, group_settings
from workers.derive.queues import queues
from workers.topology import Topology

REDIS, RABBITMQ = "redis://:secret@127.0.0.1:6379/0", "amqps://u:secret@rabbit.internal:5671/shop"
#: Read by Celery's Django fixup and its Redis backend, and absent from Celery's own table.
READ_ELSEWHERE = (
    "CELERY_DB_REUSE_MAX",
    "redis_backend_health_check_interval",
)


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    """The sound topology."""
    return loaded(tmp_path, SOUND)


def _settings(topology: Topology, broker: str) -> dict[str, object]:
    return celery_settings(topology, Links(broker, REDIS, REDIS), events=False, timezone="UTC")


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ])
def test_every_setting_is_one_that_is_read(topology: Topology, broker: str) -> None:
    """Celery ignores a misspelt setting without a word."""
    derived = _settings(topology, broker) | group_settings(topology.groups["io"])
    unknown = [key for key in derived if key not in DEFAULTS and not key.startswith(READ_ELSEWHERE)]
    assert unknown == []


def test_each_group_has_one_queue_of_its_name(topology: Topology) -> None:
    """Prefetch counts per queue (trap 17)."""
    assert [queue.name for queue in queues(topology, REDIS)] == ["default", "batch", "io"]


def test_rabbitmq_gets_quorum_queues_on_a_topic_exchange(topology: Topology) -> None:
    """Delayed delivery on quorum queues cannot route through a direct exchange (trap 2)."""
    for queue in queues(topology, RABBITMQ):
        assert queue.queue_arguments == {"x-queue-type": "quorum"}
        assert (queue.exchange.type, queue.routing_key) == ("topic", queue.name)


def test_a_transient_group_gets_a_classic_queue(tmp_path: Path) -> None:
    """A quorum queue would write its messages to disk all the same."""
    topology = loaded(tmp_path, changed({"groups.io.transient": True}))
    types = {queue.name: (queue.queue_arguments or {})["x-queue-type"] for queue in queues(topology, RABBITMQ)}
    assert types == {"default": "quorum", "batch": "quorum", "io": "classic"}


def test_redis_gets_no_quorum_queues(topology: Topology) -> None:
    """Their mere name makes Celery switch to delayed delivery, which Redis has not."""
    assert all(queue.queue_arguments is None for queue in queues(topology, REDIS))


def test_the_visibility_timeout_exceeds_the_longest_hold(topology: Topology) -> None:
    """Batch holds a message for up to 900 s of work after 3600 s of countdown (trap 11)."""
    assert transport_options(topology, REDIS)["visibility_timeout"] == 5625


def test_every_redis_wait_is_bounded(topology: Topology) -> None:
    """Kombu passes None, wait for ever, where nothing is set (trap 13)."""
    options, settings = transport_options(topology, REDIS), _settings(topology, REDIS)
    assert options["socket_timeout"]
    assert options["socket_connect_timeout"]
    assert settings["redis_socket_timeout"]
    assert settings["redis_socket_connect_timeout"]
    assert not settings.get("result_backend_always_retry")  # a result that is late is kept elsewhere


def test_publishes_are_confirmed_on_rabbitmq(topology: Topology) -> None:
    """An unconfirmed message may be lost by any broker (trap 16)."""
    assert transport_options(topology, RABBITMQ)["confirm_publish"] is True


def test_a_lost_node_of_rabbitmq_is_noticed_within_three_seconds(topology: Topology) -> None:
    """The kernel probes a silent connection after one second, and gives it up when the answer is late."""
    settings = transport_options(topology, RABBITMQ)["socket_settings"]
    probe = settings[socket.TCP_KEEPIDLE] + settings[socket.TCP_KEEPINTVL]
    assert max(probe, settings[socket.TCP_USER_TIMEOUT] / 1000) <= 3


def test_the_second_url_is_tried(topology: Topology) -> None:
    """Kombu gives all URLs together one connection time-out unless told otherwise (kombu #1594)."""
    assert transport_options(topology, RABBITMQ)["connect_retries_timeout"] > 3 * connect_timeout(RABBITMQ)


def test_tls_verifies_the_peer() -> None:
    """Its name as well: RabbitMQ's is each node's own, which the transport fills in (trap 15)."""
    assert tls(RABBITMQ, Path("/etc/ca.pem")) == {"cert_reqs": 2, "ca_certs": "/etc/ca.pem"}
    assert tls("amqp://u:x@127.0.0.1:5672/shop", None) is None
    assert tls("rediss://:x@cache.internal:6379/0", Path("/etc/ca.pem")) == {
        "ssl_cert_reqs": 2,
        "ssl_ca_certs": "/etc/ca.pem",
    }
    assert tls(REDIS, None) is None


def test_remote_control_has_a_queue_a_connection(topology: Topology) -> None:
    """One that is named after the worker cannot be declared again while the broker holds on to the old one (trap 5)."""
    app = Celery("t", set_as_current=False)
    app.control_cls = "workers.brokers.rabbitmq.control:Control"
    app.conf.update(_settings(topology, RABBITMQ))
    control: Any = app.control
    names = [control.mailbox.get_queue("batch@host").name for _ in range(2)]
    assert names[0] != names[1]
    assert all(name.startswith("batch@host.") and name.endswith(".celery.pidbox") for name in names)
    assert not [key for key in _settings(topology, RABBITMQ) if key.startswith(("control_queue", "event_queue"))]


def test_redis_keeps_celerys_own_control_queues(topology: Topology) -> None:
    """Durable ones lost the replies of every fifth remote control on Redis."""
    assert not [key for key in _settings(topology, REDIS) if key.startswith(("control_queue", "event_queue"))]


def test_beat_is_the_scheduler_of_which_two_may_run(topology: Topology) -> None:
    """Celery's own sends everything twice when two run (trap 25)."""
    assert _settings(topology, REDIS)["beat_scheduler"] == "workers.beat.scheduler:SlotScheduler"


def test_groups_give_their_tasks_what_these_leave_open(topology: Topology) -> None:
    """A task's own lower limit stays; everything else comes from the group."""
    app = Celery("t", set_as_current=False)
    app.conf.update(_settings(topology, REDIS))

    @app.task(shared=False, name="app.batch.plain")
    def plain() -> None: ...

    @app.task(shared=False, name="app.batch.short", time_limit=60, soft_time_limit=50)
    def short() -> None: ...

    @app.task(shared=False, name="app.batch.below", time_limit=60)
    def below() -> None: ...

    @app.task(shared=False, name="app.default.early")
    def early() -> None: ...

    app.finalize()
    assert [(t.acks_late, t.soft_time_limit, t.time_limit) for t in (plain, short, below, early)] == [
        (True, 840, 900),
        (True, 50, 60),
        (True, 54, 60),
        (False, 30, 40),
    ]


def test_events_are_off_unless_asked_for(topology: Topology) -> None:
    """They cost 40 % of throughput."""
    assert _settings(topology, REDIS)["worker_send_task_events"] is False
