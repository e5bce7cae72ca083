"""Every row that the fleet must show.

Rows run in their order on one fleet: each finds what the one before it left, a fleet that serves.
"""

from typing import Final

from tests.fleet import doors, rollout
from tests.fleet.row import Row

ROWS: Final = {
    row.name: row
    for row in (
        Row("bare", "bare hosts to a passed smoke test", rollout.bare),
        Row("again", "second run", rollout.again),
        Row("rolling", "rolling deploy under load", rollout.rolling),
        Row("broken", "a release that cannot start", rollout.broken),
        Row("back", "rollback under load", rollout.back),
        Row("ports", "ports from outside and from each kind of host", doors.ports),
        Row("encrypted", "TLS on every link", doors.encrypted),
        Row("leaks", "no secret in ps, journal, readable files, Ansible's output", doors.leaks),
    )
}
#: What every merge has to pass, in this order; the rest: `make fleet`.
SHORT: Final = ("bare", "again", "rolling", "broken", "back")
