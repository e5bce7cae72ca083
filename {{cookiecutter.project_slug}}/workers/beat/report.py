"""What there is to say about the scheduler, for `workers beat`."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone

from workers.beat.lease import SILENT, prepare, read
from workers.beat.models import Entry, MissedRun, Run, Scheduler
from workers.beat.plan import Planned
from workers.beat.runs import PUNCTUAL, last_slots
from workers.brokers.report import Finding, Report, Severity, Table
from workers.topology import Topology

#: How far `workers beat status` looks back for missed runs.
RECENTLY = timedelta(hours=24)


def overview(topology: Topology) -> Report:
    """Who schedules, and where each entry stands."""
    prepare()
    lease, now = read()
    active = lease.holder if lease.expires_at > now else ""
    schedulers = list(Scheduler.objects.filter(seen_at__gte=now - SILENT).order_by("name"))
    entries = list(Entry.objects.exclude(origin=Entry.Origin.GONE))
    report = Report(f"periodic tasks of {topology.project}, {_shown(now)}")
    report.tables = [_schedulers(schedulers, active, now), _entries(entries, now)]
    report.findings = [
        *_nobody(active, lease.expires_at),
        *_too_few(len(schedulers), topology.beat.hosts),
        *_overdue(entries, now),
        *_missed_recently(now),
    ]
    return report


def missed_runs(back: timedelta) -> Report:
    """The runs that were missed, sent late, or perhaps sent."""
    prepare()
    now = read()[1]
    runs = list(MissedRun.objects.filter(due__gte=now - back))
    report = Report(f"missed runs of the last {back.total_seconds() / 3600:g} hours")
    rows = [(run.name, run.get_state_display(), run.count, _span(run), run.because) for run in runs]
    if rows:
        report.tables = [Table("", ("entry", "state", "runs", "due", "because"), rows)]
    report.findings = [_finding(state, runs) for state in Run.REMARKABLE if any(run.state == state for run in runs)]
    return report


def _schedulers(schedulers: list[Scheduler], active: str, now: datetime) -> Table:
    rows = [
        (each.name, "active" if each.name == active else "waiting", round((now - each.seen_at).total_seconds()))
        for each in schedulers
    ]
    return Table("schedulers", ("host:process", "is", "seen, s ago"), rows)


def _entries(entries: list[Entry], now: datetime) -> Table:
    last = {run.name: run for run in Run.objects.filter(due__in=set(last_slots().values())).order_by("due")}
    return Table("entries", ("entry", "when", "next", "last", "was"), [_row(each, last, now) for each in entries])


def _row(entry: Entry, last: dict[str, Run], now: datetime) -> tuple[str | None, ...]:
    upcoming = entry.timing.following(now) if entry.enabled else None
    run = last.get(entry.name)
    return (
        entry.name,
        str(entry.timing),
        _shown(upcoming) if upcoming else ("disabled" if not entry.enabled else None),
        _shown(run.due) if run else None,
        Run.State(run.state).label if run else None,
    )


def _nobody(active: str, since: datetime) -> Iterator[Finding]:
    if not active:
        told = f"none is active since {_shown(since)}" if since.year > 1970 else "none has ever been active"  # noqa: PLR2004
        yield Finding(Severity.CRITICAL, "schedulers", told, "start one: celery -A config beat")


def _too_few(running: int, wanted: int) -> Iterator[Finding]:
    if running < wanted:
        message = f"{running} of {wanted} (beat.hosts) run"
        yield Finding(Severity.WARNING, "schedulers", message, "start the others, or the next fault leaves none")


def _overdue(entries: list[Entry], now: datetime) -> Iterator[Finding]:
    last = last_slots()
    for entry in entries:
        planned = Planned.after(entry, last.get(entry.name))
        if entry.enabled and planned.next and now - planned.next > PUNCTUAL:
            message = f"due since {_shown(planned.next)} and not sent"
            yield Finding(Severity.CRITICAL, entry.name, message, "look into the log of the active scheduler")


def _missed_recently(now: datetime) -> Iterator[Finding]:
    count = MissedRun.objects.filter(due__gte=now - RECENTLY).count()
    if count:
        yield Finding(Severity.WARNING, "runs", f"{count} missed or late within a day", "python -m workers beat missed")


def _finding(state: Run.State, runs: list[MissedRun]) -> Finding:
    count = sum(run.count for run in runs if run.state == state)
    names = sorted({run.name for run in runs if run.state == state})
    severity = Severity.WARNING if state == Run.State.LATE else Severity.CRITICAL
    cures = {
        Run.State.LATE: "see that the brokers and the database answer in time: python -m workers beat status",
        Run.State.MISSED: "send the task by hand if it is still wanted",
        Run.State.DOUBTFUL: "look for its task id in the logs, and send it by hand if it did not run",
    }
    return Finding(severity, f"{count} {state.label}", ", ".join(names), cures[state])


def _span(run: Run) -> str:
    first = f"{_shown(run.first_due)} to " if run.first_due and run.count > 1 else ""
    return first + _shown(run.due)


def _shown(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
