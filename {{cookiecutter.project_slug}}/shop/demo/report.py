"""What people see at the end: the figures of each group, what was done, and where to look at it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from django.urls import reverse
from rich import box
from rich.table import Table
from rich.text import Text

from config.env import environment
from shop.demo.events import Seen, Tasks
from shop.demo.work import Work
from shop.templatetags.shop import money


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all values do not exceed (nearest rank)."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Figures:
    """The tasks of one group in numbers; times in seconds."""

    group: str
    tasks: int
    wait: tuple[float | None, float | None]
    run: tuple[float | None, float | None]
    retries: int
    failures: int


def figures(group: str, tasks: Iterable[Seen]) -> Figures:
    """Count a group's tasks: p50 and p95 of waiting and running."""
    of = list(tasks)
    waits = [task.wait for task in of if task.wait is not None]
    runs = [task.run for task in of if task.run is not None]
    return Figures(
        group,
        len(of),
        (percentile(waits, 0.5), percentile(waits, 0.95)),
        (percentile(runs, 0.5), percentile(runs, 0.95)),
        sum(task.retries for task in of),
        sum(task.state == "failed" for task in of),
    )


def table(groups: Iterable[str], tasks: Tasks) -> Table:
    """Draw the figures of every group, in the order of the topology."""
    drawn = Table(
        title="What the workers did",
        title_style="bold",
        title_justify="left",
        caption="wait: from sending a task to its start; p95: 95 of 100 were quicker",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    drawn.add_column("group", style="bold cyan")
    for heading in ("tasks", "wait p50", "wait p95", "run p50", "run p95", "retries", "failed"):
        drawn.add_column(heading, justify="right")
    for group in groups:
        row = figures(group, (task for task in tasks.ours() if task.queue == group))
        times = [duration(seconds) for seconds in (*row.wait, *row.run)]
        failures = Text(str(row.failures), style="bold red" if row.failures else "green")
        drawn.add_row(group, str(row.tasks), *times, str(row.retries), failures)
    return drawn


def duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s"


def summary(work: Work) -> Table:
    """Say what the shop has to show for it."""
    orders = Counter(state["state"] for state in work.orders.done)
    slips = work.slips.done
    wrong = [slip for slip in slips if slip["digits"] != slip["expected"]]
    drawn = _pairs("What came of it")
    drawn.add_row(
        f"{len(work.orders.done)} orders",
        f"{orders['confirmed']} paid and confirmed, {orders['declined']} declined (cards that end in 0); "
        f"{len(work.repeated)} were sent twice under one key, and placed once",
    )
    for job in work.imports.done:
        kept = job["rows_done"] - job["rows_bad"]
        drawn.add_row("catalogue", f"{kept} products; {job['rows_bad']} rows left out, with line and reason")
    drawn.add_row(
        f"{len(slips)} slips",
        f"{len(slips) - len(wrong)} read right; {sum(slip['unsure'] for slip in slips)} marked for a person to "
        f"look at, {sum(not slip['unsure'] for slip in wrong)} misread and not marked",
    )
    for letter in work.newsletters.done:
        drawn.add_row("newsletter", f"to {letter['recipients']} subscribers")
    for report in work.reports.done:
        drawn.add_row("report", f"{report['orders']} orders today, {money(report['revenue_cents'])}")
    return drawn


def addresses(site: str) -> Table:
    """Say where to look."""
    drawn = _pairs("Where to look")
    drawn.add_row("shop", f"{site}/")
    for name in ("imports", "slips", "reports"):
        drawn.add_row(name, site + reverse(f"shop:{name}"))
    drawn.add_row("admin", f"{site}/admin/  (admin, ADMIN_PASSWORD in .env)")
    flower = f"http://127.0.0.1:{environment().flower_port}/"
    drawn.add_row("Flower", f"{flower}  ({environment().flower_user}, FLOWER_PASSWORD in .env)")
    return drawn


def problems(work: Work, tasks: Tasks) -> Iterator[str]:
    """Name what did not finish, and what failed."""
    for kind in work.everything:
        if kind.open:
            yield f"{kind.label}: {len(kind.open)} of {kind.expected} did not finish, such as {next(iter(kind.open))}"
        if missing := kind.expected - len(kind.done) - len(kind.open):
            yield f"{kind.label}: {missing} of {kind.expected} were not begun"
    for state, said in (("open", "did not end"), ("failed", "failed")):
        named = Counter(f"{task.name} ({task.queue})" for task in tasks.ours() if task.state == state)
        yield from (f"tasks: {count} x {name} {said}" for name, count in named.items())


def _pairs(title: str) -> Table:
    drawn = Table(title=title, title_style="bold", title_justify="left", box=None, show_header=False, pad_edge=False)
    drawn.add_column(style="cyan")
    drawn.add_column()
    return drawn
