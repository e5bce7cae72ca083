"""Every row that the fleet must show.

Rows run in their order on one fleet: each finds what the one before it left, a fleet that serves.
"""

from typing import Final

from tests.fleet import doors, faults, losses, rollout, rotation, scaling, unchanged
from tests.fleet.row import Row

ROWS: Final = {
    row.name: row
    for row in (
        Row("foretold", "site.yml with --check --diff on bare hosts", unchanged.bare),
        Row("bare", "bare hosts to a passed smoke test", rollout.bare),
        Row("promised", "what each role promises, looked up on the hosts", rollout.promised),
        Row("again", "second run", unchanged.again),
        Row("rolling", "rolling deploy under load", rollout.rolling),
        Row("broken", "a release that cannot start", rollout.broken),
        Row("unready", "a release that starts and fails its readiness", rollout.unready),
        Row("migration", "a migration that fails", rollout.failing_migration),
        Row("unfit", "a migration that the old release cannot live with", rollout.unfit_migration),
        Row("moved", "second run after fail-overs of Redis and of RabbitMQ's leaders, under load", unchanged.moved),
        Row("back", "rollback under load", rollout.back),
        Row("restart", "rolling restart of RabbitMQ and of Redis", faults.playbook("brokers-restart")),
        Row("upgrade", "rolling upgrade of RabbitMQ and of Redis", faults.upgraded),
        Row("power", "a broker's host loses its power during a deploy", faults.power_lost),
        Row("killed", "the controller is killed in the middle of a deploy", faults.killed),
        Row("ports", "ports from outside and from each kind of host", doors.ports),
        Row("encrypted", "TLS on every link", doors.encrypted),
        Row("passwords", "passwords rotated under load", rotation.passwords),
        Row("certificates", "certificates and their authority rotated under load", rotation.certificates),
        Row("added", "a host added", scaling.added),
        Row("drained", "a host drained away", scaling.drained),
        Row("replaced", "hosts lost for good and replaced by bare ones", scaling.replaced),
        Row("dry", "every playbook with --check --diff", unchanged.dry),
        Row("late", "rollback to a release that is older than one of the hosts, under load", rollout.back),
        Row("leaks", "no secret in ps, journal, readable files, Ansible's output", doors.leaks),
        Row("restored", "a dump restored onto a bare host", losses.restored),
        Row("wrong", "an inventory that is wrong in every way", losses.wrong),
    )
}

#: Those that every change has to pass.
SHORT: Final = ("bare", "promised", "again", "rolling", "broken", "moved", "back")
