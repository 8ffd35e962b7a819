"""The encoder of a worker: that of its message format, with the user's transform in front if there is one."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from watcher.config import Deployment, Settings
from watcher.kafka.sink import KafkaSink
from watcher.messages.encoder import Encoder, MessageFormat

if TYPE_CHECKING:  # most workers never need it
    from watcher.registry.schema_ids import SchemaIds

HUNG_HINT = "The log shows where the function stood. Correct it, then `watcherctl restart`."
SHOWN_CHARACTERS = 100
"""Characters of an event's id in an error's text."""

logger = logging.getLogger("watcher")


def hang_of_last_process(settings: Settings, deployment: Deployment) -> str:
    """Say in a sentence on which change the transform hung, if that has ended the last process; empty if not."""
    if not settings.transform:
        return ""
    from watcher.transform.guard import is_ours_to_clear, last_hang  # here, for the same reason as below

    path = deployment.transform_file(settings.name)
    if (hang := last_hang(path)) is None or not is_ours_to_clear(path):  # it would tell of this one after each crash
        return ""
    return (
        f"The transform {settings.transform} did not return within {settings.transform_seconds:g} s, which has ended the last "
        f"process. The change: {hang.event_id[:SHOWN_CHARACTERS]}"
    )


def encoder_of(settings: Settings, sink: KafkaSink, deployment: Deployment, schema_ids: SchemaIds | None) -> Encoder:
    """Make the encoder whose messages go to `sink`. Call from the main thread. Errors: ConfigurationError."""
    message_format = MessageFormat.of(settings)
    if not settings.transform:
        return Encoder(message_format, topic_of=sink.topic_of, prefixes_of=schema_ids)

    from watcher.transform.encoder import TransformingEncoder  # here, because every other worker would keep it in memory for good
    from watcher.transform.function import Transform, purpose_of
    from watcher.transform.guard import HangGuard
    from watcher.transform.loading import load_function, module_digest

    function = load_function(settings.transform, deployment.transform_dir)
    module = module_digest(settings.transform, deployment.transform_dir)
    guard = HangGuard(deployment.transform_file(settings.name), settings.transform_seconds, module)
    transform = Transform(settings.transform, function, guard, purpose_of=partial(purpose_of, settings))
    return TransformingEncoder(
        message_format,
        transform,
        on_error=settings.on_transform_error,
        topic_of=sink.topic_of,
        ensured=sink.ensured,
        prefixes_of=schema_ids,
    )


def renew_schema_ids(schema_ids: SchemaIds, settings: Settings) -> None:
    """Ask for the ids of the topics that are known before the first message. Errors: as `SchemaIds.renew`."""
    from watcher.messages.serializations.avro_schemas import known_topics

    control = settings.kafka_topic_control
    rows = {topic for topic in settings.topic_templates.values() if topic != control}
    schema_ids.renew(settings, known_topics(settings.envelope, rows, control))
