"""Faults in settings that pymongo and librdkafka find themselves, without a connection.

They are values that would stop a worker, and values that the libraries would silently ignore. Importing the libraries takes time,
so only `watcherctl check` and similar commands ask them.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from watcher.config.fault import Refused, did_you_mean
from watcher.config.kafka.librdkafka import PropertyValue
from watcher.config.kafka.librdkafka_names import KNOWN_PROPERTIES
from watcher.config.kafka.librdkafka_probe import PLUGINS, harmless, missing_plugins
from watcher.config.masking import is_secret
from watcher.config.mongodb.options import driver_options
from watcher.config.mongodb.uri import uri_options

Properties = Mapping[str, PropertyValue]

_SURELY_MEANT = 0.85
"""The least similarity, from 0 to 1, of an unknown option to a known one to count as a misspelling. Below that it may belong to
another driver that uses the same URI."""

_OF_OTHER_DRIVERS = {"maxlifetimems", "poolsize", "sslvalidate", "waitqueuesize"}

_SLIPS = (LookupError, AttributeError, ArithmeticError)
"""What pymongo raises besides its own errors where it has not checked a value, as that of `datetime_conversion`."""

_UNKNOWN_PROPERTY = "No such configuration property"
_WARNING = re.compile(r"Configuration property `?([\w.]+)`? (?!is deprecated)(.*)", re.DOTALL)
_WARNING_LEVEL = 5
_OF_CONSUMERS = "is a consumer property"


def refused_by_pymongo(uri: str) -> Iterator[Refused]:
    """Yield the faults that pymongo finds in a URI accepted by `parse_uri`, including options that it would silently drop."""
    from pymongo.uri_parser import URI_OPTIONS

    seen = set()
    refused: list[Refused] = []
    for name, value in uri_options(uri):
        if name.lower() in seen and name.lower() != "readpreferencetags":
            yield Refused(f"has the option {name} twice", hint="keep one of them; pymongo takes the last")
        seen.add(name.lower())
        refused += _refused_option(name, value, URI_OPTIONS)
    yield from refused
    yield from _refused_as_a_whole(uri, already_refused=bool(refused))


def _refused_option(name: str, value: str, known: frozenset[str]) -> Iterator[Refused]:
    from pymongo.errors import ConfigurationError
    from pymongo.uri_parser import validate_options

    try:
        validate_options({name: [value] if name.lower() == "readpreferencetags" else unquote_plus(value)})
    except OSError:
        return  # a missing file, which the client below reports
    except _SLIPS:
        yield Refused(f"has an option with a bad value, {name}: pymongo cannot use its value", hint="a worker would stop at it")
    except (ConfigurationError, TypeError, ValueError) as error:
        if not str(error).startswith("Unknown option"):
            why = "pymongo cannot use its value" if is_secret(name) else f"pymongo says: {error}"
            yield Refused(f"has an option with a bad value, {name}: {why}", hint="it would be left out, as if it were not there")
        elif name.lower() not in _OF_OTHER_DRIVERS and (hint := did_you_mean(name, known, cutoff=_SURELY_MEANT)):
            yield Refused(f"has an option that pymongo does not know: {name}", hint=hint)


def _refused_as_a_whole(uri: str, *, already_refused: bool) -> Iterator[Refused]:
    """Make a client that does not connect. It finds options that do not go together, and missing files."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    with warnings.catch_warnings(action="ignore"):
        try:
            MongoClient[dict[str, Any]](uri, connect=False, **driver_options(uri)).close()
        except _SLIPS:
            if not already_refused:
                yield Refused("has an option whose value pymongo cannot use")
        except (PyMongoError, ValueError) as error:
            yield Refused(f"pymongo says: {error}")
        except OSError as error:
            yield Refused(f"names a file that cannot be used: {error}", hint="the files for TLS are in PEM")


def refused_by_librdkafka(properties: Properties, completed: Callable[[Properties], Properties]) -> Iterator[Refused]:
    """Yield the properties of `[kafka]` that librdkafka refuses or would ignore. The key is empty if it is not about a single one.

    librdkafka is asked by making a producer without brokers: once with the properties alone, once `completed` as a worker completes
    them. It names one fault at a time, so the property at fault is left out and librdkafka is asked again. What would connect
    or run code has a stand-in.
    """
    if not properties:
        return
    yield from missing_plugins(properties)
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
    surely_meant = did_you_mean(name, KNOWN_PROPERTIES, cutoff=_SURELY_MEANT)
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
