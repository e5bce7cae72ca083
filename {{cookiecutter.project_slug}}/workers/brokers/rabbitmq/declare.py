"""Makes a virtual host hold what it is to hold: looks first, refuses what cannot be changed, adds what is missing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from workers.brokers.rabbitmq.api import Api, ApiError
from workers.derive.virtual_host import POLICY_PRIORITY, Binding, Declared, Exchange, Policy, Queue

#: Exchanges and queues that RabbitMQ or Celery's remote control and events make for themselves.
NOT_OURS: Final = ("amq.", "celery.pidbox", "reply.celery.pidbox", "celeryev")
#: Where the API keeps things of each kind.
PATHS: Final = {Exchange: "exchanges", Queue: "queues", Policy: "policies"}
Done = Literal["created", "changed"]


@dataclass(frozen=True)
class Change:
    """Something that is missing or differs, and how to mend it."""

    done: Done
    kind: str
    name: str
    details: str
    apply: Callable[[], None]


@dataclass(frozen=True)
class Conflict:
    """Something that exists with other arguments, which RabbitMQ cannot change."""

    kind: str
    name: str
    found: str
    wanted: str
    removal: str
    """Where, or by which command, it is removed."""

    @property
    def message(self) -> str:
        """What is wrong."""
        return f"exists with {self.found}; wanted is {self.wanted}, which RabbitMQ cannot change"

    @property
    def cure(self) -> str:
        """What to do, step by step."""
        steps = f"stop what sends to it, let the workers empty it, remove it {self.removal}"
        return f"{steps}, run `python -m workers brokers declare`"

    def __str__(self) -> str:
        return f"the {self.kind} {self.name} {self.message}. Nothing was changed: {self.cure}"


class NoVirtualHostError(ApiError):
    """There is no virtual host of that name."""


class ConflictError(Exception):
    """Something exists with other arguments; one reason a line, nothing was changed."""


@dataclass(frozen=True)
class Differences:
    """How a virtual host differs from what it is to hold."""

    changes: list[Change]
    """In the order in which to make them."""
    conflicts: list[Conflict]


@dataclass(frozen=True)
class VirtualHost:
    """A virtual host as the API shows it."""

    api: Api
    name: str

    def changes(self, wanted: Declared) -> list[Change]:
        """What has to be done, in the order in which to do it; raises ConflictError or ApiError."""
        found = self.differences(wanted)
        if found.conflicts:
            raise ConflictError("\n".join(map(str, found.conflicts)))
        return found.changes

    def differences(self, wanted: Declared) -> Differences:
        """What is missing or differs; raises ApiError."""
        conflicts: list[Conflict] = []
        found = [
            *self._policies(wanted.policies),  # first: what is made is bounded from its first message on
            *self._exchanges(wanted.exchanges, conflicts),
            *self._queues(wanted.queues, conflicts),
            *self._bindings(wanted.bindings),
        ]
        return Differences(found, conflicts)

    def strangers(self, wanted: Declared) -> list[str]:
        """Queues that look like a group's and belong to none: of a group that is gone, with their messages."""
        known = {queue.name for queue in wanted.queues}
        queues = self._listed("queues")
        return [
            f"{name} ({queue.get('messages', 0)} messages)"
            for name, queue in sorted(queues.items())
            if name not in known and ".celery.pidbox" not in name and not name.startswith(NOT_OURS)
        ]

    def _exchanges(self, wanted: list[Exchange], conflicts: list[Conflict]) -> Iterator[Change]:
        existing = self._listed("exchanges")
        for exchange in wanted:
            body = {"type": "topic", "durable": True}
            found = existing.get(exchange.name)
            if found is None:
                yield self._made(exchange, "topic", body)
            elif any(found.get(key) != value for key, value in body.items()):
                conflicts.append(Conflict("exchange", exchange.name, found["type"], "topic", "on the management page"))

    def _queues(self, wanted: list[Queue], conflicts: list[Conflict]) -> Iterator[Change]:
        existing = self._listed("queues")
        for queue in wanted:
            body = {"durable": True, "arguments": queue.arguments}
            found = existing.get(queue.name)
            if found is None:
                details = str(queue.arguments["x-queue-type"])
                yield self._made(queue, details, body)
            elif found["arguments"] != queue.arguments or not found["durable"]:
                is_, to_be = _differing(found["arguments"], queue.arguments)
                conflicts.append(Conflict("queue", queue.name, is_, to_be, self._remove(queue.name)))

    def _bindings(self, wanted: list[Binding]) -> Iterator[Change]:
        existing = {
            Binding(found["source"], found["destination_type"], found["destination"], found["routing_key"])
            for found in self._all("bindings")
        }
        for binding in wanted:
            if binding not in existing:
                yield self._bound(binding)

    def _policies(self, wanted: list[Policy]) -> Iterator[Change]:
        existing = self._listed("policies")
        for policy in wanted:
            body = {
                "pattern": policy.pattern,
                "apply-to": policy.apply_to,
                "definition": policy.definition,
                "priority": POLICY_PRIORITY,
            }
            found = existing.get(policy.name)
            if found is None or any(found.get(key) != value for key, value in body.items()):
                details = ", ".join(f"{key} {value}" for key, value in policy.definition.items())
                yield self._made(policy, details, body, "changed" if found else "created")

    def _made(
        self, what: Exchange | Queue | Policy, details: str, body: dict[str, Any], done: Done = "created"
    ) -> Change:
        path = (PATHS[type(what)], self.name, what.name)
        return Change(done, type(what).__name__.lower(), what.name, details, lambda: self.api.put(*path, body=body))

    def _bound(self, binding: Binding) -> Change:
        path = ("bindings", self.name, "e", binding.source, binding.kind[0], binding.destination)
        body = {"routing_key": binding.key}
        name = f"{binding.source} > {binding.destination}"
        return Change("created", "binding", name, binding.key, lambda: self.api.post(*path, body=body))

    def _remove(self, queue: str) -> str:
        return f"on a node: rabbitmqctl delete_queue --if-empty -p {self.name} {queue}"

    def _listed(self, kind: str) -> dict[str, dict[str, Any]]:
        return {found["name"]: found for found in self._all(kind)}

    def _all(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] | None = self.api.get(kind, self.name)
        if found is None:
            raise NoVirtualHostError(f"has no virtual host {self.name!r}: look at the path of BROKER_URL")
        return found


def _differing(found: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, str]:
    """What differs: as it is, and as it is to be."""
    keys = [key for key in sorted(found.keys() | wanted.keys()) if found.get(key) != wanted.get(key)]
    return _shown(found, keys), _shown(wanted, keys)


def _shown(arguments: dict[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key} {arguments.get(key, 'unset')}" for key in keys)
