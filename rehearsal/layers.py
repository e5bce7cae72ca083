"""Layers: read-only trees that lie under the disks of hosts, kept by what defines them.

A layer's name ends with a hash over everything that went into it, the layer below included. So a change of a package
list builds new layers and leaves those of other fleets alone.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from rehearsal.catalogue import Catalogue
from rehearsal.paths import CACHE, PACKAGE

#: Hexadecimal digits of the hash in a name. The kernel takes 256 characters for all lower layers of a mount.
_DIGITS: Final = 12


@dataclass(frozen=True)
class Layer:
    """One layer and what it lies upon; `packages` for one that apt fills, `folder` for a copy.

    `recipe` is the function of build.sh that fills it.
    """

    label: str
    key: str
    below: Self | None = None
    packages: tuple[str, ...] = ()
    folder: Path | None = None
    recipe: Literal["base", "packages", "repository"] = "packages"

    @property
    def name(self) -> str:
        """The name of its folder in the cache."""
        return f"{self.label}-{self.key[:_DIGITS]}"

    @property
    def path(self) -> Path:
        """Where it is once it is built; until then there is nothing."""
        return CACHE / "layers" / self.name

    @property
    def stack(self) -> "tuple[Layer, ...]":
        """The layer and all below it, the highest first, as overlayfs wants them."""
        return (self, *(self.below.stack if self.below else ()))

    @property
    def lower(self) -> str:
        """What overlayfs calls `lowerdir`, relative to the folder of all layers."""
        return ":".join(layer.name for layer in self.stack)


def layer_of(layers: tuple[str, ...], catalogue: Catalogue) -> Layer:
    """The uppermost layer of a host whose inventory names `layers`; nothing is built."""
    # How a layer is built is part of what it is made of: a change of the script builds all of them anew.
    machine = os.uname().machine
    script = (PACKAGE / "build.sh").read_text(encoding="utf-8")
    key = _hash(script, machine, catalogue.release, *catalogue.base)
    layer = Layer("base", key, packages=catalogue.base, recipe="base")
    for name in layers:
        if "/" in name:
            folder = Path(name)
            layer = Layer("folder", _hash(layer.key, _contents(folder)), layer, folder=folder)
        else:
            packages = catalogue.layers[name]
            recipe: Literal["packages", "repository"] = "repository" if name in catalogue.repositories else "packages"
            layer = Layer(name, _hash(layer.key, recipe, *packages), layer, packages, recipe=recipe)
    return layer


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _contents(folder: Path) -> str:
    """A hash over the names, modes and bytes of everything in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest.update(f"{path.relative_to(folder)}\0{status.st_mode:o}\0{status.st_size}\0".encode())
        if stat.S_ISLNK(status.st_mode):
            digest.update(str(path.readlink()).encode())
        elif stat.S_ISREG(status.st_mode):
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
