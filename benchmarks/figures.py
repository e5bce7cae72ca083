"""A measured figure beside its goal."""

from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Figure:
    """One line of the report; goals are aims, not assertions: a busy machine misses them."""

    name: str
    measured: str
    goal: str
    how: str


def spread(values: list[float], unit: str) -> str:
    """The median with the lowest and highest value."""
    return f"{median(values):.2f} {unit} ({min(values):.2f} to {max(values):.2f})"


def percentile(values: list[float], percent: int) -> float:
    """The value below which `percent` of `values` lie."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]
