"""Checks how topics treat old changes. Records carry MongoDB's time, and Kafka refuses and deletes them by it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning
from watcher.doctor.kafka.cluster import Kafka
from watcher.doctor.kafka.topics import NO_TOPICS
from watcher.doctor.position import SAVED, SavedPosition
from watcher.kafka.position_topic import deletes_by_age_ms
from watcher.kafka.refusals import NEVER, OLDEST_SETTINGS, oldest_allowed_ms
from watcher.model import token_seconds
from watcher.mongodb.change_stream import ChangeStream
from watcher.terminal.durations import seconds_in_words

ARRIVAL = "message.timestamp.type=LogAppendTime"
ARRIVAL_REMARK = "then a record's time is that of its arrival, for stream processors too"


def old_changes(position: SavedPosition) -> Finding:
    """Check that the topics accept changes as old as MongoDB's oplog may still hold."""
    configs = _configs(position)
    if not configs:
        return not_checked(NO_TOPICS)
    limits = {name: limit / 1000 for name, config in configs.items() if (limit := oldest_allowed_ms(config)) < NEVER}
    if not limits:
        return ok("the topics take changes of any age")
    fix = _kafka(position).topic_setting(limits, f"{OLDEST_SETTINGS[0]}={NEVER}")
    return judge_oldest(limits, *_ages(position), fix)


def judge_oldest(limits: Mapping[str, float], behind: int, reach: int | None, fix: str) -> Finding:
    """Judge the age limits of topics. All values are in seconds.

    `limits` holds the greatest age that each topic accepts. `behind` is the age of the next change, and `reach` that of MongoDB's
    oldest one, or None if MongoDB does not tell.
    """
    text = "; ".join(f"{name} takes no change older than {seconds_in_words(limit)}" for name, limit in limits.items())
    least = min(limits.values())
    if least < behind:
        return failed(f"{text}, and the next one is {seconds_in_words(behind)} old", fix)
    if reach is None or least < reach:
        return warning(f"{text}: after an outage that is longer the worker stops", fix)
    return ok(f"{text}; MongoDB's oldest is {seconds_in_words(reach)} old")


def retention(position: SavedPosition) -> Finding:
    """Check that messages that arrive late are not deleted at once. Retention counts from a record's time."""
    configs = _configs(position)
    if not configs:
        return not_checked(NO_TOPICS)
    by_change = {name: config for name, config in configs.items() if config.get("message.timestamp.type") != "LogAppendTime"}
    kept = {name: age / 1000 for name, config in by_change.items() if (age := deletes_by_age_ms(config)) is not None}
    return judge_retention(kept, *_ages(position), _kafka(position).topic_setting(kept, ARRIVAL))


def judge_retention(kept: Mapping[str, float], behind: int, reach: int | None, fix: str) -> Finding:
    """Like `judge_oldest`. `kept` is how long each topic keeps a message, counted from the time of its change."""
    if not kept:
        return ok("it does not count from the time of the change")
    least = min(kept.values())
    text = f"messages are kept for {seconds_in_words(least)} from the change on, however late they arrive"
    if least < max(behind, reach or 0):
        how = f"MongoDB may still deliver changes that are {seconds_in_words(max(behind, reach or 0))} old"
        return warning(f"{text}, and {how}: those are deleted as soon as they are there", f"{fix}\n{ARRIVAL_REMARK}")
    return ok(f"{text}; with {ARRIVAL} from their arrival on")


def _kafka(position: SavedPosition) -> Kafka:
    return Kafka(position.settings, troubles=position.troubles)


def _configs(position: SavedPosition) -> dict[str, dict[str, str]]:
    """The settings of those topics for messages that exist and whose settings can be read."""
    kafka = _kafka(position)
    names = kafka.existing().keys() - {position.settings.position_topic}
    return {name: config for name in sorted(names) if (config := kafka.topics.config(name))}


def _ages(position: SavedPosition) -> tuple[int, int | None]:
    """Return the age of the next change, and of the oldest one that MongoDB holds, in seconds. The latter is None if MongoDB does
    not tell.
    """
    with closing(ChangeStream(position.settings)) as stream:
        now = token_seconds(stream.open_now())
        oldest = stream.oldest_oplog_seconds()
    saved = position.saved.position
    behind = max(0, now - token_seconds(saved.token)) if saved and saved.token else 0
    return behind, None if oldest is None else max(0, now - oldest)


CHECKS: tuple[Check[SavedPosition], ...] = (
    Check("position.old-changes", old_changes, needs=(SAVED, "mongodb.privileges")),
    Check("position.retention", retention, needs=(SAVED, "mongodb.privileges")),
)
