"""Troubles of a watcher that its worker tells of while it works: between its hosts, and with Kafka's quotas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from watcher.errors import QUOTA_HINT
from watcher.fleet.status import Row, WatcherState

OTHER_HOSTS = "Other hosts"
QUOTA = "Quota of Kafka"

THROTTLED_SECONDS = 1.0
"""Seconds of the last minute from which on a quota is worth a word."""


class Trouble(NamedTuple):
    """A trouble in a sentence, what to do about it, and a heading for both."""

    text: str
    hint: str
    about: str


def troubles(row: Row) -> Iterator[Trouble]:
    """Yield what the worker tells: of a standby how the active host's settings differ, a worker without a lease, and that Kafka
    holds back its writes."""
    report = row.live
    if report and row.state is WatcherState.STANDBY and report.settings_differ:
        text = f"not the same settings on all hosts: {'; '.join(report.settings_differ)}"
        yield Trouble(text, "Use the same conf.d on all hosts, then watcherctl apply.", OTHER_HOSTS)
    if foreigner := row.foreigner:
        hint = "Set high_availability = true there too, or give that watcher a kafka_client_id of its own."
        yield Trouble(f"{foreigner} writes for this watcher without a lease", hint, OTHER_HOSTS)
    if report and report.throttled_seconds >= THROTTLED_SECONDS:
        yield Trouble(throttled_in_words(report.throttled_seconds), QUOTA_HINT, QUOTA)


def throttled_in_words(seconds: float) -> str:
    """Say that Kafka has held back the writes for so many of the last 60 seconds."""
    return f"Kafka held its writes back for {seconds:.0f} s of the last minute, because a quota is used up"
