"""Makes a virtual host hold what it is to hold: looks first, refuses what cannot be changed, adds what is missing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from workers.brokers.rabbitmq.api import Api
from workers.derive.virtual_host import POLICY_PRIORITY, Binding, Declared, Exchange, Policy, Queue

#: Exchanges and queues that RabbitMQ or Celery's remote control and events make for themselves.
NOT_OURS: Final = ("amq.", "celery.pidbox", "reply.celery.pidbox", "celeryev")


@dataclass(frozen=True)
class Change:
    """Something that is missing or differs, and how to mend it."""

    done: Literal["created", "changed"]
    kind: str
    name: str
    details: str
    apply: Callable[[], None]


class ConflictError(Exception):
    """Something exists with other arguments, which RabbitMQ cannot change; one reason a line, nothing was changed."""


@dataclass(frozen=True)
class VirtualHost:
    """A virtual host as the API shows it."""

    api: Api
    name: str

    def changes(self, wanted: Declared) -> list[Change]:
        """What has to be done, in the order in which to do it; raises ConflictError or ApiError."""
        conflicts: list[str] = []
        found = [
            *self._policies(wanted.policies),  # first: what is made is bounded from its first message on
            *self._exchanges(wanted.exchanges, conflicts),
            *self._queues(wanted.queues, conflicts),
            *self._bindings(wanted.bindings),
        ]
        if conflicts:
            raise ConflictError("\n".join(conflicts))
        return found

    def strangers(self, wanted: Declared) -> list[str]:
        """Queues that look like a group's and belong to none: of a group that is gone, with their messages."""
        known = {queue.name for queue in wanted.queues}
        queues = self._listed("queues")
        return [
            f"{name} ({queue.get('messages', 0)} messages)"
            for name, queue in sorted(queues.items())
            if name not in known and ".celery.pidbox" not in name and not name.startswith(NOT_OURS)
        ]

    def _exchanges(self, wanted: list[Exchange], conflicts: list[str]) -> Iterator[Change]:
        existing = self._listed("exchanges")
        for exchange in wanted:
            body = {"type": "topic", "durable": True}
            found = existing.get(exchange.name)
            if found is None:
                yield self._made("exchange", exchange.name, "topic", ("exchanges", exchange.name), body)
            elif any(found.get(key) != value for key, value in body.items()):
                conflicts.append(_conflict("exchange", exchange.name, found["type"], "topic", "delete_exchange"))

    def _queues(self, wanted: list[Queue], conflicts: list[str]) -> Iterator[Change]:
        existing = self._listed("queues")
        for queue in wanted:
            body = {"durable": True, "arguments": queue.arguments}
            found = existing.get(queue.name)
            if found is None:
                details = str(queue.arguments["x-queue-type"])
                yield self._made("queue", queue.name, details, ("queues", queue.name), body)
            elif found["arguments"] != queue.arguments or not found["durable"]:
                is_, to_be = _differing(found["arguments"], queue.arguments)
                conflicts.append(_conflict("queue", queue.name, is_, to_be, "delete_queue --if-empty"))

    def _bindings(self, wanted: list[Binding]) -> Iterator[Change]:
        existing = {
            Binding(found["source"], found["destination_type"], found["destination"], found["routing_key"])
            for found in self.api.get("bindings", self.name) or ()
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
                path = ("policies", policy.name)
                yield self._made("policy", policy.name, details, path, body, "changed" if found else "created")

    def _made(
        self,
        kind: str,
        name: str,
        details: str,
        path: tuple[str, str],
        body: dict[str, Any],
        done: Literal["created", "changed"] = "created",
    ) -> Change:
        where, last = path
        return Change(done, kind, name, details, lambda: self.api.put(where, self.name, last, body=body))

    def _bound(self, binding: Binding) -> Change:
        path = ("bindings", self.name, "e", binding.source, binding.kind[0], binding.destination)
        body = {"routing_key": binding.key}
        name = f"{binding.source} > {binding.destination}"
        return Change("created", "binding", name, binding.key, lambda: self.api.post(*path, body=body))

    def _listed(self, kind: str) -> dict[str, dict[str, Any]]:
        return {found["name"]: found for found in self.api.get(kind, self.name) or ()}


def _differing(found: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, str]:
    keys = [key for key in sorted(found.keys() | wanted.keys()) if found.get(key) != wanted.get(key)]
    return tuple(", ".join(f"{key} {side.get(key, 'unset')}" for key in keys) for side in (found, wanted))  # type: ignore[return-value]


def _conflict(kind: str, name: str, found: str, wanted: str, command: str) -> str:
    return (
        f"the {kind} {name} exists with {found}; wanted is {wanted}, which RabbitMQ cannot change. Nothing was changed: "
        f"stop what sends to it, let the workers empty it, remove it on a node (rabbitmqctl {command} {name}), declare again"
    )
