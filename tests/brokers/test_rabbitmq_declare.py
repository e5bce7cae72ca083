"""`workers brokers declare` on a real cluster: twice changes nothing, conflicts change nothing, the policies act."""

import re
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest

from tests.brokers.clients import Clients
from tests.brokers.observers import project as observed_project
from tests.brokers.rabbitmq import RabbitMQ

#: The group that the tests change.
GROUP: Final = "io"
#: What its limits are made for the test, each as small as `workers check` lets it be.
SMALL: Final = "max_length: 20\n    longest_run: 1\n    consumer_timeout: 3"
DELIVERY_LIMIT: Final = 20
#: Seconds within which a message has come where it goes.
ARRIVES: Final = 20


def declare(clients: Clients, *options: str) -> subprocess.CompletedProcess[str]:
    """What a deploy does."""
    return clients.run("-m", "workers", "brokers", "declare", *options, changes=clients.cluster.links("deploy"))


def test_a_second_time_changes_nothing(rabbitmq_clients: Clients) -> None:
    """It runs before each release; `--check` says so, too."""
    again = declare(rabbitmq_clients)
    assert again.returncode == 0, again.stderr
    assert re.search(r"^observed: 0 declared, \d+ already there$", again.stdout, re.MULTILINE)
    assert declare(rabbitmq_clients, "--check").returncode == 0


@pytest.fixture
def spoiled(rabbitmq_clients: Clients, sound_rabbitmq: RabbitMQ) -> Iterator[Clients]:
    """A queue has another type, and a policy is missing; until the test's end, however it ends."""
    try:
        rabbitmq_clients.ask(_SPOILED, sound_rabbitmq.links("deploy"))
        yield rabbitmq_clients
    finally:
        rabbitmq_clients.ask(_MENDED, sound_rabbitmq.links("deploy"))
        observed_project.declare(rabbitmq_clients.project, sound_rabbitmq)


def test_what_cannot_be_changed_is_refused_and_nothing_is_changed(spoiled: Clients, sound_rabbitmq: RabbitMQ) -> None:
    """The reason says what to do; who does it is let through, and gets the policy that was missing before as well."""
    refused = declare(spoiled)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("the queue green exists with x-queue-type classic; wanted is x-queue-type quorum")
    assert "Nothing was changed" in line

    command = re.search(r"rabbitmqctl (delete_queue [^,)]+)", line)
    assert command, line
    sound_rabbitmq.ctl(sound_rabbitmq.hosts[0], *command[1].split())
    done = declare(spoiled)
    assert done.returncode == 0, done.stderr
    assert re.search(r"created +policy +batch ", done.stdout)
    assert re.search(r"created +queue +green +quorum", done.stdout)


_SPOILED: Final = """
from config.env import environment
from workers.brokers.rabbitmq import admin
api = admin.api(environment())
api._ask("DELETE", ["policies", "observed", "batch"])
api._ask("DELETE", ["queues", "observed", "green"])
api.put("queues", "observed", "green", body={"durable": True, "arguments": {"x-queue-type": "classic"}})
answer = None
"""
_MENDED: Final = """
from config.env import environment
from workers.brokers.rabbitmq import admin
api = admin.api(environment())
if (api.get("queues", "observed", "green") or {}).get("type") == "classic":
    api._ask("DELETE", ["queues", "observed", "green"])
answer = None
"""


def test_what_is_given_up_too_often_becomes_a_dead_letter(rabbitmq_clients: Clients, sound_rabbitmq: RabbitMQ) -> None:
    """Each delivery may have killed a worker; after the limit the task waits for somebody who looks."""
    assert rabbitmq_clients.ask(_GIVEN_UP) == {"deliveries": DELIVERY_LIMIT + 1, "left": 0, "dead": 1}
    sound_rabbitmq.clear()


_GIVEN_UP: Final = f"""
import time
count = 0
with app.connection_for_write() as connection, connection.channel() as channel:
    length = lambda name: channel.queue_declare(name, passive=True).message_count
    message = channel.prepare_message("poison", content_encoding="utf-8")
    channel.basic_publish(message, exchange="tasks", routing_key="green")
    deadline = time.monotonic() + {ARRIVES}
    while not length("green.dead") and time.monotonic() < deadline:
        if message := channel.basic_get("green"):
            count += 1
            channel.basic_reject(message.delivery_tag, requeue=True)
    answer = {{"deliveries": count, "left": length("green"), "dead": length("green.dead")}}
"""


def test_what_is_given_up_without_a_place_for_dead_letters_waits(
    rabbitmq_clients: Clients, sound_rabbitmq: RabbitMQ
) -> None:
    """In the queue it was given up in: dead letters go at least once, where RabbitMQ by itself would drop this one."""
    admin_url = {"BROKER_ADMIN_URL": sound_rabbitmq.links("deploy")["BROKER_ADMIN_URL"]}
    try:
        rabbitmq_clients.ask(_NO_PLACE, admin_url)
    finally:
        observed_project.declare(rabbitmq_clients.project, sound_rabbitmq)
    assert rabbitmq_clients.ask(_ARRIVED) == 1
    sound_rabbitmq.clear()


_NO_PLACE: Final = f"""
import time
from config.env import environment
from workers.brokers.rabbitmq import admin
admin.api(environment())._ask("DELETE", ["queues", "observed", "green.dead"])
with app.connection_for_write() as connection, connection.channel() as channel:
    message = channel.prepare_message("poison", content_encoding="utf-8")
    channel.basic_publish(message, exchange="tasks", routing_key="green")
    for _ in range({DELIVERY_LIMIT + 1}):
        while not (message := channel.basic_get("green")):
            time.sleep(0.1)
        channel.basic_reject(message.delivery_tag, requeue=True)
answer = None
"""
_ARRIVED: Final = f"""
import time
with app.connection_for_write() as connection, connection.channel() as channel:
    length = lambda name: channel.queue_declare(name, passive=True).message_count
    deadline = time.monotonic() + {ARRIVES}
    while not length("green.dead") and time.monotonic() < deadline:
        time.sleep(0.1)
    answer = length("green.dead")
"""


@pytest.fixture
def small(rabbitmq_clients: Clients, sound_rabbitmq: RabbitMQ) -> Iterator[subprocess.CompletedProcess[str]]:
    """Declared anew with small limits for one group; what that said."""
    file = rabbitmq_clients.project.root / "workers.yml"
    sound = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"(?m)^    longest_run: 40$", f"    {SMALL}", sound), encoding="utf-8")
    sound_rabbitmq.look_for_timeouts(every=1)
    try:
        yield declare(rabbitmq_clients)
    finally:
        file.write_text(sound, encoding="utf-8")
        sound_rabbitmq.look_for_timeouts(every=60)
        declare(rabbitmq_clients)
        sound_rabbitmq.clear()


def test_limits_can_be_changed_and_act(rabbitmq_clients: Clients, small: subprocess.CompletedProcess[str]) -> None:
    """A full queue refuses, so that the sender learns of it; a task that is held too long is taken away.

    RabbitMQ looks for those once a minute; here once a second.
    """
    assert re.search(r"changed +policy +io ", small.stdout), small.stdout + small.stderr
    found = rabbitmq_clients.ask(_LIMITS)
    assert f"the queue '{GROUP}' takes no more tasks: max_length is reached" in found["refused"]
    assert 20 <= found["accepted"] <= 40  # the limit is a rough one
    assert "PRECONDITION_FAILED - delivery acknowledgement on channel" in found["taken"]
    assert "Timeout value used: 3000 ms" in found["taken"]


_LIMITS: Final = f"""
import time
accepted, refused, taken = 0, None, None
with app.connection_for_write() as connection, connection.channel() as channel:
    while refused is None and accepted < 100:
        message = channel.prepare_message("x", content_encoding="utf-8")
        try:
            channel.basic_publish(message, exchange="tasks", routing_key="{GROUP}")
            accepted += 1
        except Exception as error:
            refused = str(error)
with app.connection_for_read() as connection:
    channel = connection.channel()
    channel.basic_get("{GROUP}")
    deadline = time.monotonic() + {ARRIVES}
    while taken is None and time.monotonic() < deadline:
        try:
            connection.drain_events(timeout=1)
        except TimeoutError:
            pass
        except Exception as error:
            taken = str(error)
answer = {{"accepted": accepted, "refused": refused, "taken": taken}}
"""
