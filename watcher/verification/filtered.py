"""Differences between collections and topics that a watcher's settings may have made, so that they are no faults. Pure.

The documents are read through the same stages as the changes, but as they are now. A change that was left out on the way leaves an
older state in the topics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from watcher.config import Settings
from watcher.verification.result import Verdict

WITHOUT: Mapping[str, Verdict] = MappingProxyType(
    {"insert": Verdict.MISSING, "update": Verdict.DIFFERENT, "replace": Verdict.DIFFERENT, "delete": Verdict.EXTRA}
)
"""The difference that remains when an operation is left out."""

DROPPING = ("$match", "$redact")
"""Stages that may leave out a change."""

OF_THE_CHANGE = ("operationType", "updateDescription", "fullDocumentBeforeChange", "clusterTime", "wallTime", "$$NOW")
"""Names of what differs from change to change of one document; what a stage makes of them cannot be told from the document."""


def unjudged(settings: Settings) -> frozenset[Verdict]:
    """Return the verdicts that nobody can give under these settings."""
    return frozenset(_unjudged(settings))


def _unjudged(settings: Settings) -> Iterator[Verdict]:
    yield from (WITHOUT[operation] for operation in settings.exclude_operations)
    if any(f'"{name}"' in stage for stage in settings.pipeline for name in DROPPING):
        yield Verdict.EXTRA
    if any(name in stage for stage in settings.pipeline for name in OF_THE_CHANGE):
        yield from (Verdict.MISSING, Verdict.DIFFERENT)
