"""Real Debian hosts with systemd on one Linux machine, and the faults to cause on them."""

from rehearsal.errors import InventoryError, MissingError, RehearsalError
from rehearsal.fleet import Fleet
from rehearsal.host import Host
from rehearsal.inventory import Inventory

__all__ = ["Fleet", "Host", "Inventory", "InventoryError", "MissingError", "RehearsalError"]
