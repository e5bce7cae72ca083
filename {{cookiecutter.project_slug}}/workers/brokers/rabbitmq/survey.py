"""Looks at a RabbitMQ cluster: every node asked for itself, all at once, so that a dead one holds up nobody."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult

from workers.brokers.rabbitmq.api import Api, ApiError, NotAllowedError, node
from workers.brokers.rabbitmq.declare import Differences, VirtualHost
from workers.derive.virtual_host import Declared

#: Seconds for all of it. Nodes that lost a peer a moment ago answer nothing until they have noticed, 2.1 s later
#: (ansible/roles/rabbitmq: rabbitmq_link_timeout), so one answer may take that long.
WITHIN: Final = 3.0
#: What is asked of each queue: its statistics alone are ten times as long.
_QUEUE: Final = (
    "name,type,state,leader,members,online,policy,effective_policy_definition,"
    "messages_ready,messages_unacknowledged,messages_dlx,consumers"
)
_NODE: Final = "name,running,partitions,mem_used,mem_limit,mem_alarm,disk_free,disk_free_limit,disk_free_alarm"

Things = Sequence[Mapping[str, Any]]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class View:
    """What one node says of itself and of the cluster; None is what the user may not see."""

    address: str
    error: str = ""  # why it says nothing
    name: str = ""
    version: str = ""
    nodes: Things | None = None
    queues: Things | None = None
    connections: Things | None = None
    differences: Differences | None = None
    strangers: Sequence[str] = ()
    unseen: Sequence[str] = ()
    """Why what is None is None."""

    @property
    def running(self) -> frozenset[str]:
        """The nodes that it takes part with, itself among them."""
        return frozenset(found["name"] for found in self.nodes or () if found.get("running"))


def survey(api: Api, virtual_host: str, wanted: Declared) -> list[View]:
    """What each node says, in the order of the API's URLs; takes WITHIN at most, and hardly any longer."""
    deadline = monotonic() + WITHIN
    with ThreadPoolExecutor(len(api.urls), thread_name_prefix="rabbitmq") as pool:
        return list(pool.map(lambda url: _view(url, api, deadline, virtual_host, wanted), list(api.urls)))


def _view(url: SplitResult, api: Api, deadline: float, virtual_host: str, wanted: Declared) -> View:
    alone = Api([url], api.ca_file, answer_timeout=WITHIN, deadline=deadline)
    address, unseen = node(url), list[str]()

    def seen(ask: Callable[[], Answer]) -> Answer | None:
        try:
            return ask()
        except NotAllowedError as error:
            unseen.append(str(error))
            return None

    host = VirtualHost(alone, virtual_host)
    try:
        overview = alone.get("overview")
        return View(
            address,
            name=overview.get("node", ""),
            version=overview["rabbitmq_version"],
            nodes=seen(lambda: alone.get("nodes", columns=_NODE)),
            queues=seen(lambda: alone.get("queues", virtual_host, columns=_QUEUE)),
            connections=seen(lambda: alone.get("connections", columns="name,user,vhost,state")),
            differences=seen(lambda: host.differences(wanted)),
            strangers=seen(lambda: host.strangers(wanted)) or (),
            unseen=unseen,
        )
    except ApiError as error:
        return View(address, error=str(error).removeprefix(f"{address} "))
