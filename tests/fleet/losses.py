"""Rows: the database's host is lost for good, and a dump brings back every order; inventories that are wrong."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rehearsal.files import hosts_file, new_disk
from rehearsal.host import Host
from tests.fleet import project
from tests.fleet.ground import Ground
from tests.fleet.row import Seen
from tests.fleet.shopping import shopping

#: Every order, what was ordered and paid: one line that is another one if any of it is.
_ORDERS: Final = """\
SELECT count(*) || ' orders, ' || coalesce(md5(string_agg(t, ',' ORDER BY t)), '') FROM (
  SELECT o::text AS t FROM shop_order o UNION ALL SELECT l::text FROM shop_orderline l
  UNION ALL SELECT p::text FROM shop_payment p) AS all_of_them
"""

#: Seconds in which customers order everything there is.
_A_WHILE: Final = 10
_DATE: Final = "/usr/local/bin/date"
_PYTHON: Final = "/usr/bin/python3"
_RELEASE: Final = "/etc/os-release"
#: On a host: a clock that is years behind, no Python, another release of Debian; and the way back.
_SPOILT: Final = {
    "web2": (f"printf '#!/bin/sh\\necho 1700000000\\n' >{_DATE}; chmod +x {_DATE}", f"rm {_DATE}"),
    "work1": (f"mv {_PYTHON} {_PYTHON}.away", f"mv {_PYTHON}.away {_PYTHON}"),
    "redis3": (
        f"cp {_RELEASE} /root; sed -i s/^VERSION_ID=.*/VERSION_ID=12/ {_RELEASE}",
        f"cp /root/os-release {_RELEASE}",
    ),
}
#: In the inventory: an even number of brokers, and a group without a host.
_EDITS: Final = (
    (r"^    rabbit3: .*\n", ""),
    (r"^workers_ml:\n  children: .*\n", ""),
)
#: More memory than a host has, a larger disk, too few connections, and a lease of its own for each of two beats.
_OPTIONS: Final = (
    *("-e", "rabbitmq_memory_limit=999000", "-e", "rabbitmq_disk_reserve=99000000"),
    *(
        "-e",
        "postgresql_max_connections=20",
        "-e",
        f"postgresql_url=postgres://{project.NAME}@localhost/{project.NAME}",
    ),
)
_EXPECTED: Final = ("I01", "I02", "I03", "I04", "I05", "I06", "I10", "I13", "I14", "I15")


def restored(ground: Ground) -> Seen:
    """A dump is brought to the controller, the database's host is replaced by a bare one, and has it restored."""
    [database] = ground.hosts("postgresql")
    with shopping(ground) as told:
        time.sleep(_A_WHILE)
    before = _orders(database)
    ground.must("backup")
    dumps = sorted((ground.project.root / f"backups/{ground.environment.name}").glob("*.dump"))
    replace_disk(ground, database)
    site = ground.must("site", "--limit", database.name)
    restore = ground.must("restore", "-e", f"restore_file={dumps[-1]}")
    after = _orders(database)
    ground.must("smoke")
    misses = [*told.misses(), *([] if after == before else [f"before: {before}; after: {after}"])]
    return Seen(
        f"{before.partition(',')[0]}; a bare host in {site.seconds:.0f} s, restored in {restore.seconds:.0f} s", misses
    )


def wrong(ground: Ground) -> Seen:
    """Everything that can be wrong, at once: refused before the first change, each with its reason."""
    lost = ground.hosts("redis")[1]
    with _spoilt(ground):
        lost.power_off()
        played = ground.play("site", *_OPTIONS)
        lost.boot()
    missing = [code for code in _EXPECTED if f"({code})" not in played.text]
    misses = [f"not said: {', '.join(missing)}"] if missing else []
    if played.code == 0:
        misses.append("the playbook went on")
    misses += [f"{host}: {count} changed" for host, count in played.changed.items() if count]
    ground.must("preflight")
    found = len(re.findall(r"\(I\d\d\)", played.text))
    return Seen(f"{found} reasons of {len(_EXPECTED)} kinds, 0 changed, {played.seconds:.0f} s", misses)


def replace_disk(ground: Ground, host: Host) -> None:
    """The host is lost for good; a bare one of its name and address stands in its place."""
    host.power_off()
    stack = (host.folder / "stack").read_text(encoding="utf-8")
    names = hosts_file(ground.fleet.inventory.hosts, ground.fleet.network.controller)
    new_disk(host, ground.fleet.folder / "keys", names, stack)
    host.boot()


def _orders(database: Host) -> str:
    asked = ("runuser", "-u", "postgres", "--", "psql", "-XtAc", _ORDERS, project.NAME)
    return database.run(*asked).stdout.strip()


@contextmanager
def _spoilt(ground: Ground) -> Iterator[None]:
    """Hosts and inventory are wrong until the end of the block."""
    file = ground.environment / "inventory.yml"
    sound = file.read_text(encoding="utf-8")
    text = sound
    for pattern, new in _EDITS:
        text, count = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
        assert count, f"{pattern} is not in {file}"
    file.write_text(text, encoding="utf-8")
    for name, (spoil, _) in _SPOILT.items():
        ground.fleet[name].run("sh", "-c", spoil)
    try:
        yield
    finally:
        for name, (_, undo) in _SPOILT.items():
            ground.fleet[name].run("sh", "-c", undo)
        file.write_text(sound, encoding="utf-8")
