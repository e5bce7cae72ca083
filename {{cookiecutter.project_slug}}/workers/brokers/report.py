"""What there is to say about a broker: findings by severity for people, the same as data for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """How bad a finding is; the worst one decides the exit code."""

    OK = 0
    WARNING = 1
    """Works, and would not bear the next fault: somebody looks at it today."""
    CRITICAL = 2
    """Does not work, or loses work: somebody gets up for it."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    severity: Severity
    subject: str
    """What it is about: a node, a queue, a policy."""
    message: str
    """What was found, and what it should be."""
    cure: str
    """What to do, or what to look at next."""


@dataclass(frozen=True)
class Table:
    """Rows to look at; the cells are plain text, numbers as numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]


@dataclass
class Report:
    """All that was seen of one broker."""

    title: str
    tables: list[Table] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        """The worst finding's."""
        return worst(finding.severity for finding in self.findings)

    def as_data(self) -> dict[str, Any]:
        """The same for programs: each table as a list of rows by column."""
        return {
            "title": self.title,
            "severity": self.severity.name.lower(),
            "findings": [{**asdict(found), "severity": found.severity.name.lower()} for found in self.findings],
            "tables": {
                table.title: [dict(zip(table.columns, row, strict=True)) for row in table.rows] for table in self.tables
            },
        }


def worst(severities: Iterable[Severity]) -> Severity:
    """The highest of them; OK where there is none."""
    return max(severities, default=Severity.OK)
