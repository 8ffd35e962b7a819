"""Texts for a conf.d that a test writes, and the faults that are found in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from watcher.config import Loaded

GOOD = 'mongodb_uri = "mongodb://h/db"\nkafka_brokers = "h:9092"\nkafka_client_id = "{name}"\n'

Write = Callable[..., Path]
"""Writes files into a conf.d; its path."""


def good(name: str) -> str:
    return GOOD.format(name=name)


def faults(loaded: Loaded) -> list[str]:
    return [str(fault) for fault in loaded.faults]
