"""Envelopes: the fields that stand around a document in a message. Each is a module with a function that gives its layouts.

To add one, write its module and name it in ENVELOPES. It can use every value that `row_values.py` names, and knows no bytes.
"""

from collections.abc import Callable, Mapping

from watcher.messages.envelopes.generic import generic
from watcher.messages.envelopes.layout import Envelope

ENVELOPES: Mapping[str, Callable[[str], Envelope]] = {"generic": generic}
"""Makers of the envelopes by name; each takes the watcher's name."""
