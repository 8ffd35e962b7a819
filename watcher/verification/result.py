"""The result of a verification."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from watcher.verification.difference import Difference
from watcher.verification.sequences import SequenceReport

VERSION = 1
"""Version of the JSON form. It goes up when a key is removed or changes its meaning; new keys may come without that."""

EXAMPLES = 10
"""Number of documents that are named for each verdict."""

DIFFS = 5
SPANS = 20


class Verdict(StrEnum):
    """The verdict on one document: a fault, or a remark."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"
    UNSETTLED = "unsettled"
    OLDER = "older"
    RENAMED_IN = "renamedIn"
    UNDATED = "undated"
    NOT_COMPARABLE = "notComparable"
    PIPELINE_FAILS = "pipelineFails"
    NOT_JUDGED = "notJudged"


FAULTS = (Verdict.MISSING, Verdict.EXTRA, Verdict.DIFFERENT, Verdict.UNSETTLED)


@dataclass(frozen=True, slots=True)
class DocumentExample:
    """One document. `changes` are the first few places where source and topics differ. `failure` has MongoDB's words if `pipeline`
    fails on it."""

    collection: str
    key: bytes
    changes: tuple[Difference, ...] = ()
    failure: str = ""

    def as_json(self) -> dict[str, Any]:
        """The example in the form of `--json`."""
        return {
            "collection": self.collection,
            "key": orjson.loads(self.key),
            "changes": [change.as_json() for change in self.changes],
            **({"failure": self.failure} if self.failure else {}),
        }


@dataclass(slots=True)
class VerificationResult:
    """The result, which is counted during the verification. `sequences` is set at the end."""

    watcher: str
    database: str
    compared: Counter[str] = field(default_factory=Counter)
    """Documents that were compared in the source, by collection."""
    unjudged: frozenset[Verdict] = frozenset()
    """Verdicts that cannot be given, because the settings leave out changes."""
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    examples: dict[Verdict, list[DocumentExample]] = field(default_factory=dict)
    reshaped: set[str] = field(default_factory=set)
    """Collections that were dropped or renamed during the verification, and so were not compared."""
    stalled: bool = False
    """True if the watcher's position did not catch up, so that doubts could not be settled."""
    messages: int = 0
    gap_messages: int = 0
    dead_letters: int = 0
    repeats_allowed: bool = False
    sampled: bool = False
    sequences: SequenceReport | None = None
    seconds: float = 0.0

    def judge(self, verdict: Verdict, example: DocumentExample) -> None:
        """Count one document. The first few of each verdict are named."""
        verdict = Verdict.NOT_JUDGED if verdict in self.unjudged else verdict
        self.verdicts[verdict] += 1
        named = self.examples.setdefault(verdict, [])
        if len(named) < EXAMPLES:
            named.append(example)

    @property
    def is_equal(self) -> bool:
        """True if nothing contradicts that the topics hold what the source holds."""
        faults = any(self.verdicts[verdict] for verdict in FAULTS) or bool(self.reshaped)
        numbers = self.sequences
        broken = numbers is not None and (numbers.gaps or (numbers.repeated and not self.repeats_allowed))
        return not faults and not broken

    def as_json(self) -> dict[str, Any]:
        """The result in the form of `--json`; docs/verification.md describes the keys."""
        numbers = self.sequences
        return {
            "version": VERSION,
            "watcher": self.watcher,
            "database": self.database,
            "equal": self.is_equal,
            "sampled": self.sampled,
            "seconds": round(self.seconds, 3),
            "compared": dict(self.compared),
            "messages": self.messages,
            **{verdict.value: self.verdicts[verdict] for verdict in Verdict},
            "examples": {verdict.value: [e.as_json() for e in named] for verdict, named in self.examples.items()},
            "stalled": self.stalled,
            "reshaped": sorted(self.reshaped),
            "gapMessages": self.gap_messages,
            "deadLetters": self.dead_letters,
            "sequence": numbers
            and {
                "first": numbers.first,
                "last": numbers.last,
                "lost": numbers.lost,
                "gaps": numbers.gaps[:SPANS],
                "announced": numbers.announced[:SPANS],
                "compacted": numbers.removed,
                "repeated": numbers.repeated,
                "repeatsAllowed": self.repeats_allowed,
            },
        }
