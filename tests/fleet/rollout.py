"""Rows: from bare hosts to a fleet that serves, releases that come to it, and the way back."""

from typing import Final

from tests.fleet import project
from tests.fleet.ground import Ground, Played
from tests.fleet.row import Seen
from tests.fleet.shopping import Shopping, shopping

#: Seconds from bare hosts to a passed smoke test, and of a rollback.
BARE: Final = 300
BACK: Final = 60


def bare(ground: Ground) -> Seen:
    """From hosts with nothing on them to an order through every group."""
    site, smoke = ground.must("site.yml"), ground.must("smoke.yml")
    took = site.seconds + smoke.seconds
    misses = [f"it took {took:.0f} s, at most {BARE} were promised"] if took > BARE else []
    return Seen(f"{site.seconds:.0f} s and {smoke.seconds:.0f} s for the smoke test", misses)


def again(ground: Ground) -> Seen:
    """The same playbook once more."""
    played = ground.must("site.yml")
    return Seen(f"{sum(played.changed.values())} changed, {played.seconds:.0f} s", _changed(played))


def rolling(ground: Ground) -> Seen:
    """A second release comes to hosts that work; it knows one argument and one column more."""
    _second_release(ground)
    with shopping(ground) as told:
        played = ground.must("deploy.yml")
    return _seen(told, played.seconds)


def broken(ground: Ground) -> Seen:
    """A release that cannot start."""
    before = current(ground)
    project.change(ground.project.root, "config/wsgi.py", r"\A", "raise RuntimeError('it cannot start')\n")
    project.commit(ground.project.root, "It cannot start")
    with shopping(ground) as told:
        played = ground.play("deploy.yml")
    project.undo(ground.project.root)
    seen = _seen(told, played.seconds)
    if played.code == 0:
        seen.misses.append("the deploy says that it succeeded")
    if "it cannot start" not in played.text:
        seen.misses.append("its message does not say why")
    if (now := current(ground)) != before:
        seen.misses.append(f"hosts do not have the old release: {now}, before {before}")
    return seen


def back(ground: Ground) -> Seen:
    """To the release before."""
    before = current(ground)
    with shopping(ground) as told:
        played = ground.must("rollback.yml")
    seen = _seen(told, played.seconds)
    if played.seconds > BACK:
        seen.misses.append(f"it took {played.seconds:.0f} s, at most {BACK} were promised")
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


def _changed(played: Played) -> list[str]:
    return [f"{host}: {count} changed" for host, count in played.changed.items() if count]


def _seen(told: Shopping, seconds: float) -> Seen:
    return Seen(f"{seconds:.0f} s; {told.summary}", told.misses())
