"""What is seen of a worker at one moment, and whether it proves that the worker consumes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """A worker, by time.monotonic `at`."""

    at: float
    turned_at: float
    """When its main loop turned last."""
    received: int
    """Messages that reached it so far."""
    begun: int
    """Tasks that began so far."""
    running: int
    reserved: int
    """Tasks that run or wait for a slot."""
    slots: int
    held: int
    """Messages that it has not acknowledged, as far as they are tasks to be done. One whose task is done and whose
    acknowledgement went nowhere takes up room as well, for ever: that makes a worker deaf."""
    credit: int
    """Messages that the broker lets it hold."""
    waiting: int | None
    """Messages in its queue that nobody has taken; None: the broker could not be asked."""
    waits_for: str = ""
    """What keeps it from consuming: its broker is away, say."""
    told_not_to: bool = False
    """Somebody cancelled its queue by remote control."""
    stopping: bool = False


def doubt(now: Look, before: Look) -> str:
    """Why it is not proved that the worker consumes; empty where it is.

    One doubt means nothing: a message may have come to the queue this very moment. Systemd acts when none of the looks
    of a whole WatchdogSec was free of it.
    """
    if now.stopping or now.received > before.received:
        return ""
    if now.turned_at <= before.at:
        return f"its main loop has been stuck for {now.at - now.turned_at:.0f} s"
    if now.reserved and not now.running and now.begun == before.begun:
        return f"it holds {now.reserved} tasks and begins none"
    if _is_excused(now) or not now.waiting:
        return ""
    return f"{now.waiting} wait, {now.slots - now.reserved} of {now.slots} slots are free, and it receives nothing"


def _is_excused(now: Look) -> bool:
    """Whether nothing can be received, or none should be.

    While every slot is taken a deaf worker does no harm, and its end would end the tasks in them: that can wait.
    """
    has_no_room = now.held >= now.credit or now.reserved >= now.slots
    return has_no_room or bool(now.waits_for) or now.told_not_to
