"""Handling of Ctrl-C and similar signals only where they do no harm."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """A `with` block, for the main thread, in which SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt only within `ends_block()`.

    They raise it only once: further signals have no effect, so that cleaning up is never cut short, not even after the block: there
    the process is about to end. `arrived` is true after the first signal. If SIGHUP is ignored, it stays ignored, because nohup(1)
    asks for that.
    """

    def __init__(self) -> None:
        self.arrived = False
        self._raises = False
        self._raised = False

    def ends_block(self) -> _Block:
        """A `with` block that a signal ends quietly."""
        return _Block(self)

    def check(self) -> None:
        """End the block if the signal arrived before it began. To be called first in such a block."""
        if self.arrived:
            raise KeyboardInterrupt

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Hold signals back for a part of such a block. A signal that arrives meanwhile takes effect at the end of the part."""
        self._raises = False
        try:
            yield
        finally:
            self._raises = True
            self.check()

    def __enter__(self) -> Self:
        heard = [number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._handle) for number in heard}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.arrived else handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        is_first, self.arrived = not self.arrived, True
        if is_first and self._raises:
            self._raised = True
            raise KeyboardInterrupt


class _Block:
    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption

    def __enter__(self) -> None:
        self._interruption._raises = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self._interruption._raises = False
        # Libraries in C may answer with an error of their own to a signal, as confluent_kafka does while it reads its properties.
        return kind is KeyboardInterrupt or self._interruption._raised
