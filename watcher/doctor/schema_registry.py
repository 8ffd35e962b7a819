"""Checks of the schema registry of a watcher that writes Avro. They register nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from watcher.config import Settings
from watcher.doctor.check import Check, Finding, failed, ok
from watcher.errors import ConfigurationError
from watcher.messages.serializations.avro_schemas import RecordSchema, known_topics
from watcher.registry.client import Refusal, SchemaRegistry
from watcher.registry.schema_ids import asked_id, subjects_of


@dataclass
class WatchersRegistry:
    """The schema registry of one watcher."""

    settings: Settings

    @cached_property
    def client(self) -> SchemaRegistry:
        """The registry. Errors: ConfigurationError if a file for TLS cannot be used."""
        return SchemaRegistry(self.settings.schema_registry)

    @property
    def place(self) -> str:
        """The registry's address, without a password."""
        return self.client.place

    @property
    def subjects(self) -> dict[str, RecordSchema]:
        """The subjects that are known before the first message, with the schema of each."""
        strategy = str(self.settings.schema_registry.get("subject.name.strategy", "topic"))
        topics = known_topics(self.settings.envelope, self.settings.topic_templates.values(), self.settings.kafka_topic_control)
        return dict(subject for topic, schemas in topics for subject in subjects_of(strategy, topic, schemas))

    @property
    def registers(self) -> bool:
        """True if the watcher registers its schemas itself."""
        told = self.settings.schema_registry
        return bool(told.get("auto.register.schemas", True)) and not told.get("use.latest.version")


def reachable(registry: WatchersRegistry) -> Finding:
    """Check that the registry answers, and accepts the credentials."""
    try:
        count = len(registry.client.subjects())
    except Refusal as refusal:
        return failed(f"no schema registry answers at {registry.place}: {refusal}", "correct url in [schema_registry]")
    return ok(f"it answers; {count} subject{'s' if count != 1 else ''}")


def schemas(registry: WatchersRegistry) -> Finding:
    """Check that the watcher's schemas are registered, or can be."""
    there, new = [], []
    for subject, schema in registry.subjects.items():
        if not registry.registers:
            asked_id(registry.client, registry.settings.schema_registry, subject, schema)
            there.append(subject)
        elif not (found := _fits(registry, subject, schema)):
            new.append(subject)
        elif isinstance(found, Finding):
            return found
        else:
            there.append(subject)
    told = [f"{len(there)} there" if there else "", f"{len(new)} to be registered" if new else ""]
    return ok(", ".join(filter(None, told)) or "those of topics that are named after collections come with the first message")


def _fits(registry: WatchersRegistry, subject: str, schema: RecordSchema) -> Finding | bool:
    """Return True if the subject would take the schema, False if there is no such subject yet."""
    try:
        if registry.client.is_compatible(subject, schema.text):
            return True
    except Refusal as refusal:
        if refusal.status == 404:
            return False
        raise ConfigurationError(f"{subject}: {refusal}", hint="The registry may have rules of its own.") from refusal
    return failed(
        f"{schema.name} is incompatible with the latest schema of {subject}",
        "choose other topics or another subject.name.strategy, or delete this subject",
    )


CHECKS: tuple[Check[WatchersRegistry], ...] = (
    Check("registry.reachable", reachable),
    Check("registry.schemas", schemas, needs=("registry.reachable",)),
)
