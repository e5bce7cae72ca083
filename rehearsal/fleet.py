"""A fleet: the hosts of an inventory, made, kept and taken away together."""

import re
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rehearsal import partition
from rehearsal.build import build
from rehearsal.catalogue import Catalogue
from rehearsal.cgroup import Cgroup, fleet_cgroup
from rehearsal.errors import RehearsalError
from rehearsal.files import hosts_file, new_disk, write_controller
from rehearsal.host import Host
from rehearsal.inventory import CONTROLLER, Inventory
from rehearsal.layers import Layer, layer_of
from rehearsal.network import Network, delete, refuse_foreign
from rehearsal.paths import PACKAGE
from rehearsal.requirements import require, require_room
from rehearsal.state import State, folder_of, locked, memory_of, refuse_mounts
from rehearsal.watch import Watch, unwatched

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,15}")
#: Hosts that are begun at a time. More would only wait for the kernel's one lock on network settings.
_WORKERS: Final = 4


class Fleet:
    """The hosts of an inventory under a name; several fleets may have the same addresses and never meet.

    As a context manager it is up inside and gone after.
    """

    def __init__(self, name: str, inventory: Inventory) -> None:
        """Name it; nothing is made before `up`."""
        if not _NAME.fullmatch(name):
            raise RehearsalError(f"fleet {name!r}: expected a letter, then up to 15 of a-z, 0-9 and -")
        self.name = name
        self.inventory = inventory
        self.network = Network(name, inventory.hosts)
        self.folder = folder_of(name)
        self.hosts = {entry.name: Host(entry, self.network) for entry in inventory.hosts}

    @classmethod
    def remembered(cls, name: str) -> Self:
        """The fleet that some process brought up under that name; raises RehearsalError if there is none."""
        state = State.load(name)
        if state is None:
            raise RehearsalError(f"no fleet is called {name}; bring one up: python -m rehearsal up --fleet {name}")
        return cls(name, Inventory(state.hosts))

    def __getitem__(self, name: str) -> Host:
        """A host by its name in the inventory."""
        try:
            return self.hosts[name]
        except KeyError:
            raise RehearsalError(f"fleet {self.name} has no host {name}; it has: {', '.join(self.hosts)}") from None

    def __enter__(self) -> Self:
        """Bring it up; whatever a failure leaves is taken away."""
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""
        self.down()

    def up(self, watch: Watch = unwatched) -> None:
        """Have every host on with its link whole and nobody parted; builds the layers that are missing.

        Hosts that are on stay so. Raises RehearsalError, before anything is changed, where this machine lacks
        something, where a fleet of that name has other hosts, or where a name is taken by somebody else's work.
        """
        require()
        with locked(self.name):
            state = self._planned()
            require_room(sum(not host.on for host in self.hosts.values()))
            layers = self._built(watch)
            state.save()  # from here on `down` finds whatever there will be, also after a crash
            with watch("network"):
                self.network.make_control()
                partition.heal(self.network)
            with watch("disks and links"), ThreadPoolExecutor(_WORKERS) as pool:
                self._prepare(layers)
                running = [host for host in self.hosts.values() if host.on]
                list(pool.map(Host.start, self.hosts.values()))
            with watch(f"boot, {len(self.hosts) - len(running)} of {len(self.hosts)} hosts"):
                self._wait()
            if layers:
                self._introduce([host for name, host in self.hosts.items() if name not in layers])

    def down(self, watch: Watch = unwatched) -> None:
        """Take away everything that was made for it, its disks included; layers stay. Nothing if there is nothing."""
        self.take_down(self.name, watch)

    @staticmethod
    def take_down(name: str, watch: Watch = unwatched) -> bool:
        """Do that for the fleet of that name, from what is remembered alone; tells whether there was one."""
        with locked(name):
            state = State.load(name)
            if state is None:
                return False
            with watch(f"down, {len(state.hosts)} hosts"):
                refuse_mounts(folder_of(name))
                # All hosts at one moment: none sees another go, and logs what was no fault.
                cgroup = Cgroup(fleet_cgroup(name))
                cgroup.kill()
                cgroup.remove()
                network = Network(name, state.hosts)
                for host in state.hosts:
                    network.remove(host)
                for namespace in state.made:
                    delete(namespace)
                if folder_of(name).exists():
                    shutil.rmtree(folder_of(name))
                memory_of(name).unlink()
            return True

    def partition(self, some: Iterable[str], others: Iterable[str]) -> None:
        """Part each of `some` from each of `others`; all else goes on. `controller` is this machine's side."""
        sides = [list(some), list(others)]
        partition.part(self.network, *([self._address(name) for name in side] for side in sides))
        for name in {*sides[0], *sides[1]} - {CONTROLLER}:
            self[name].changed()

    def heal(self) -> None:
        """End all partitions; links that are cut stay cut."""
        partition.heal(self.network)

    def command(self, *argv: str) -> list[str]:
        """The command that runs a program of this machine in the fleet's network, where the hosts' names are known."""
        enter = ["nsenter", f"--net=/run/netns/{self.network.control}", "unshare", "--mount"]
        return [*enter, "sh", str(PACKAGE / "inside.sh"), str(self.folder), *argv]

    @property
    def ssh_config(self) -> Path:
        """A file for `ssh -F` and Ansible: every host by name, as root, with the fleet's keys. Use it in `command`."""
        return self.folder / "ssh_config"

    def _address(self, name: str) -> str:
        return self.network.controller if name == CONTROLLER else self[name].address

    def _planned(self) -> State:
        """What there will be, compared with what there is; raises RehearsalError where both cannot be."""
        old = State.load(self.name) or State(self.name)
        new = {entry.name: entry for entry in self.inventory.hosts}
        for entry in old.hosts:
            # Groups may change: they are the inventory's way to speak of hosts, nothing in a host depends on them.
            if entry.name not in new or replace(new[entry.name], groups=entry.groups) != entry:
                raise RehearsalError(
                    f"fleet {self.name} has a host {entry.name} ({entry.address}) that the inventory does not have "
                    f"like that; take the fleet down first (python -m rehearsal down --fleet {self.name}), "
                    "or choose another name"
                )
        refuse_foreign(self.network.namespaces, old.made)
        cgroup = fleet_cgroup(self.name)
        # Empty, it is what a crash left of hosts that are no more: nothing speaks for keeping it.
        if not old.made and Cgroup(cgroup).populated():
            raise RehearsalError(
                f"the control group {cgroup} has processes in it, and no fleet of that name made it; "
                f"choose another name (--fleet NAME), or end them if nobody needs them: echo 1 >{cgroup}/cgroup.kill"
            )
        return State(self.name, self.inventory.hosts, self.network.namespaces)

    def _built(self, watch: Watch) -> dict[str, Layer]:
        """The uppermost layer of each host that is new; others keep what they began with, whatever layers.yml says."""
        catalogue = Catalogue.read()
        new = [host for host in self.hosts.values() if not (host.folder / "stack").exists()]
        layers = {host.name: layer_of(host.entry.layers, catalogue) for host in new}
        build(layers.values(), catalogue, watch)
        return layers

    def _prepare(self, layers: dict[str, Layer]) -> None:
        hosts = hosts_file(self.inventory.hosts, self.network.controller)
        write_controller(self.folder, hosts)
        for name, layer in layers.items():
            new_disk(self.hosts[name], self.folder / "keys", hosts, layer.lower)

    def _wait(self) -> None:
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            list(pool.map(Host.wait, self.hosts.values()))

    def _introduce(self, older: list[Host]) -> None:
        """Tell hosts that were there already of those that came to them."""
        hosts = hosts_file(self.inventory.hosts, self.network.controller)
        for host in older:
            self.network.introduce(host.entry)
            host.write("/etc/hosts", hosts)
