"""What a row of the table needs to know of a cluster of brokers; rabbitmq.py and redis.py each have one."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

Broker = Literal["rabbitmq", "redis"]
Role = Literal["web", "worker", "relay", "deploy", "stock"]


class Host(Protocol):
    """One host of a fleet: as much of rehearsal's as the faults use."""

    @property
    def name(self) -> str:
        """Its name in the inventory."""

    @property
    def address(self) -> str:
        """Its address in the fleet's network."""

    def run(self, *command: str, check: bool = True, timeout: float = 30) -> object:
        """Run a command on it."""

    def kill(self, unit: str, /) -> None:
        """SIGKILL every process of a unit."""

    def power_off(self) -> None:
        """Cut its link, then kill everything on it."""

    def boot(self) -> None:
        """Start it again with the disk it had, link included."""

    def cut(self) -> None:
        """Take its link away."""

    def mend(self) -> None:
        """Give the link back."""


class Fleet(Protocol):
    """The hosts' network: as much of rehearsal's as the faults and the observers use."""

    def partition(self, some: Sequence[str], others: Sequence[str], /) -> None:
        """Let no packet pass between the hosts of `some` and those of `others`; clients reach both."""

    def heal(self) -> None:
        """End every partition."""

    def command(self, *command: str) -> list[str]:
        """The command line that runs a program of this machine within the fleet's network."""


class Cluster(Protocol):
    """Three hosts that carry messages.

    `up` is idempotent: a cluster that is up already is used as it is. `stock` is a user with every right on a virtual
    host (Redis: a database) of its own.
    """

    @property
    def broker(self) -> Broker:
        """What it runs."""

    @property
    def unit(self) -> str:
        """The unit whose processes a process kill ends."""

    @property
    def versions(self) -> str:
        """For the report: "RabbitMQ 4.0.5, Erlang 27.2"."""

    @property
    def fleet(self) -> Fleet:
        """What its hosts are part of."""

    @property
    def hosts(self) -> Sequence[Host]:
        """In the order in which the clients' URLs name them."""

    def up(self) -> bool:
        """Boot and configure what is not; returns when the cluster is healthy: False where it was up already."""

    def down(self) -> None:
        """Leave nothing of it behind."""

    def links(self, role: Role) -> Mapping[str, str]:
        """The environment variables by which a process of `role` finds its broker: BROKER_URL, TLS_CA_FILE...

        For `stock` the same names; its URLs name another virtual host or database, and no other setting comes with it.
        """

    def leader(self) -> Host:
        """Which host leads every queue that is measured, ours and stock's (Redis: is the primary).

        Raises LookupError where not one host leads them all.
        """

    def lead(self, host: Host) -> None:
        """Make `host` that one; returns when it is."""

    def wait_healthy(self, timeout: float = 60) -> None:
        """Until every node takes part again; raises TimeoutError that says what is missing."""

    def clear(self) -> None:
        """Drop every message in every queue, ours and stock's."""
