"""Running doctor's checks inside a test, with all the time they want."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from watcher.config import Settings
from watcher.doctor.check import Check, Finding, Outcome, S
from watcher.doctor.examination import KAFKA, MONGODB
from watcher.doctor.kafka.cluster import Kafka
from watcher.doctor.mongodb.server import Mongodb
from watcher.doctor.runner import Limits, run_checks

PATIENT = Limits(check_seconds=60, area_seconds=300)

PROBLEMS = (Outcome.WARNING, Outcome.FAILED)


def as_settings(values: Mapping[str, Any]) -> Settings:
    """A watcher called dashboard."""
    return Settings(**{"name": "dashboard", **values})


def look(checks: Iterable[Check[S]], subject: S, before: Mapping[str, Finding] | None = None) -> dict[str, Finding]:
    """Return what these checks find, by name."""
    return dict(run_checks(checks, subject, PATIENT, lambda _name, _finding: None, before))


def look_at_mongodb(values: Mapping[str, Any], **subject: Any) -> dict[str, Finding]:
    """Return what is found of the MongoDB of these settings."""
    mongodb = Mongodb(as_settings(values), **subject)
    try:
        return look(MONGODB, mongodb)
    finally:
        mongodb.close()


def look_at_kafka(values: Mapping[str, Any], **subject: Any) -> dict[str, Finding]:
    """Return what is found of the Kafka of these settings."""
    return look(KAFKA, Kafka(as_settings(values), **subject))


def problems(found: Mapping[str, Finding]) -> dict[str, Finding]:
    """List what is not as it should be."""
    return {name: finding for name, finding in found.items() if finding.outcome in PROBLEMS}


def check_fix(finding: Finding, outcome: Outcome, *words: str) -> None:
    """It ended so, and text or fix hold all the words; whoever reads it is told what to do."""
    assert finding.outcome is outcome, finding
    assert finding.fix, finding
    assert [word for word in words if word not in f"{finding.text}\n{finding.fix}"] == [], finding
