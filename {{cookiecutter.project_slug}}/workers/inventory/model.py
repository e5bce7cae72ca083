"""What a playbook has found out about the hosts of an inventory, as it hands it over."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

#: Groups of the inventory that hold one worker group each: workers_batch.
PREFIX: Final = "workers_"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Host(_Part):
    """One host: `said` is what it answered, lines of NAME=VALUE; `failed` why it did not."""

    groups: list[str] = []
    address: str = ""
    said: str = ""
    failed: str = ""

    @property
    def facts(self) -> dict[str, str]:
        """What it answered, by name."""
        return dict(line.strip().split("=", 1) for line in self.said.splitlines() if "=" in line)

    def number(self, name: str) -> float | None:
        """A fact that is a number; None where it was not told."""
        try:
            return float(self.facts.get(name, ""))
        except ValueError:
            return None


class Inventory(_Part):
    """All hosts, and the variables that decide how they are used."""

    file: str = "the inventory"
    #: The controller's clock before the hosts were asked, and after: seconds since 1970.
    asked: tuple[float, float]
    hosts: dict[str, Host] = Field(min_length=1)
    variables: dict[str, Any] = {}

    def group(self, name: str) -> list[str]:
        """The hosts of a group, in the order of the inventory."""
        return [host for host, about in self.hosts.items() if name in about.groups]

    @property
    def worker_groups(self) -> set[str]:
        """The worker groups that hosts are meant to run: batch for workers_batch."""
        groups = {group for host in self.hosts.values() for group in host.groups}
        return {group.removeprefix(PREFIX) for group in groups if group.startswith(PREFIX)}
