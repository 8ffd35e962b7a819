"""Checks of `exclude_operations`."""

from __future__ import annotations

from collections.abc import Sequence

from watcher.config.fault import Refused, did_you_mean
from watcher.operations import OPERATIONS, ROW_OPERATIONS


def check_operation(name: object) -> object:
    """Return the name of an operation that changes a document. Raises `Refused` for any other."""
    if name in ROW_OPERATIONS:
        return name
    if name in OPERATIONS:
        raise Refused(f"has '{name}', but control messages are always sent", hint="without them consumers miss what happens")
    raise Refused(f"has '{name}', and must be of {', '.join(ROW_OPERATIONS)}", hint=did_you_mean(str(name), ROW_OPERATIONS))


def check_some_left(names: Sequence[str]) -> Sequence[str]:
    """Return the names, each once. Raises `Refused` if no operation is left."""
    if set(names) == set(ROW_OPERATIONS):
        raise Refused("leaves no change of a document", hint="leave one out of the list")
    return tuple(dict.fromkeys(names))
