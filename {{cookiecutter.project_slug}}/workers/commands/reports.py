"""How commands print reports: tables and findings for people, the same as JSON; the worst finding is the exit code."""

import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from rich import box
from rich.table import Table as Grid
from rich.text import Text

from workers.brokers.report import Finding, Report, Severity, Table, worst
from workers.commands.output import print_json, stdout

#: Severity -> exit code; 1 and 2 are taken by refusals and wrong usage.
EXIT_CODES: Final = {Severity.OK: 0, Severity.WARNING: 3, Severity.CRITICAL: 4}
#: For the `--help` of commands that end so.
EPILOG: Final = "Exit codes: 0 all is well; 3 a warning; 4 critical; 1 refused; 2 wrong usage."

_COLOURS: Final = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.CRITICAL: "red"}


def show(reports: Sequence[Report], *, as_json: bool) -> NoReturn:
    """Print the reports and leave with the exit code of the worst finding."""
    severity = worst(report.severity for report in reports)
    if as_json:
        print_json({"severity": severity.name.lower(), "reports": [report.as_data() for report in reports]})
    else:
        for report in reports:
            _print(report)
    sys.exit(EXIT_CODES[severity])


def _print(report: Report) -> None:
    stdout.print(Text(report.title, style="bold"))
    for table in report.tables:
        stdout.print(_grid(table), soft_wrap=False)
    for finding in sorted(report.findings, key=lambda finding: -finding.severity):
        stdout.print(_line(finding), soft_wrap=False)
    if not report.findings:
        stdout.print("[green]all is well[/]")
    stdout.print()


def _grid(table: Table) -> Grid:
    numbers = [
        all(isinstance(row[index], int | float | None) for row in table.rows) for index in range(len(table.columns))
    ]
    grid = Grid(title=table.title, title_justify="left", title_style="dim", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, (column, is_number) in enumerate(zip(table.columns, numbers, strict=True)):
        grid.add_column(
            column,
            justify="right" if is_number and table.rows else "left",
            overflow="fold",
            no_wrap=index == 0,  # a name is copied whole
        )
    for row in table.rows:
        grid.add_row(*("-" if cell is None else str(cell) for cell in row))
    return grid


def _line(finding: Finding) -> Text:
    severity = finding.severity
    return Text.assemble(
        (f"{severity.name.lower():<9}", f"bold {_COLOURS[severity]}"),
        (f"{finding.subject}: ", "bold"),
        finding.message,
        (f"; {finding.cure}" if finding.cure else "", "green"),
    )
