"""Customers who shop while something is done to the fleet, and what became of all they did."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fleet.ground import Ground
from tests.fleet.project import SITE

CLIENT: Final = Path(__file__).parent / "customers.py"
#: What they order, over and over: each goes through worker groups of its own.
KINDS: Final = ("orders", "reports", "slips")
#: Rows of the catalogue that they choose from; its first line names the columns.
PRODUCTS: Final = 30


@dataclass
class Shopping:
    """What is known after the last order; empty while they shop."""

    requests: int = 0
    failed: list[str] = field(default_factory=list)
    longest: float = 0
    accepted: dict[str, int] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    charged_twice: list[str] = field(default_factory=list)

    def misses(self) -> list[str]:
        """Why this is not "no request refused, no task lost, nobody charged twice"."""
        odd = {"refused or failed": self.failed, "not finished": list(self.open), "charged twice": self.charged_twice}
        found = [f"{len(what)} {how}: {'; '.join(what[:3])}" for how, what in odd.items() if what]
        few = [kind for kind in KINDS if not self.accepted.get(kind)]
        return [*found, *(f"no {kind} at all" for kind in few)]

    @property
    def summary(self) -> str:
        """In one line."""
        accepted = ", ".join(f"{self.accepted.get(kind, 0):,} {kind}" for kind in KINDS)
        return (
            f"{self.requests:,} requests, {len(self.failed)} refused or failed, the longest {self.longest:.1f} s; "
            f"{accepted}: {len(self.open)} not finished, {len(self.charged_twice)} charged twice"
        )


@contextmanager
def shopping(ground: Ground) -> Iterator[Shopping]:
    """Customers order from here to the end of the block; then all that was accepted is waited for."""
    told = Shopping()
    run = f"{time.time_ns() // 10**6 % 10**10:010}"  # ten digits: part of each order's card
    command = ground.fleet.command("python3", str(CLIENT), str(_configured(ground, run)))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "started\n"
            yield told
            process.stdin.close()
            for name, value in json.loads(process.stdout.read()).items():
                setattr(told, name, value)
        finally:
            process.kill()
    cards = Counter(card for card in ground.charged() if run in card)
    told.charged_twice = [card for card, times in cards.items() if times > 1]


def _configured(ground: Ground, run: str) -> Path:
    file = ground.folder / "customers.json"
    authority = ground.folder / "authority.pem"
    vault = ground.vault
    trusted = [vault[name]["certificate"] for name in ("authority", "authority_before") if name in vault]
    authority.write_text("".join(trusted), encoding="utf-8")
    rows = (ground.project.root / "shop/data/catalogue.csv").read_text(encoding="utf-8").splitlines()
    catalogue = ground.folder / "catalogue.csv"
    catalogue.write_text("\n".join(rows[: PRODUCTS + 1]) + "\n", encoding="utf-8")
    config = {
        "site": SITE,
        "addresses": [host.address for host in ground.hosts("web")],
        "authority": str(authority),
        "token": vault["shop"]["api_token"],
        "catalogue": str(catalogue),
        "slip": str(_slip(ground)),
        "run": run,
    }
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


def _slip(ground: Ground) -> Path:
    """One picture of a delivery slip, made as a developer's machine makes them."""
    folder = ground.folder / "slips"
    if not folder.exists():
        made = ground.project.run("manage.py", "train_digits", "--slips", str(folder))
        assert made.returncode == 0, made.stderr
    return min(folder.glob("*.png"))
