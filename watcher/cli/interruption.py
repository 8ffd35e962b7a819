"""Ctrl-C and its kin, at places where they do no harm."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """For the main thread, as a `with` block in which SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in `ends_block()` only.

    That happens once: further signals change nothing, so that cleaning up is never cut short. `arrived` tells that there was one.
    A SIGHUP that is ignored stays so: nohup(1) has asked for that.
    """

    def __init__(self) -> None:
        self.arrived = False
        self._raises = False

    def ends_block(self) -> _Block:
        """A `with` block that a signal ends, quietly."""
        return _Block(self)

    def check(self) -> None:
        """The first thing in such a block: ends it if the signal came before."""
        if self.arrived:
            raise KeyboardInterrupt

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Inside such a block: a part that is done to its end, before a signal that came meanwhile has its effect."""
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
            signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        is_first, self.arrived = not self.arrived, True
        if is_first and self._raises:
            raise KeyboardInterrupt


class _Block:
    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption

    def __enter__(self) -> None:
        self._interruption._raises = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self._interruption._raises = False
        return kind is KeyboardInterrupt
