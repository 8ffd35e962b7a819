"""Findings of watchers that share a server, put together: what is the same for all of them is said once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from watcher.doctor.check import Finding, Outcome, ok
from watcher.doctor.examination import TITLES, Section

NAMED = 5
"""Most watchers that are named where one line is about some of many."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A finding, the titles of the checks that had it, and the watchers that it is about, in the form `a, b: `; empty if it is
    about all of the group."""

    titles: tuple[str, ...]
    finding: Finding
    whose: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Sections of one area and one server, a watcher each."""

    sections: tuple[Section, ...]

    @property
    def area(self) -> str:
        """The area of all sections."""
        return self.sections[0].area

    @property
    def name(self) -> str:
        """The watchers' names in the form `a, b: `; empty for the deployment's own section."""
        return _names([section.watcher for section in self.sections if section.watcher])

    @property
    def place(self) -> str:
        """The place of the one section, or the server that several share."""
        return self.sections[0].place if len(self.sections) == 1 else self.sections[0].server

    def rows(self) -> Iterator[ReportLine]:
        """Yield the rows in the order of the checks. Checks that were not made for the same reason share a row."""
        each = (row for name in self.sections[0].findings for row in self._rows_of(name))
        for (finding, whose), alike in groupby(each, key=lambda row: (row.finding, row.whose)):
            rows = list(alike)
            if finding.outcome is Outcome.NOT_CHECKED and not finding.fix:
                yield ReportLine(tuple(title for row in rows for title in row.titles), finding, whose)
            else:
                yield from rows

    def _rows_of(self, name: str) -> Iterator[ReportLine]:
        """Yield a row for each text of one check. Where it is well with several watchers, each in its own words, one row counts
        them."""
        alike: dict[tuple[Outcome, str], list[Section]] = {}
        for section in self.sections:
            finding = section.findings[name]
            alike.setdefault((finding.outcome, finding.text), []).append(section)
        good = [key for key in alike if key[0] is Outcome.OK]
        if len(good) > 1:
            count = sum(len(alike.pop(key)) for key in good)
            yield ReportLine((TITLES[name],), ok(f"good for {count} of {len(self.sections)} watchers"))
        for sections in alike.values():
            whose = _names([section.watcher for section in sections]) if len(sections) < len(self.sections) else ""
            yield ReportLine((TITLES[name],), _one_of([section.findings[name] for section in sections]), whose)


def grouped(sections: Iterable[Section]) -> Iterator[Group]:
    """Yield the sections of each area and server, in the order in which these come first."""
    groups: dict[tuple[str, str], list[Section]] = {}
    for section in sections:
        groups.setdefault((section.area, section.server), []).append(section)
    for found in groups.values():
        yield Group(tuple(found))


def _one_of(findings: Sequence[Finding]) -> Finding:
    """The first of findings with one text. A remedy names the place of a setting, which each watcher has in a file of its own."""
    first, others = findings[0], {finding.fix for finding in findings}
    return first if len(others) == 1 else replace(first, fix=f"{first.fix}\nand likewise for the other {len(findings) - 1}")


def _names(watchers: Sequence[str]) -> str:
    named = ", ".join(watchers[:NAMED])
    more = f" and {len(watchers) - NAMED} more" if len(watchers) > NAMED else ""
    return f"{named}{more}: " if watchers else ""
