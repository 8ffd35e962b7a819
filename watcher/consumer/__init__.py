"""The reading side: DatabaseChangeConsumer calls functions with a watcher's messages, and `reader` shows them.

Importing this package needs nothing but confluent-kafka and orjson.
"""

from watcher.consumer.asynchronous import AsyncDatabaseChangeConsumer
from watcher.consumer.change import Change, Gap
from watcher.consumer.consumer import DatabaseChangeConsumer
from watcher.consumer.errors import DeadLetterFailed, ForeignMessage, HandlerFailed, ReadError, Reject
from watcher.consumer.options import ConsumerOptions

__all__ = [
    "AsyncDatabaseChangeConsumer",
    "Change",
    "ConsumerOptions",
    "DatabaseChangeConsumer",
    "DeadLetterFailed",
    "ForeignMessage",
    "Gap",
    "HandlerFailed",
    "ReadError",
    "Reject",
]
