"""A random load through an oracle, in a thread, so that a test can hurt things meanwhile."""

from __future__ import annotations

import threading
from random import Random

from pymongo.errors import PyMongoError

from tests.support.background import Background
from tests.support.oracle import Oracle

COLLECTIONS = ("users", "organizations", "practitioners")

STEADY_S = 0.02
"""Pause between two writes of a load whose rate proves nothing: some 40 writes a second."""

OPEN_S = 0.01
"""Pause of a load under which a transaction is open most of the time, so that a fault hits one."""

BUSY_S = 0.002
"""Pause of a load that shall fill transactions, or come to a number of writes soon: 140 writes a second. Worker, broker and mongod
together then take 0.6 of a core, twice as much as with STEADY_S."""


class Load(Background):
    """Inserts, updates, replaces and deletes a few documents of three collections until the `with` block is left.

    A write that MongoDB does not acknowledge retires its document, whose state is then unknown, and the load goes on with others.
    """

    def __init__(self, oracle: Oracle, *, seed: int = 1, documents: int = 20, pause_s: float = STEADY_S) -> None:
        super().__init__(self._run, f"load-{seed}")
        self.oracle = oracle
        self.failures = 0
        self._random = Random(seed)
        self._documents = documents
        self._pause_s = pause_s
        self._seed = seed
        self._born = 0
        self._alive: list[tuple[str, str]] = []
        self._dead: list[tuple[str, str]] = []

    def write(self) -> None:
        """One write to one document."""
        if len(self._alive) < self._documents and self._random.random() < 0.5:
            self._insert()
        elif self._alive:
            self._change(self._alive.pop(self._random.randrange(len(self._alive))))

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._pause_s):
            try:
                self.write()
            except PyMongoError:
                self.failures += 1

    def _insert(self) -> None:
        """A new document, or sometimes one that was deleted before: its order must hold across its lives."""
        document = self._dead.pop() if self._dead and self._random.random() < 0.3 else self._newborn()
        self.oracle.insert(*document)
        self._alive.append(document)

    def _newborn(self) -> tuple[str, str]:
        self._born += 1
        return self._random.choice(COLLECTIONS), f"{self._seed}-{self._born}"

    def _change(self, document: tuple[str, str]) -> None:
        """Change a document that was taken out of `_alive`, and put it back only when MongoDB has acknowledged that."""
        operation = self._random.choices(["update", "replace", "delete"], [6, 2, 2])[0]
        getattr(self.oracle, operation)(*document)
        (self._dead if operation == "delete" else self._alive).append(document)
