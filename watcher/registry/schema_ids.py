"""Ids of the schemas that a worker writes with. Nothing is written under an id that the registry has not given for that schema.

The registry is asked when the worker opens, and for a topic that is named after its collection when it first gets a message. Then
the ids are kept, so that a registry that is away stops nobody who has them; `id_check.py` looks whether they still are what they
were.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from watcher.config import Settings
from watcher.errors import ConfigurationError
from watcher.registry.canonical import canonical
from watcher.registry.client import Refusal, SchemaRegistry
from watcher.registry.id_check import LOOK_SECONDS, IdCheck

INCOMPATIBLE = 409

logger = logging.getLogger("watcher")


class Schema(Protocol):
    """The schema of a record, by its full name, and its text."""

    @property
    def name(self) -> str:
        """The full name."""

    @property
    def text(self) -> str:
        """The schema as it is registered."""


S = TypeVar("S", bound=Schema)
S_co = TypeVar("S_co", bound=Schema, covariant=True)


class Schemas(Protocol[S_co]):
    """The schemas of a message's key and value; `name` tells them from others."""

    @property
    def name(self) -> str:
        """The name of both."""

    @property
    def key(self) -> S_co:
        """The key's."""

    @property
    def value(self) -> S_co:
        """The value's."""


class SchemaIds:
    """The ids for one watcher, as what stands before a key or a value. `clock` is in seconds."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._use(settings)

    def renew(self, settings: Settings, known: Sequence[tuple[str, Schemas[Schema]]]) -> None:
        """Forget all ids and ask for those of `known` topics and schemas. `settings` may differ in credentials. Errors: as for a
        call."""
        self._use(settings)
        for topic, schemas in known:
            self(topic, schemas)

    def __call__(self, topic: str, schemas: Schemas[Schema]) -> tuple[bytes, bytes]:
        """Return the bytes before key and value of a message for the topic.

        Errors: Outage; ConfigurationError, NotPermitted, CredentialsRefused.
        """
        if lost := self._check.lost():
            hint = f"Messages of the last {LOOK_SECONDS:.0f} s may have them. Restore the registry's content to read those."
            logger.warning("the schema registry no longer knows the ids %s; registering anew", lost, extra={"hint": hint})
            self._forget()
        return self._prefixes.get((topic, schemas.name)) or self._asked(topic, schemas)

    def _use(self, settings: Settings) -> None:
        self._properties = settings.schema_registry
        self._registry = SchemaRegistry(self._properties)
        self._forget()

    def _forget(self) -> None:
        self._prefixes: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._check = IdCheck(self._registry, self._clock)

    def _asked(self, topic: str, schemas: Schemas[Schema]) -> tuple[bytes, bytes]:
        key, value = (self._id(*subject) for subject in subjects_of(self._strategy, topic, schemas))
        prefixes = self._prefixes[topic, schemas.name] = struct.pack(">bI", 0, key), struct.pack(">bI", 0, value)
        return prefixes

    @property
    def _strategy(self) -> str:
        return str(self._properties.get("subject.name.strategy", "topic"))

    def _id(self, subject: str, schema: Schema) -> int:
        known = self._ids.get((subject, schema.name))
        if known is None:
            known = self._ids[subject, schema.name] = asked_id(self._registry, self._properties, subject, schema)
            self._check.add(known, schema.text)
            logger.debug("the schema %s of %s has the id %d", schema.name, subject, known)
        return known


def subjects_of(strategy: str, topic: str, schemas: Schemas[S]) -> tuple[tuple[str, S], tuple[str, S]]:
    """Return the subject of a topic's keys with its schema, and that of the values, by a strategy of `[schema_registry]`."""
    if strategy == "topic":
        return (f"{topic}-key", schemas.key), (f"{topic}-value", schemas.value)
    before = f"{topic}-" if strategy == "topic-record" else ""
    return (f"{before}{schemas.key.name}", schemas.key), (f"{before}{schemas.value.name}", schemas.value)


def asked_id(registry: SchemaRegistry, properties: Any, subject: str, schema: Schema) -> int:
    """Register the schema, or find it, as the properties say; returns its id.

    Errors: Outage, CredentialsRefused, NotPermitted; ConfigurationError if the registry refuses it or does not have it.
    """
    normalize = bool(properties.get("normalize.schemas", False))
    try:
        if properties.get("use.latest.version"):
            number, text = registry.latest(subject)
            if canonical(text) != canonical(schema.text):
                raise ConfigurationError(
                    f"The latest schema of {subject} is another one than {schema.name}.",
                    hint='Register the watcher\'s own there, or leave out "use.latest.version".',
                )
            return number
        if properties.get("auto.register.schemas", True):
            return registry.register(subject, schema.text, normalize=normalize)
        return registry.look_up(subject, schema.text, normalize=normalize)
    except Refusal as refusal:
        raise _explained(refusal, subject, schema) from refusal


def _explained(refusal: Refusal, subject: str, schema: Schema) -> ConfigurationError:
    files = "docs/formats.md says where its text is"
    if refusal.status == INCOMPATIBLE:
        hint = f"Another schema is registered there. Choose other topics or another subject.name.strategy, or delete {subject}."
        return ConfigurationError(f"The schema {schema.name} is incompatible with those of {subject}: {refusal.text}", hint=hint)
    if refusal.status == 404:
        hint = f'Register it; {files}. Or leave out "auto.register.schemas" = false.'
        return ConfigurationError(f"The schema registry does not have {schema.name} as {subject}: {refusal.text}", hint=hint)
    return ConfigurationError(
        f"The schema registry refuses {schema.name} as {subject}: {refusal}", hint=f"It may have rules of its own; {files}."
    )
