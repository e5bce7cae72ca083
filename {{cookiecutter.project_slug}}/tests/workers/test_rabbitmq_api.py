"""The management API is asked node by node, for a bounded time, and what it refuses is said in a line."""

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.workers.management import VIRTUAL_HOST, Management, serving
from workers.brokers.rabbitmq import api as asking
from workers.brokers.rabbitmq.api import Api, ApiError, NobodyAnswersError, NotAllowedError


@pytest.fixture
def management() -> Iterator[Management]:
    """A node's API."""
    with serving() as management:
        yield management


def refused() -> str:
    """The address of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def test_the_next_node_answers_for_a_dead_one(management: Management) -> None:
    """And is asked first from then on."""
    dead = urlsplit(f"http://monitoring:pw@{refused()}")
    api = Api([dead, management.url], None)
    assert api.get("overview")["node"] == "rabbit@r1"
    assert list(api.urls) == [management.url, dead]


def test_nobody_answers_names_each_node_and_why() -> None:
    """One line, and an error of its own: it may help to try again."""
    dead = refused()
    with pytest.raises(NobodyAnswersError, match=f"^{dead} refuses connections: nothing listens there$"):
        Api([urlsplit(f"http://monitoring:pw@{dead}")], None).get("overview")


def test_a_silent_node_is_waited_for_until_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many answers are asked for; the time-out of one answer is longer."""
    monkeypatch.setattr(asking, "CONNECT_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = urlsplit(f"http://monitoring:pw@127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        api = Api([url, url, url], None, deadline=began + 0.5)
        for _ in range(5):
            with pytest.raises(NobodyAnswersError, match="does not answer"):
                api.get("overview")
    assert time.monotonic() - began < 3


def test_what_the_user_may_not_see_is_no_wrong_password(management: Management) -> None:
    """RabbitMQ answers both with the same status."""
    management.refused.add("nodes")
    with pytest.raises(
        NotAllowedError, match=r"does not let the user 'monitoring' do this \(nodes: Not monitor user\)$"
    ):
        Api([management.url], None).get("nodes")


def test_a_put_into_nothing_is_an_error(management: Management) -> None:
    """Or a virtual host that there is not would take a whole declaration without a word."""
    api = Api([management.url], None)
    assert api.get("queues", "nowhere") is None
    with pytest.raises(ApiError, match="has nothing to put queues/nowhere/q into: vhost_not_found"):
        api.put("queues", "nowhere", "q", body={})
    api.put("queues", VIRTUAL_HOST, "q", body={})
    assert list(management.things["queues"]) == ["q"]


def test_secrets_stay_out_of_errors(management: Management) -> None:
    """What is said goes to terminals and logs."""
    management.refused.add("nodes")
    with pytest.raises(ApiError) as caught:
        Api([management.url], None).get("nodes")
    assert str(management.url.password) not in str(caught.value)
