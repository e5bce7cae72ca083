"""Rows: from bare hosts to a fleet that serves, releases that come to it, and the way back."""

import re
from typing import Final

from tests.fleet import project
from tests.fleet.ground import Ground
from tests.fleet.row import Seen
from tests.fleet.shopping import Shopping, shopping

#: Seconds from bare hosts to a passed smoke test, and of a rollback.
BARE: Final = 300
BACK: Final = 60
#: What is said of a host on which a release did not come up.
_PUT_BACK: Final = r"web1: \S+ was not brought into service"


def bare(ground: Ground) -> Seen:
    """From hosts with nothing on them to an order through every group."""
    site, smoke = ground.must("site"), ground.must("smoke")
    took = site.seconds + smoke.seconds
    return Seen(f"{site.seconds:.0f} s and {smoke.seconds:.0f} s for the smoke test", late=_late(took, BARE))


def promised(ground: Ground) -> Seen:
    """What a role's README promises and a playbook cannot see: `make verify`."""
    played = ground.verify()
    kept = sum(map(int, re.findall(r"(\d+) kept", played.text)))
    return Seen(f"{kept} promises looked up in {played.seconds:.0f} s", [played.text] if played.code else [])


def rolling(ground: Ground) -> Seen:
    """A second release comes to hosts that work; it knows one argument and one column more."""
    _second_release(ground)
    with shopping(ground) as told:
        played = ground.must("deploy")
    return _seen(told, played.seconds)


def broken(ground: Ground) -> Seen:
    """A release that cannot start."""
    project.change(ground.project.root, "config/wsgi.py", r"\A", "raise RuntimeError('it cannot start')\n")
    return _stopped(ground, "It cannot start", "it cannot start", _PUT_BACK)


def unready(ground: Ground) -> Seen:
    """A release that starts, answers, and says of itself that it is not ready."""
    answer = "    return JsonResponse({'components': {'probe': {'status': 'failed'}}}, status=503)\n"
    project.change(ground.project.root, "config/health.py", r"^(?=    components = readiness)", answer)
    return _stopped(ground, "It is never ready", "/readyz: 503, probe: failed", _PUT_BACK)


def failing_migration(ground: Ground) -> Seen:
    """A migration that breaks off."""
    raising = "    operations = [migrations.RunPython(lambda *_: exec(\"raise RuntimeError('no row')\"))]\n"
    _migrate(ground, "breaks", raising)
    return _stopped(ground, "A migration that breaks off", "no row", r"fatal|failed")


def unfit_migration(ground: Ground) -> Seen:
    """A migration that the release which runs could not live with."""
    _migrate(ground, "takes", "    operations = [migrations.RemoveField('report', 'day')]\n")
    return _stopped(ground, "A migration that takes a column", "Remove field day from report", r"fatal|failed")


def back(ground: Ground) -> Seen:
    """To the release before."""
    before = current(ground)
    with shopping(ground) as told:
        played = ground.must("rollback")
    seen = _seen(told, played.seconds)
    seen.late += _late(played.seconds, BACK)
    if current(ground) == before:
        seen.misses.append("the hosts have the same release as before")
    return seen


def current(ground: Ground) -> dict[str, str]:
    """Which release is current, by host."""
    link = f"/srv/{project.NAME}/current"
    hosts = {host.name: host for group in ("web", "workers_default", "beat") for host in ground.hosts(group)}
    return {name: host.run("readlink", link).stdout.strip().rpartition("/")[2] for name, host in hosts.items()}


def _second_release(ground: Ground) -> None:
    """A migration that the old release does not notice, and a task with an argument that the old one does not send."""
    root = ground.project.root
    project.change(
        root,
        "shop/models/reports.py",
        r"^(?=    day = )",
        "    remark = models.TextField(blank=True, default='', db_default='')\n",
    )
    made = ground.project.run("manage.py", "makemigrations", "shop", "--name", "remark")
    assert made.returncode == 0, made.stderr
    project.change(root, "shop/tasks/batch.py", r"^def report_part\((.*)\)", r"def report_part(\1, remark: str = '')")
    project.commit(root, "A remark in reports")


def _migrate(ground: Ground, name: str, operations: str) -> None:
    """An empty migration, with these operations."""
    root = ground.project.root
    made = ground.project.run("manage.py", "makemigrations", "shop", "--empty", "--name", name)
    assert made.returncode == 0, made.stderr
    [file] = (root / "shop/migrations").glob(f"*_{name}.py")
    project.change(root, str(file.relative_to(root)), r"^    operations = \[\n    \]\n", operations)


def _stopped(ground: Ground, message: str, reason: str, where: str) -> Seen:
    """Deploy what was changed, under load: it stops, says `reason` and `where` (a pattern), and changes nothing."""
    before = current(ground)
    project.commit(ground.project.root, message)
    with shopping(ground) as told:
        played = ground.play("deploy")
    project.undo(ground.project.root)
    seen = _seen(told, played.seconds)
    if played.code == 0:
        seen.misses.append("the deploy says that it succeeded")
    if reason not in played.text:
        seen.misses.append(f"its message does not say: {reason}")
    if not re.search(where, played.text):
        seen.misses.append("its message does not say which host")
    if (now := current(ground)) != before:
        seen.misses.append(f"hosts do not have the old release: {now}, before {before}")
    return seen


def _late(seconds: float, promised: float) -> list[str]:
    return [f"it took {seconds:.0f} s, at most {promised} were promised"] if seconds > promised else []


def _seen(told: Shopping, seconds: float) -> Seen:
    return Seen(f"{seconds:.0f} s; {told.summary}", told.misses())
