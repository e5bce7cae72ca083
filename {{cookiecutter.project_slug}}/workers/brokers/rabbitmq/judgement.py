"""What is wrong with a RabbitMQ cluster that was looked at, how bad it is, and what to do."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from workers.brokers.rabbitmq.survey import View
from workers.brokers.report import Finding, Severity
from workers.derive.virtual_host import Declared, Policy, dead_queue
from workers.topology import Topology

#: Nodes that a cluster needs to lose one and go on.
ENOUGH: Final = 3
#: Shares of a limit from which on somebody should look, and has to act.
NEAR, FULL = 0.75, 0.9
#: Queues a node below which an even spread means nothing.
FEW: Final = 2
#: States of a connection whose messages are held back by an alarm.
BLOCKED: Final = ("blocking", "blocked")
#: States of a classic queue that gives nothing: its one node is gone, or it broke.
_BROKEN: Final = ("down", "stopped", "crashed", "terminated")
#: The alarms of a node: its key, what is short, what to do.
_ALARMS: Final = (
    ("mem_alarm", "memory", "let workers catch up, or give the node more (rabbitmq_memory_limit)"),
    ("disk_free_alarm", "space on its disk", "free some: look for dead letters and long queues below"),
)
_DECLARE: Final = "run `python -m workers brokers declare`"
#: Names that a finding shows of those it is about.
_SHOWN: Final = 3

Thing = Mapping[str, Any]


def judge(views: Sequence[View], topology: Topology, wanted: Declared, *, alone: bool) -> Iterator[Finding]:
    """Findings; `alone`: one node is all there is to be, as on a developer's machine."""
    best = clearest(views)
    if best is None:
        cure = "look at BROKER_ADMIN_URL, then at the hosts"
        yield _critical("cluster", f"no node can be asked: {_reasons(views)}", cure)
        return
    yield from _nodes(views, best, alone=alone)
    yield from _connections(best)
    yield from _declared(best)
    if best.queues is not None:
        yield from _quorum(best.queues, alone=alone)
        yield from _leaders(best)
        for queue in best.queues:
            yield from _policy(queue, wanted.policies)
        yield from _groups({queue["name"]: queue for queue in best.queues}, topology)
    for stranger in best.strangers:
        yield _warning("queue", f"{stranger} belongs to no group of workers.yml", "let it run empty, then delete it")
    for reason in dict.fromkeys(best.unseen):
        cure = "use the user that ends in _monitoring in BROKER_ADMIN_URL, who sees everything"
        yield _warning("not seen", reason, cure)


def clearest(views: Iterable[View]) -> View | None:
    """The view of a node that takes part with most others; None where none answered."""
    return max((view for view in views if not view.error), key=lambda view: len(view.running), default=None)


def _reasons(views: Sequence[View]) -> str:
    """What the nodes say, each thing once."""
    errors = dict.fromkeys(view.error for view in views)
    said = {error: ", ".join(view.address for view in views if view.error == error) for error in errors}
    return "; ".join(f"{addresses} {error}" for error, addresses in said.items())


def _nodes(views: Sequence[View], best: View, *, alone: bool) -> Iterator[Finding]:
    nodes = best.nodes or ()
    stopped = [found["name"] for found in nodes if not found.get("running")]
    for name in stopped:
        cure = "look at its host, then at systemctl status rabbitmq-server there"
        yield _warning(name, "is not running, or nobody hears of it", cure)
    for view in views:
        # The API of a node that is not running is silent, which says nothing new.
        if view.error and _host(view.address) not in map(_host_of_node, stopped):
            cure = "look at its log: journalctl -u rabbitmq-server"
            yield _warning(view.address, f"its management API {view.error}", cure)
        yield from _partition(view, best)
    if nodes and len(nodes) < ENOUGH and not alone:
        cure = "let others join: the loss of one stops everything"
        yield _warning("cluster", f"has {len(nodes)} of the {ENOUGH} nodes it takes to bear a loss", cure)
    for found in nodes:
        yield from _alarms(found)


def _partition(view: View, best: View) -> Iterator[Finding]:
    for found in view.nodes or ():
        if found["name"] == view.name and found.get("partitions"):
            apart = ", ".join(found["partitions"])
            cure = "on the side with fewer clients: rabbitmqctl stop_app && rabbitmqctl start_app"
            yield _critical(view.name, f"is in a partition: cut off from {apart} and did not join again", cure)
            return
    if missing := best.running - view.running if view.nodes else None:
        names = ", ".join(sorted(missing))
        yield _warning(view.name, f"does not hear of {names}, others do", "look at the links between the hosts")


def _alarms(found: Thing) -> Iterator[Finding]:
    for key, what, cure in _ALARMS:
        if found.get(key):
            yield _critical(found["name"], f"is short of {what}: every publisher of the cluster waits", cure)
    if found.get("mem_limit") and not found.get("mem_alarm"):
        share = found.get("mem_used", 0) / found["mem_limit"]
        if share >= NEAR:
            yield _warning(found["name"], f"memory {share:.0%} of what stops publishers", _ALARMS[0][2])


def _connections(best: View) -> Iterator[Finding]:
    blocked = Counter(str(found.get("user")) for found in best.connections or () if found.get("state") in BLOCKED)
    for user, count in blocked.items():
        message = f"{count} connections of this user are blocked: what they publish waits"
        yield _warning(user, message, "an alarm above says why; otherwise look again")


def _declared(best: View) -> Iterator[Finding]:
    if best.differences is None:
        return
    for conflict in best.differences.conflicts:
        yield _critical(f"{conflict.kind} {conflict.name}", conflict.message, conflict.cure)
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for change in best.differences.changes:
        kinds[change.kind, change.done].append(change.name)
    for (kind, done), names in kinds.items():
        if done == "created":
            yield _critical(_plural(kind), f"{len(names)} missing: {_some(names)}", _DECLARE)
        else:
            yield _warning(_plural(kind), f"{len(names)} not as workers.yml asks for: {_some(names)}", _DECLARE)


def _quorum(queues: Iterable[Thing], *, alone: bool) -> Iterator[Finding]:
    """Queues in the same state are one finding: a dead node is a part of all of them."""
    states: dict[tuple[int, int], list[str]] = defaultdict(list)
    for queue in queues:
        if queue.get("type") == "quorum" and "members" in queue:
            states[len(queue.get("online", ())), len(queue["members"])].append(queue["name"])
        elif queue.get("state") in _BROKEN:
            yield _critical(queue["name"], f"is {queue['state']}: it gives and takes nothing", "bring its node back")
    for (online, members), names in sorted(states.items()):
        enough = members // 2 + 1
        if online < enough:
            message = f"{online} of {members} members are online, {enough} are needed: they give and take nothing"
            yield _critical(_queues(names), message, "bring the other nodes back")
        elif online == enough and not (members == 1 and alone):
            cure = "bring the others back" if online < members else "rabbitmq-queues grow NODE all"
            yield _warning(_queues(names), f"{online} of {members} members are online: one loss more stops them", cure)


def _leaders(best: View) -> Iterator[Finding]:
    counts = leaders(best)
    fair = sum(counts.values()) / max(len(counts), 1)
    for name, count in counts.items():
        if count < fair / 2 and fair >= FEW:
            message = f"leads {count} queues, its share is {fair:.0f}: the loss of another stops more than it must"
            yield _warning(name, message, "rabbitmq-queues rebalance quorum, on any node")


def leaders(view: View) -> dict[str, int]:
    """How many quorum queues each running node leads."""
    counts = Counter(queue.get("leader") for queue in view.queues or () if queue.get("type") == "quorum")
    return {name: counts[name] for name in sorted(view.running)}


def _policy(queue: Thing, policies: Iterable[Policy]) -> Iterator[Finding]:
    """Whether its policy acts. A new leader knows for some seconds only what is written, not what acts."""
    wanted = policy_of(queue["name"], policies)
    if wanted is None or "effective_policy_definition" not in queue:
        return
    holds = queue.get("policy")
    if holds != wanted.name:
        cure = f"delete policy {holds}, or lower its priority" if holds else _DECLARE
        yield _warning(queue["name"], f"is under {_named(holds)}, not under policy {wanted.name}", cure)
        return
    acts = queue["effective_policy_definition"]
    if differs := sorted(key for key, value in wanted.definition.items() if acts.get(key) != value):
        values = ", ".join(f"{key} {acts.get(key, 'unset')}, to be {wanted.definition[key]}" for key in differs)
        yield _warning(queue["name"], f"other limits act on it: {values}", f"{_DECLARE}; look for operator policies")


def policy_of(queue: str, policies: Iterable[Policy]) -> Policy | None:
    """The policy that is to hold for a queue."""
    ours = (policy for policy in policies if policy.apply_to == "queues")
    return next((policy for policy in ours if re.search(policy.pattern, queue)), None)


def _groups(queues: Mapping[str, Thing], topology: Topology) -> Iterator[Finding]:
    for name, group in topology.groups.items():
        if queue := queues.get(name):
            waiting = queue.get("messages_ready", 0)
            if waiting and not queue.get("consumers"):
                cure = f"start a worker: `python -m workers run {name}`"
                yield _warning(name, f"{waiting} tasks wait, and no worker takes them", cure)
            yield from _length(name, waiting + queue.get("messages_unacknowledged", 0), group.max_length)
            if stuck := queue.get("messages_dlx"):
                message = f"{stuck} tasks that were given up wait for room in {dead_queue(name)}"
                yield _warning(name, message, f"empty {dead_queue(name)}, or run `python -m workers brokers declare`")
        if dead := queues.get(dead_queue(name), {}).get("messages_ready"):
            cure = "they wait for a relay: `python -m workers dead list` collects them, and says why"
            yield _warning(dead_queue(name), f"{dead} tasks were given up", cure)


def _length(name: str, length: int, limit: int) -> Iterator[Finding]:
    if length >= NEAR * limit:
        kind = _critical if length >= FULL * limit else _warning
        cure = "start more workers, or raise max_length in workers.yml and declare"
        yield kind(name, f"{length} of {limit} tasks; then it refuses more", cure)


def _host(address: str) -> str:
    return address.rpartition(":")[0].partition(".")[0]


def _host_of_node(name: str) -> str:
    return name.partition("@")[2].partition(".")[0]


def _named(policy: str | None) -> str:
    return f"policy {policy}" if policy else "no policy"


def _plural(kind: str) -> str:
    return "policies" if kind == "policy" else f"{kind}s"


def _queues(names: Sequence[str]) -> str:
    return f"queue {names[0]}" if len(names) == 1 else f"{len(names)} queues ({_some(names)})"


def _some(names: Iterable[str]) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _critical(subject: str, message: str, cure: str) -> Finding:
    return Finding(Severity.CRITICAL, subject, message, cure)


def _warning(subject: str, message: str, cure: str) -> Finding:
    return Finding(Severity.WARNING, subject, message, cure)
