"""Where our messages differ from the peers', each with its reason: what the test allows, and a table for docs/formats.md."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple


class PeerDifference(NamedTuple):
    """Fields of a peer's message, as a glob over dotted paths from `key` or `value` on, in which ours may differ; or another
    difference, which the test looks past.
    """

    envelope: str
    path: str
    reason: str


NO_NUMBERS = "which JSON does not have, are bare words there, and `$numberDouble` here, which every reader of JSON can read"
OLD_TYPES = "these deprecated types are `$undefined` and `$symbol` there, null and text here, as in all our dialects"

DIFFERENCES = (
    PeerDifference("debezium", "value.source.name", "Debezium has its `topic.prefix` there; ours is the watcher's name"),
    PeerDifference("debezium", "value.ts_[mun]s", "Debezium has the time at which it worked; ours is that of the change"),
    PeerDifference(
        "debezium", "value.source.ts_[mun]s", "Debezium has MongoDB's `wallTime`; ours is `clusterTime`, in whole seconds"
    ),
    PeerDifference("debezium", "key.id", "an `_id` that is null is the text `null` there; ours is null itself"),
    PeerDifference("debezium", "undefined, symbol", OLD_TYPES),
    PeerDifference("debezium", "NaN, Infinity", NO_NUMBERS),
    PeerDifference("debezium", "spaces", "Debezium has one after each colon in texts that are JSON"),
    PeerDifference("mongodb", "key._id*", "the connector has the document's `_id` there by default; ours is the event's"),
    PeerDifference("mongodb", "undefined, symbol", OLD_TYPES),
    PeerDifference("mongodb", "NaN, Infinity", NO_NUMBERS),
    PeerDifference(
        "mongodb", "spaces, order", "the connector has a space after each colon and comma, and `txnNumber` and `lsid` first"
    ),
)


def is_allowed(envelope: str, path: str) -> bool:
    """True if the fields may differ."""
    return any(each.envelope == envelope and fnmatchcase(path, each.path) for each in DIFFERENCES)


def table(envelope: str) -> str:
    """The differences as a table in Markdown."""
    rows = [f"| `{each.path}` | {each.reason} |" for each in DIFFERENCES if each.envelope == envelope]
    return "\n".join(["| field | why it differs |", "|---|---|", *rows, ""])
