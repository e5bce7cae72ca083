"""Long tasks go on where they were: what the next run needs is kept in the database."""

from workers.delivery.checkpoints.block import checkpoint
from workers.delivery.checkpoints.point import OvertakenError, Point
from workers.delivery.plain import NotStorableError

__all__ = ["NotStorableError", "OvertakenError", "Point", "checkpoint"]
