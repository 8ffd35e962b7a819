"""A thread beside a test, for as long as a `with` block."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Work = Callable[[threading.Event], None]
"""Returns soon once the event is set."""


class Background:
    """Runs `work(stop)` in a thread until the `with` block is left."""

    def __init__(self, work: Work, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=work, args=(self._stop,), name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
