"""Kombu's AMQP transport, made to bear the loss of a node: every wait ends, a silent node is left alone for a while.

What kombu and py-amqp have no setting for. Connections to `amqp:` and `amqps:` URLs use it once `register` was called.
"""

import errno
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import urlsplit

from amqp import NotFound
from amqp.exceptions import MessageNacked, RecoverableConnectionError
from kombu.transport import TRANSPORT_ALIASES, pyamqp

from workers.brokers.refusals import BrokerBlockedError, QueueFullError
from workers.delivery.size import refuse_large
from workers.derive.rabbitmq import CONNECT_TIMEOUT

#: Seconds to wait for the broker's word that it has a message. Between a node's death and the election of another
#: leader messages are lost in silence; the next attempt reaches the new leader. Longer than a busy cluster takes,
#: whose quorum queues confirm in milliseconds, and shorter than half of what a stall may last.
CONFIRM_TIMEOUT: Final = 1.5
#: Seconds for which a node that did not answer is asked only if no other is left, and then the one that failed first.
#: Each connection starts with the first URL otherwise, and waits for it in vain again.
AVOIDED: Final = 10.0
#: Seconds to wait, when a connection is closed, for the peer's part of TLS' good-bye.
FAREWELL: Final = 0.2
#: Seconds for which a message that the broker refuses is offered again: an election is over by then, a queue that is
#: full is still full. And seconds between two offers.
REFUSED_FOR: Final = 1.5
REFUSED_PAUSE: Final = 0.2
#: Seconds for which nothing is written after an alarm was heard of. What is written meanwhile is neither taken nor
#: dropped: RabbitMQ reads it when the alarm is over, also from a connection that was closed.
BLOCKED: Final = 5.0
#: The exchange of events. Workers send one every two seconds from their main loop, on a channel for nothing else:
#: waiting for the word of a dead node there would keep them from noticing that it is dead.
EVENTS: Final = "celeryev"
PORTS: Final = {"amqp": 5672, "amqps": 5671, "pyamqp": 5672}


class Channel(pyamqp.Channel):
    """A channel whose publishes never wait for ever: those of tasks, retries and remote control alike."""

    #: Seconds; 0 for whoever has another way than to offer a refused message again.
    refused_for = REFUSED_FOR

    def basic_publish_confirm(self, *args: Any, **options: Any) -> Any:
        """Publish, and wait for the confirm as long as `confirm_timeout` says, or CONFIRM_TIMEOUT.

        Raises TimeoutError, for which kombu sends again over another node: the message may arrive twice. Raises
        QueueFullError after `refused_for`, and BrokerBlockedError and MessageTooLargeError at once.
        """
        publisher: Any = super()
        if options.get("exchange") == EVENTS and not getattr(self, "_confirm_selected", True):
            return publisher._basic_publish(*args, **options)  # noqa: SLF001 - py-amqp's name for it without a confirm
        options["confirm_timeout"] = options.get("confirm_timeout") or CONFIRM_TIMEOUT
        refuse_large(args[0].body, args[0].properties.get("application_headers"))
        refuse_if_blocked()
        connection = self.connection
        if not connection:
            raise RecoverableConnectionError("the connection was closed")
        try:
            with connection.heeding_alarms():
                return self._offer(
                    partial(publisher.basic_publish_confirm, *args, **options), options.get("routing_key", "")
                )
        except NotFound as error:
            error.reply_text = f"{error.reply_text}: run `python -m workers brokers declare`"
            raise

    def _offer(self, publish: Callable[[], Any], key: str) -> Any:
        """Publish, again and again where the broker says no: kombu would reconnect for each of its twenty tries."""
        deadline = monotonic() + self.refused_for
        while True:
            try:
                return publish()
            except MessageNacked as refusal:
                if monotonic() > deadline:
                    why = "max_length is reached, or no majority of its nodes is there; see `workers brokers status`"
                    raise QueueFullError(key.rpartition(".")[2], why) from refusal
            sleep(REFUSED_PAUSE)

    def wait(self, *args: Any, **options: Any) -> Any:
        """Wait for the broker's answer; a node that owes one is avoided: it may be cut off from the others.

        Raises TimeoutError when the time is up: over TLS that of connecting, where none is given.
        """
        connection = self.connection
        try:
            return super().wait(*args, **options)
        except TimeoutError:
            _avoid(connection.host)
            raise

    def close(self, *args: Any, **options: Any) -> Any:
        """Take leave in form, unless the node is lost: it would not answer."""
        if self.connection and _is_avoided(self.connection.host):
            return self.collect()
        return super().close(*args, **options)


class Connection(pyamqp.Connection):
    """A connection that notes which node it lost."""

    Channel = Channel

    def __init__(self, *args: Any, **options: Any) -> None:
        """As py-amqp's."""
        super().__init__(*args, **options)
        self.blocked = False
        self._heeds_alarms = False

    @contextmanager
    def heeding_alarms(self) -> Iterator[None]:
        """Raise BrokerBlockedError in the block as soon as the broker says that it is blocked.

        What was written then may yet be taken, and confirmed: the connection is of no more use.
        """
        self._heeds_alarms = True
        try:
            yield
        except BrokerBlockedError:
            self.collect()
            raise
        finally:
            self._heeds_alarms = False

    def _on_blocked(self) -> None:
        note_blocked()
        self.blocked = True
        if self._heeds_alarms:
            raise BrokerBlockedError.by_alarm()

    def _on_unblocked(self) -> None:
        note_blocked(seconds=0)
        self.blocked = False

    def drain_events(self, timeout: float | None = None) -> None:
        """Read what the broker sends; a broken connection makes its node one to avoid."""
        try:
            super().drain_events(timeout)
        except OSError as error:
            if not _is_silence(error):
                _avoid(self.host)
            raise

    def close(self, *args: Any, **options: Any) -> Any:
        """Take leave in form, unless the node is lost, or reads nothing because it is blocked."""
        return self.collect() if _is_avoided(self.host) or self.blocked else super().close(*args, **options)

    def collect(self) -> None:
        """Close the socket without waiting for a peer that may be gone."""
        transport = getattr(self, "_transport", None)
        if transport and transport.sock:
            transport.sock.settimeout(0 if _is_avoided(self.host) else FAREWELL)
        super().collect()


class Transport(pyamqp.Transport):
    """Connects to the URL whose turn it is."""

    Connection = Connection

    def establish_connection(self) -> Any:
        """Open a connection; over TLS the certificate must carry the name in the URL.

        Raises OSError where the node does not answer, at once if it did not a moment ago and another one might.
        """
        client: Any = self.client
        address = _address(client.hostname, client.port, client.transport_cls)
        if _is_avoided(address) and _last_resort(client.alt) not in (None, address):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "did not answer a moment ago")
        client.connect_timeout = client.connect_timeout or CONNECT_TIMEOUT  # Celery takes it away in a gevent worker
        if client.ssl or client.transport_cls == "amqps":
            # A new one each time: kombu fills in the name once, and after a fail-over would verify the other node's.
            given = client.ssl if isinstance(client.ssl, dict) else {}
            client.ssl = {"cert_reqs": ssl.CERT_REQUIRED, **given, "server_hostname": client.hostname}
        try:
            connection = super().establish_connection()
        except OSError:
            _avoid(address)
            raise
        _avoided.pop(address, None)
        return connection


def register() -> None:
    """Make kombu use it for amqp: and amqps: URLs. A class named in a URL or a setting would be lost at a fail-over."""
    name = f"{__name__}:{Transport.__name__}"
    TRANSPORT_ALIASES.update(dict.fromkeys(PORTS, name))


def _is_silence(error: OSError) -> bool:
    """Whether a read ended because the time was up, not because the connection broke."""
    return isinstance(error, TimeoutError | BlockingIOError | InterruptedError) and error.errno != errno.ETIMEDOUT


_blocked_until = 0.0


def refuse_if_blocked() -> None:
    """Raise BrokerBlockedError where the broker said a moment ago, on whichever connection, that it is blocked."""
    if monotonic() < _blocked_until:
        raise BrokerBlockedError.by_alarm()


def note_blocked(seconds: float = BLOCKED) -> None:
    """An alarm holds for all nodes and connections: none of them is written to for so many seconds."""
    global _blocked_until  # noqa: PLW0603
    _blocked_until = monotonic() + seconds


_avoided: dict[str, float] = {}  # address -> the moment from which it is asked again


def _avoid(address: str) -> None:
    _avoided[address] = monotonic() + AVOIDED


def _is_avoided(address: str) -> bool:
    return _avoided.get(address, 0) > monotonic()


def _address(host: str | None, port: int | None, scheme: str) -> str:
    return f"{host}:{port or PORTS[scheme]}"


def _last_resort(urls: list[str]) -> str | None:
    """Of several nodes that all are avoided, the one that is so longest; None where there is no choice."""
    addresses = [_address(url.hostname, url.port, url.scheme) for url in map(urlsplit, urls)]
    return min(addresses, key=lambda address: _avoided.get(address, 0), default=None)
