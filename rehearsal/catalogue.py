"""What layers.yml offers: the base, and the named sets of Debian packages upon it, installed or to be installed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from rehearsal.paths import PACKAGE


@dataclass(frozen=True)
class Catalogue:
    """The contents of layers.yml; `layers` in the order in which they are put upon each other.

    Those that `repositories` names are downloaded and not installed.
    """

    release: str
    base: tuple[str, ...]
    layers: dict[str, tuple[str, ...]]
    repositories: frozenset[str]

    @classmethod
    def read(cls, file: Path = PACKAGE / "layers.yml") -> Self:
        """Read the file, which is this package's own."""
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        sets = content["layers"] | content["repositories"]
        layers = {name: tuple(sorted(packages)) for name, packages in sets.items()}
        return cls(content["release"], tuple(sorted(content["base"])), layers, frozenset(content["repositories"]))
