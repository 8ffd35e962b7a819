"""Recognises messages that come again, after a rebalance or from a watcher that delivers at least once."""

from __future__ import annotations

from collections import OrderedDict, defaultdict

from watcher.consumer.change import Change


def identity(change: Change) -> str:
    """Return what tells a message from another one with the same number: a count that begins again may begin with messages that
    have no event id, such as the beginning of a snapshot."""
    return change.event_id or f"{change.operation} {change.message['timestamp']} {change.snapshot}"


class RedeliveryWindow:
    """The latest `size` handled messages of each watcher. They are kept in memory, so another process does not know them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._handled: defaultdict[str, OrderedDict[int, str]] = defaultdict(OrderedDict)

    def has(self, change: Change) -> bool:
        """True if the message was handled. Its number alone does not show that: a watcher whose position was deleted begins with 1
        again.
        """
        handled = self._handled[change.watcher]
        return handled.get(change.sequence) == identity(change)

    def add(self, change: Change) -> None:
        """Note that a message was handled."""
        handled = self._handled[change.watcher]
        handled[change.sequence] = identity(change)
        if len(handled) > self._size:
            handled.popitem(last=False)
