"""Recognises messages that come again, after a rebalance or from a watcher that delivers at least once."""

from __future__ import annotations

from collections import OrderedDict, defaultdict

from watcher.consumer.change import Change


class RedeliveryWindow:
    """The latest `size` handled messages of each watcher. They are kept in memory, so another process does not know them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._handled: defaultdict[str, OrderedDict[int, str | None]] = defaultdict(OrderedDict)

    def has(self, change: Change) -> bool:
        """True if the message was handled. Its number alone does not show that: a watcher whose position was deleted begins with 1
        again.
        """
        handled = self._handled[change.watcher]
        return change.sequence in handled and handled[change.sequence] == change.event_id

    def add(self, change: Change) -> None:
        """Note that a message was handled."""
        handled = self._handled[change.watcher]
        handled[change.sequence] = change.event_id
        if len(handled) > self._size:
            handled.popitem(last=False)
