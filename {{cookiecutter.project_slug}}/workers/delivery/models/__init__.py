"""What is kept in the database about tasks, one module a table."""

from workers.delivery.models.checkpoints import Checkpoint
from workers.delivery.models.claims import Claim
from workers.delivery.models.letters import DeadLetter, Replay
from workers.delivery.models.outbox import OutboxMessage
from workers.delivery.models.results import KeptResult

__all__ = ["Checkpoint", "Claim", "DeadLetter", "KeptResult", "OutboxMessage", "Replay"]
