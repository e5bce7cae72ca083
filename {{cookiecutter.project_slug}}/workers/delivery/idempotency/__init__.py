"""What must be done once is done once: `@idempotent`, and the claim that its function holds meanwhile."""

from workers.delivery.idempotency.decorator import idempotent
from workers.delivery.idempotency.held import Held, claim
from workers.delivery.idempotency.stores import ClaimBusyError, ClaimLostError
from workers.delivery.plain import NotStorableError

__all__ = ["ClaimBusyError", "ClaimLostError", "Held", "NotStorableError", "claim", "idempotent"]
