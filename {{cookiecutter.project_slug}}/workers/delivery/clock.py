"""The database's clock in SQL, for statements that Django's query language has no words for."""

from dataclasses import dataclass
from typing import Final

from django.db import connection


@dataclass(frozen=True)
class Clock:
    """Pieces of SQL, one set a kind of database."""

    now: str
    """The time when the statement began, as a DateTimeField holds it."""
    later: str
    """So many seconds after it: takes one parameter, a number."""
    token: str
    """A number that is higher than all before it: microseconds since 1970, a whole number. A row that was cleaned up
    and made anew goes on where it was, without a row that everybody would have to count in."""
    higher: str
    """The function that gives the higher of two numbers."""

    def sql(self, statement: str) -> str:
        """Fill the pieces in by their names."""
        return statement.format(now=self.now, later=self.later, token=self.token, higher=self.higher)


#: Django's own spelling of dates on SQLite; %% because the statements have parameters.
_SQLITE_NOW: Final = "'%%Y-%%m-%%d %%H:%%M:%%f', 'NOW'"

CLOCKS: Final = {
    "postgresql": Clock(
        now="STATEMENT_TIMESTAMP()",
        later="STATEMENT_TIMESTAMP() + INTERVAL '1 second' * %s",
        token="(EXTRACT(EPOCH FROM CLOCK_TIMESTAMP()) * 1000000)::BIGINT",  # noqa: S106 - no password
        higher="GREATEST",
    ),
    "sqlite": Clock(
        now=f"STRFTIME({_SQLITE_NOW})",
        later=f"STRFTIME({_SQLITE_NOW}, %s || ' seconds')",
        token="CAST((JULIANDAY('NOW') - 2440587.5) * 86400000000 AS INTEGER)",  # noqa: S106
        higher="MAX",
    ),
}


def in_sql(statement: str) -> str:
    """`statement` for the project's database, with {now}, {later}, {token} and {higher} filled in."""
    return CLOCKS[connection.vendor].sql(statement)
