"""The encoder of a worker: that of its message format, with the user's transform in front if there is one."""

from __future__ import annotations

import logging

from watcher.config import Deployment, Settings
from watcher.kafka.sink import KafkaSink
from watcher.messages.encoder import Encoder, MessageFormat

logger = logging.getLogger("watcher")


def encoder_of(settings: Settings, sink: KafkaSink, deployment: Deployment) -> Encoder:
    """Make the encoder whose messages go to `sink`. Call from the main thread. Errors: ConfigurationError."""
    message_format = MessageFormat.of(settings)
    if not settings.transform:
        return Encoder(message_format, topic_of=sink.topic_of)

    from watcher.transform.encoder import TransformingEncoder  # here, because every other worker would keep it in memory for good
    from watcher.transform.function import Transform
    from watcher.transform.guard import HangGuard
    from watcher.transform.loading import load_function

    function = load_function(settings.transform, deployment.transform_dir)
    guard = HangGuard(deployment.transform_file(settings.name), settings.transform_seconds)
    transform = Transform(settings.transform, function, guard)
    return TransformingEncoder(
        message_format, transform, on_error=settings.on_transform_error, topic_of=sink.topic_of, ensured=sink.ensured
    )
