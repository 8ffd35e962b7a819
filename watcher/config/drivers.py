"""Faults that pymongo and librdkafka themselves find in settings, asked without a connection.

They find what a worker would stop at, and what they themselves would pass over in silence. Importing them costs time, so only
`watcherctl check` and its like ask.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from watcher.config.fault import Refused, did_you_mean
from watcher.config.librdkafka import PropertyValue
from watcher.config.librdkafka_names import KNOWN_PROPERTIES
from watcher.config.masking import is_secret
from watcher.config.mongodb_options import driver_options
from watcher.config.mongodb_uri import uri_options

Properties = Mapping[str, PropertyValue]

_SURELY_MEANT = 0.85
"""How alike an unknown option must be to a known one. Below that it may be another driver's, which the same URI is for as well."""

_OF_OTHER_DRIVERS = {"maxlifetimems", "poolsize", "sslvalidate", "waitqueuesize"}

_UNKNOWN_PROPERTY = "No such configuration property"
_WARNING = re.compile(r"Configuration property `?([\w.]+)`? (?!is deprecated)(.*)", re.DOTALL)
_WARNING_LEVEL = 5
_OF_CONSUMERS = "is a consumer property"


def refused_by_pymongo(uri: str) -> Iterator[Refused]:
    """Faults that pymongo finds in a URI that `parse_uri` takes, among them options that it would leave out without an error."""
    from pymongo.uri_parser import URI_OPTIONS

    seen = set()
    for name, value in uri_options(uri):
        if name.lower() in seen and name.lower() != "readpreferencetags":
            yield Refused(f"has the option {name} twice", hint="keep one of them; pymongo takes the last")
        seen.add(name.lower())
        yield from _refused_option(name, value, URI_OPTIONS)
    yield from _refused_as_a_whole(uri)


def _refused_option(name: str, value: str, known: frozenset[str]) -> Iterator[Refused]:
    from pymongo.errors import ConfigurationError
    from pymongo.uri_parser import validate_options

    try:
        validate_options({name: [value] if name.lower() == "readpreferencetags" else unquote_plus(value)})
    except OSError:
        return  # a file that the client below does not find either
    except (ConfigurationError, TypeError, ValueError) as error:
        if not str(error).startswith("Unknown option"):
            why = "pymongo cannot use its value" if is_secret(name) else f"pymongo says: {error}"
            yield Refused(f"has an option with a bad value, {name}: {why}", hint="it would be left out, as if it were not there")
        elif name.lower() not in _OF_OTHER_DRIVERS and (hint := did_you_mean(name, known, cutoff=_SURELY_MEANT)):
            yield Refused(f"has an option that pymongo does not know: {name}", hint=hint)


def _refused_as_a_whole(uri: str) -> Iterator[Refused]:
    """A client, which is not told to connect, finds options that do not go together, and files that are not there."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    with warnings.catch_warnings(action="ignore"):
        try:
            MongoClient[dict[str, Any]](uri, connect=False, **driver_options(uri)).close()
        except (PyMongoError, ValueError) as error:
            yield Refused(f"pymongo says: {error}")
        except OSError as error:
            yield Refused(f"names a file that cannot be used: {error}", hint="the files for TLS are in PEM")


def refused_by_librdkafka(properties: Properties, completed: Callable[[Properties], Properties]) -> Iterator[Refused]:
    """Properties of `[kafka]` that librdkafka refuses, or would pass over; the key is empty for what is about no single one.

    It is asked by making a producer that knows no broker, with the properties alone and `completed` as by a worker. It names one
    fault at a time, so that property is left out and it is asked again.
    """
    if not properties:
        return
    remaining = dict(properties)
    for made_of in (dict, completed):
        while text := _refusal(made_of(remaining)):
            name = _culprit(text, remaining)
            yield _refused_property(name, text)
            if not name:
                return
            del remaining[name]
    yield from _passed_over(_warnings(completed(remaining)), remaining)


def _refusal(properties: Properties) -> str:
    """Why librdkafka makes no such producer; empty if it does."""
    from confluent_kafka import KafkaException

    try:
        _warnings(properties)
    except KafkaException as error:
        return str(error.args[0].str()).strip()
    return ""


def _warnings(properties: Properties) -> list[str]:
    from confluent_kafka import Producer

    listener = _Listener("librdkafka")
    Producer({**properties, "log_level": _WARNING_LEVEL}, logger=listener).poll(0)
    return listener.heard


def _culprit(text: str, properties: Properties) -> str:
    """The property that `text` is about; empty if it is about none alone. Of an alias librdkafka names the original."""
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
    """A logger that keeps what it hears."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heard: list[str] = []

    def handle(self, record: logging.LogRecord) -> None:
        """Keep the record's text."""
        self.heard.append(record.getMessage())
