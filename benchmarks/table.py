"""The lines that are printed, and whether each reached what was promised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_HEADINGS = ("what", "measured", "ratio", "of", "reach", "reached")
_RIGHT_ALIGNED = (1, 2)


@dataclass(frozen=True, slots=True)
class Row:
    """One line.

    Attributes:
        what: What was measured.
        measured: The median, with its unit.
        ratio: The median of the ratios within the rounds.
        of: What the ratio refers to.
        at_most: The promise, if the ratio shall be small.
        at_least: The promise, if it shall be great.
    """

    what: str
    measured: str = ""
    ratio: float | None = None
    of: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def reach(self) -> str:
        """The promise in words; empty if there is none."""
        if self.at_most is not None:
            return f"at most {self.at_most:.2f}"
        if self.at_least is not None:
            return f"at least {self.at_least:.2f}"
        return ""

    @property
    def reached(self) -> str:
        """``yes``, ``NO``, or nothing where nothing was promised or measured."""
        if self.ratio is None or not self.reach:
            return ""
        is_reached = (self.at_most is None or self.ratio <= self.at_most) and (
            self.at_least is None or self.ratio >= self.at_least
        )
        return "yes" if is_reached else "NO"

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of the columns."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (self.what, self.measured, ratio, self.of, self.reach, self.reached)


def microseconds(seconds: float) -> str:
    """Write a short time."""
    return f"{seconds * 1e6:.2f} us"


def milliseconds(seconds: float) -> str:
    """Write a longer time."""
    return f"{seconds * 1e3:.1f} ms"


def print_rows(title: str, rows: Iterable[Row]) -> None:
    """Print a section: its title, then a table that is Markdown too."""
    print(f"\n### {title}\n")
    print_table(_HEADINGS, [row.cells for row in rows], _RIGHT_ALIGNED)


def print_table(
    headings: Sequence[str],
    lines: Iterable[Sequence[str]],
    right_aligned: Sequence[int] = (),
) -> None:
    """Print texts in aligned columns."""
    table = [headings, *lines]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rule = [
        "-" * (width - 1) + (":" if index in right_aligned else "-")
        for index, width in enumerate(widths)
    ]
    for line in (table[0], rule, *table[1:]):
        cells = [
            cell.rjust(width) if index in right_aligned else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("| " + " | ".join(cells) + " |", flush=True)
