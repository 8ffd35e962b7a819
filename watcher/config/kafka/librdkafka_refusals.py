"""Faults in `[kafka]` that librdkafka finds itself, without a connection: values that would stop a worker or be silently ignored.

Importing confluent_kafka takes time, so only `watcherctl check` and similar commands ask librdkafka.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from watcher.config.fault import SURELY_MEANT, Refused, did_you_mean
from watcher.config.kafka.librdkafka import PropertyValue
from watcher.config.kafka.librdkafka_names import KNOWN_PROPERTIES
from watcher.config.kafka.librdkafka_probe import PLUGINS, harmless, missing_package, missing_plugins

Properties = Mapping[str, PropertyValue]

_UNKNOWN_PROPERTY = "No such configuration property"
_WARNING = re.compile(r"Configuration property `?([\w.]+)`? (?!is deprecated)(.*)", re.DOTALL)
_WARNING_LEVEL = 5
_OF_CONSUMERS = "is a consumer property"


def refused_by_librdkafka(properties: Properties, completed: Callable[[Properties], Properties]) -> Iterator[Refused]:
    """Yield the properties of `[kafka]` that librdkafka refuses or would ignore. The key is empty if it is not about a single one.

    librdkafka is asked by making a producer without brokers: once with the properties alone, once `completed` as a worker completes
    them. It names one fault at a time, so the property at fault is left out and librdkafka is asked again. What would connect
    or run code has a stand-in.
    """
    if not properties:
        return
    yield from missing_plugins(properties)
    yield from missing_package(properties)
    remaining = dict(properties)
    for made_of in (dict, completed):
        while text := _refusal(made_of(remaining)):
            name = _culprit(text, remaining)
            if not _may_be_of_a_plugin(name, text, properties):
                yield _refused_property(name, text)
            if not name:
                return
            del remaining[name]
    yield from _passed_over(_warnings(completed(remaining)), remaining)


def _may_be_of_a_plugin(name: str, text: str, properties: Properties) -> bool:
    """True if librdkafka may know the property `name` once it has loaded its plugins, which add properties of their own."""
    surely_meant = did_you_mean(name, KNOWN_PROPERTIES, cutoff=SURELY_MEANT)
    return PLUGINS in properties and text.startswith(_UNKNOWN_PROPERTY) and not surely_meant


def _refusal(properties: Properties) -> str:
    """librdkafka's reason for refusing to make such a producer; empty if it makes one."""
    from confluent_kafka import KafkaException

    try:
        _warnings(properties)
    except KafkaException as error:
        return str(error.args[0].str()).strip()
    return ""


def _warnings(properties: Properties) -> list[str]:
    from confluent_kafka import Producer

    listener = _Listener("librdkafka")
    Producer({**harmless(properties), "log_level": _WARNING_LEVEL}, logger=listener).poll(0)
    return listener.heard


def _culprit(text: str, properties: Properties) -> str:
    """The property that `text` is about; empty if it is not about a single one. For an alias librdkafka names the original."""
    for name in properties:
        if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text):
            return name
    return next((name for name, value in properties.items() if _refusal({name: value}) == text), "")


def _refused_property(name: str, text: str) -> Refused:
    if not text.startswith(_UNKNOWN_PROPERTY):
        return Refused(f"librdkafka says: {text}", key=name)
    hint = did_you_mean(name, KNOWN_PROPERTIES) or "librdkafka's CONFIGURATION.md lists all properties"
    return Refused("librdkafka has no such property", hint=hint, key=name)


def _passed_over(texts: Iterable[str], properties: Properties) -> Iterator[Refused]:
    for text in texts:
        found = _WARNING.search(text)
        if found is None or found[1] not in properties:
            continue
        if found[2].startswith(_OF_CONSUMERS):
            yield Refused("has no effect: it is for consumers, and a watcher is a producer", hint="remove it", key=found[1])
        else:
            yield Refused(f"librdkafka warns: it {found[2]}", key=found[1])


class _Listener(logging.Logger):
    """A logger that keeps the texts of its records."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heard: list[str] = []

    def handle(self, record: logging.LogRecord) -> None:
        """Keep the record's text."""
        self.heard.append(record.getMessage())
