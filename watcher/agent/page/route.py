"""The way of a watcher's changes: from which database to which topics, how far they are, and on which host. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.config import Settings
from watcher.config.mongodb.uri import parse_uri
from watcher.config.topics.name import topic_name
from watcher.fleet.status import Row, WatcherState


@dataclass(frozen=True, slots=True)
class WayOfChanges:
    """The addresses of both sides, the databases and the topics. A database may be a glob, and `excluded` are left out of them. A
    topic may have placeholders, as `shop.{collection}` has."""

    mongodb: str
    databases: tuple[str, ...]
    excluded: tuple[str, ...]
    kafka: str
    topics: tuple[str, ...]


def way_of_changes(settings: Settings) -> WayOfChanges:
    """Read the way from a watcher's settings. It has no secret."""
    hosts = parse_uri(settings.mongodb_uri.get_secret_value()).hosts
    scope, topics = settings.scope, tuple(dict.fromkeys(_topics(settings)))
    return WayOfChanges(hosts, scope.databases or (scope.name,), scope.exclude_databases, settings.kafka_brokers, topics)


def position_at(row: Row) -> datetime | None:
    """The time of the committed position, by MongoDB's clock; None if it is not known, or no time that there is."""
    seconds = row.report.position_time if row.report else None
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def activity(row: Row, at: datetime) -> str:
    """The host on which the watcher is active, as far as this one knows, in words."""
    if row.state is WatcherState.STANDBY:
        return row.active_elsewhere(at) or "active on another host"
    if row.live is None:
        return "not active on this host"
    return f"active on {row.live.host}, this host" if row.live.host else "active on this host"


def _topics(settings: Settings) -> Iterator[str]:
    """Yield each topic. That of control events keeps the placeholder of an operation, since there are many."""
    for operation, template in settings.topic_templates.items():
        yield topic_name(template, "{operation}" if operation == "control" else operation, settings.scope.single)
