"""The fault matrix as a table: what the tests of each row have counted. Pure, but for `publish`, which puts it into a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

HEADINGS = ("#", "fault", "result", "writes", "faults", "messages", "recovery", "peak RSS", "time", "remarks")
ROW_OF_MODULE = re.compile(r"test_(\d\d)_\w+\.py")


@dataclass(slots=True)
class Counts:
    """Counts of what a test has done and seen: writes to MongoDB, faults made, messages read back; seconds, MB, and remarks."""

    writes: int = 0
    faults: int = 0
    messages: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    peak_rss_mb: float = 0.0
    remarks: list[str] = field(default_factory=list)

    def __add__(self, other: Self) -> Counts:
        return Counts(
            self.writes + other.writes,
            self.faults + other.faults,
            self.messages + other.messages,
            self.recoveries_s + other.recoveries_s,
            max(self.peak_rss_mb, other.peak_rss_mb),
            [*dict.fromkeys(self.remarks + other.remarks)],
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, which pytest can hand from one process to another."""
        return asdict(self)


@dataclass(slots=True)
class Row:
    """One row: all tests of one module, or of several that say the same fault."""

    number: int
    fault: str
    outcomes: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0

    @property
    def result(self) -> str:
        """The worst of its tests' outcomes."""
        ranks = ("failed", "skipped", "passed")
        return min(self.outcomes, key=ranks.index, default="not run")

    def cells(self) -> tuple[str, ...]:
        """As text, in the order of HEADINGS; empty where nothing was counted."""
        counts = self.counts
        return (
            str(self.number),
            self.fault,
            self.result,
            *(f"{count:,}" if count else "" for count in (counts.writes, counts.faults, counts.messages)),
            _recovery(counts.recoveries_s),
            f"{counts.peak_rss_mb:.0f} MB" if counts.peak_rss_mb else "",
            f"{self.seconds:.0f} s",
            "; ".join(counts.remarks),
        )


def _recovery(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return f"{seconds[0]:.1f} s" if seconds else ""
    return f"{median(seconds):.1f} s, at most {max(seconds):.1f} s"


def table(rows: Iterable[Row]) -> str:
    """A Markdown table whose columns line up, so that it can be read on a terminal too."""
    lines = [HEADINGS, *(row.cells() for row in sorted(rows, key=lambda row: row.number))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    texts = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])


def row_number(module: str) -> int | None:
    """The row that a test module is about, by its file name; None if it is about none."""
    match = ROW_OF_MODULE.fullmatch(module)
    return int(match[1]) if match else None


def fault_named_in(docstring: str) -> str:
    """A module's first line without its number: `Row 1: the worker is killed.` is about `the worker is killed`."""
    return re.sub(r"^Row \d+: ", "", docstring.strip().partition("\n")[0]).rstrip(".")


def publish(document: Path, part: str, facts: Mapping[str, str], rows: Iterable[Row]) -> None:
    """Put facts and table between the markers called `part` in `document`. Raises ValueError if those are not there."""
    begin, end = f"<!-- {part}: made by the tests -->\n", f"<!-- end of {part} -->"
    before, opening, rest = document.read_text().partition(begin)
    _, closing, after = rest.partition(end)
    if not closing:
        raise ValueError(f"{document} has no place for {part}")
    told = "\n".join(f"* {name}: {value}" for name, value in facts.items())
    document.write_text(f"{before}{opening}\n{told}\n\n{table(rows)}\n\n{closing}{after}")
