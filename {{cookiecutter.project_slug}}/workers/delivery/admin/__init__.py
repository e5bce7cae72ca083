"""The tables of delivery in Django's admin, one module a table."""

from workers.delivery.admin import checkpoints, claims, letters, outbox, results

__all__ = ["checkpoints", "claims", "letters", "outbox", "results"]
