"""The shop's tasks, one module a worker group: the module's name is what routes a task (workers.yml)."""

from shop.tasks import batch, default, ml, priority

__all__ = ["batch", "default", "ml", "priority"]
