"""Envelopes: the fields that stand around a document in a message. Each is a module with a function that gives its layouts.

It imports the names of the values, no serialization, and knows no bytes. Each form of a message belongs here, in a module that is
named in ENVELOPES; it can use every value that `row_values.py` names.
"""

from collections.abc import Callable, Mapping

from watcher.messages.envelopes.debezium import debezium
from watcher.messages.envelopes.document import document
from watcher.messages.envelopes.generic import generic
from watcher.messages.envelopes.layout import Envelope
from watcher.messages.envelopes.mongodb import mongodb

ENVELOPES: Mapping[str, Callable[[str], Envelope]] = {
    "generic": generic,
    "document": document,
    "debezium": debezium,
    "mongodb": mongodb,
}
"""Makers of the envelopes by name; each takes the watcher's name."""
