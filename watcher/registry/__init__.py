"""The schema registry: client asks it over HTTP, schema_ids knows the ids for a worker, and schema_reader the schemas for a reader.

It imports nothing of MongoDB or Kafka, and from the project only config, errors and what decoding knows of Avro. Knowledge of the
registry belongs here: its requests, its answers, and what each of its refusals means. Whoever reads and writes JSON loads none of
its modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.config import Settings

if TYPE_CHECKING:
    from watcher.registry.schema_ids import SchemaIds


def schema_ids_of(settings: Settings) -> SchemaIds | None:
    """Make what knows the ids of a watcher's schemas; None for a watcher that has none. Errors: ConfigurationError."""
    if settings.serialization == "json":
        return None
    from watcher.registry.schema_ids import SchemaIds

    return SchemaIds(settings)
