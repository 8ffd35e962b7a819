"""Schemas by their ids, for a reader of messages."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from watcher.errors import Outage
from watcher.registry.client import Refusal, SchemaRegistry

UNKNOWN_SECONDS = 10.0
"""Time for which an id that the registry does not know is not asked for again."""

RETRY_SECONDS = 1.0

logger = logging.getLogger("watcher.registry")


class SchemaReader:
    """Schemas as JSON has them, each asked for once. `wait` waits so many seconds."""

    def __init__(
        self, properties: Mapping[str, Any], *, patience_s: float = 0.0, wait: Callable[[float], object] = time.sleep
    ) -> None:
        """`properties` are those of `[schema_registry]`; an outage of the registry is ridden out for `patience_s` seconds."""
        self._registry = SchemaRegistry(properties)
        self._patience_s = patience_s
        self._wait = wait
        self._schemas: dict[int, Any] = {}
        self._unknown: dict[int, float] = {}

    def __call__(self, number: int) -> Any:
        """Return the schema of an id.

        Errors: LookupError if the registry does not know it, or if it is no schema of Avro; Outage, CredentialsRefused,
        NotPermitted, ConfigurationError.
        """
        if number not in self._schemas:
            self._schemas[number] = self._asked(number)
        return self._schemas[number]

    def _asked(self, number: int) -> Any:
        if time.monotonic() < self._unknown.get(number, 0.0):
            raise LookupError(f"the schema registry has no schema {number}")
        try:
            return json.loads(self._patiently(number))
        except ValueError as error:
            raise LookupError(f"schema {number} is none of Avro") from error
        except Refusal as refusal:
            self._unknown[number] = time.monotonic() + UNKNOWN_SECONDS
            raise LookupError(f"the schema registry has no schema {number}: {refusal}") from refusal

    def _patiently(self, number: int) -> str:
        until = time.monotonic() + self._patience_s
        told = False
        while True:
            try:
                return self._registry.schema(number)
            except Outage as error:
                if time.monotonic() >= until:
                    raise
                logger.log(logging.DEBUG if told else logging.WARNING, "%s; trying again", error)
                told = True
                self._wait(RETRY_SECONDS)
