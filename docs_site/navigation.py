"""The navigation of the site, from the index in docs/README.md: so a page is listed once."""

from __future__ import annotations

import re

HEADING = re.compile(r"^(##+) (.+)$")
ENTRY = re.compile(r"^\* \[[^]]+\]\((?P<page>[^)#]+\.md)")

Section = dict[str, list[object]]
"""A title, with pages and further sections."""


def navigation(index: str) -> list[Section]:
    """Return the pages that the index lists, below its headings of the second and the third level."""
    top: list[Section] = []
    entries: list[object] = []
    for line in index.splitlines():
        if heading := HEADING.match(line):
            inner: list[object] = []
            (top if heading[1] == "##" else next(iter(top[-1].values()))).append({heading[2]: inner})
            entries = inner
        elif (entry := ENTRY.match(line)) and not entry["page"].startswith("../"):
            entries.append(entry["page"])
    return top
