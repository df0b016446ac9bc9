"""The one table: a row per command and size, each beside the row of the next smaller size."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from benchmarks.measure import Measured

SECONDS_AFTER_SECRET = 4
SECONDS_AFTER_DELETION = 20
"""What the real plugin waits after each secret it makes, and after each application it deletes."""

HEADER = ("registrations", "command", "time", "ratio", "CPU", "ratio", "memory", "ratio", "requests", "plugin's waits")


@dataclass(frozen=True)
class Row:
    """One command on a stack of one size."""

    registrations: int
    command: str
    measured: Measured
    wait_seconds: int = 0
    """What the real plugin waits per registration in this command; the stand-in does not wait."""


def markdown(rows: Sequence[Row], parallel: int, first: Sequence[str]) -> str:
    """The table.

    Args:
        rows: The rows, smaller sizes first.
        parallel: How many operations the engine runs at once.
        first: The cells of the row that compares this program with an empty one.
    """
    cells: list[Sequence[str]] = [HEADER, ["---"] * len(HEADER), first]
    smaller: dict[str, Row] = {}
    for row in rows:
        before = smaller.get(row.command)
        cells.append(_cells(row, before, parallel))
        smaller[row.command] = row
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADER))]
    lines = (
        " | ".join(cell.ljust(width, "-" if cell == "---" else " ") for cell, width in zip(line, widths, strict=True))
        for line in cells
    )
    return "".join(f"| {line} |\n" for line in lines)


def _cells(row: Row, before: Row | None, parallel: int) -> list[str]:
    now, then = row.measured, before.measured if before else None
    # Operations that wait do so side by side, as many as the engine runs at once.
    waits = ceil(row.registrations / parallel) * row.wait_seconds
    return [
        f"{row.registrations:,}",
        row.command,
        seconds(now.seconds),
        ratio(now.seconds / then.seconds) if then else "",
        seconds(now.cpu_seconds),
        ratio(now.cpu_seconds / then.cpu_seconds) if then else "",
        mebibytes(now.peak_bytes),
        ratio(now.peak_bytes / then.peak_bytes) if then else "",
        f"{now.requests:,}",
        f"at least {waits} s" if waits else "none",
    ]


def ratio(value: float) -> str:
    """A ratio as the table shows it."""
    return f"x{value:.1f}"


def seconds(value: float) -> str:
    """A time as the table shows it."""
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"  # noqa: PLR2004 - three digits are enough


def mebibytes(value: float) -> str:
    """A size as the table shows it."""
    return f"{value / 2**20:.0f} MiB"
