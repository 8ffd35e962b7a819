"""The `[kafka]` table. Its properties are passed on to librdkafka, except those on which our guarantees depend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from watcher.config.checks import in_utf_8, whole_number
from watcher.config.fault import Refused

PropertyValue = str | int | float | bool

_EXACTLY_ONCE = "exactly-once delivery stands on it"
_ORDER = "the order of messages stands on it"
_POSITION = "reading the position back stands on it"

OWNED: Mapping[str, str] = {
    "bootstrap.servers": "set kafka_brokers instead",
    "metadata.broker.list": "set kafka_brokers instead",
    "client.id": "set kafka_client_id instead",
    "transactional.id": "it is kafka_client_id",
    "enable.idempotence": _EXACTLY_ONCE,
    "acks": _EXACTLY_ONCE,
    "request.required.acks": _EXACTLY_ONCE,
    "enable.gapless.guarantee": _EXACTLY_ONCE,
    "retries": _EXACTLY_ONCE,
    "message.send.max.retries": _EXACTLY_ONCE,
    "max.in.flight": _ORDER,
    "max.in.flight.requests.per.connection": _ORDER,
    "queuing.strategy": _ORDER,
    "partitioner": "a document's changes keep their order because it is always murmur2_random, as Java's",
    "isolation.level": _POSITION,
    "group.id": _POSITION,
    "group.instance.id": _POSITION,
    "group.protocol": _POSITION,
    "enable.auto.commit": _POSITION,
    "enable.auto.offset.store": _POSITION,
    "auto.offset.reset": _POSITION,
    "enable.partition.eof": _POSITION,
    "delivery.report.only.error": "the watcher listens to delivery reports itself",
    "on_delivery": "the watcher listens to delivery reports itself",
    "logger": "librdkafka's words go to the watcher's own log",
    "log.queue": "librdkafka's words go to the watcher's own log",
    "enabled_events": "callbacks are the watcher's own",
    "default.topic.config": "its properties stand in [kafka] itself",
    "topic.blacklist": "the watcher would not see its own topics; choose collections by watch_collections and exclude_collections",
    "test.mock.num.brokers": "changes would go to brokers that do not exist",
    "test.mock.broker.rtt": "changes would go to brokers that do not exist",
}
"""Properties that a configuration must not set, each with the reason."""


NUMBERS = ("batch.size", "message.max.bytes")
"""Properties that the watcher itself uses in calculations."""


def no_numbers(properties: Mapping[str, object]) -> Iterator[Refused]:
    """Yield a refusal for each of NUMBERS whose value is not a whole number."""
    for name in NUMBERS:
        try:
            whole_number(properties.get(name, 0))
        except Refused as refused:
            yield refused.within(name)


def check_property(name: str) -> str:
    """Return `name` unchanged. Raises `Refused` if the watcher must set that property itself."""
    normal = name.removeprefix("topic.") if name.startswith("topic.") and name.removeprefix("topic.") in OWNED else name
    if normal in OWNED:
        raise Refused("cannot be set in [kafka]", hint=OWNED[normal])
    if normal.endswith("_cb"):
        raise Refused("cannot be set in [kafka]", hint="callbacks are the watcher's own")
    return name


def check_value(value: object) -> object:
    """Return `value` unchanged. Raises `Refused` if its type is not one that librdkafka accepts."""
    if not isinstance(value, PropertyValue):
        raise Refused("must be text, a number, true or false")
    return in_utf_8(value) if isinstance(value, str) else value
