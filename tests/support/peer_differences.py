"""Where our messages differ from the peers' on purpose, each with its reason: what the test allows, and docs/formats.md shows."""

from __future__ import annotations

from typing import NamedTuple


class PeerDifference(NamedTuple):
    """Fields of a peer's message, as a glob over dotted paths, in which ours may differ."""

    envelope: str
    path: str
    reason: str


DIFFERENCES: tuple[PeerDifference, ...] = ()


def table(envelope: str) -> str:
    """The differences as a table in Markdown."""
    rows = [f"| `{each.path}` | {each.reason} |" for each in DIFFERENCES if each.envelope == envelope]
    return "\n".join(["| field | why it differs |", "|---|---|", *rows, ""])
