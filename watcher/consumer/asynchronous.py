"""The consumer for asyncio. It reads in a thread and runs the handlers, which are coroutines, in the caller's event loop."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Self, TypeVar

from watcher.consumer.change import Change, Gap
from watcher.consumer.consumer import BATCH_SIZE, BATCH_WAIT_MS, DEFAULT_OPTIONS, DatabaseChangeConsumer
from watcher.consumer.delivery.dispatcher import ConsumerCounts
from watcher.consumer.delivery.watchdog import handled_elsewhere, stack_of_thread
from watcher.consumer.environment import read_environment
from watcher.consumer.options import ConsumerOptions
from watcher.consumer.registration.handlers import check_coroutine_handler, coroutine_of
from watcher.consumer.registration.operations import ANY
from watcher.consumer.snapshots import SnapshotAborted, SnapshotCompleted, SnapshotStarted
from watcher.consumer.stop_signals import stop_on_signals

T = TypeVar("T")
Coroutines = Callable[[T], Coroutine[Any, Any, object]]


class AsyncDatabaseChangeConsumer:
    """Like DatabaseChangeConsumer, but with `async def` handlers. It handles one message at a time, because the order of messages
    matters more than concurrency.
    """

    def __init__(
        self,
        brokers: str,
        group_id: str,
        topics: Iterable[str],
        *,
        options: ConsumerOptions = DEFAULT_OPTIONS,
        kafka: Mapping[str, Any] | None = None,
    ) -> None:
        self._consumer = DatabaseChangeConsumer(brokers, group_id, topics, options=options, kafka=kafka)
        self._loop: asyncio.AbstractEventLoop
        self._loop_thread = 0

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ, *, options: ConsumerOptions = DEFAULT_OPTIONS) -> Self:
        """Like DatabaseChangeConsumer.from_env."""
        brokers, group_id, topics, kafka = read_environment(environment)
        return cls(brokers, group_id, topics, options=options, kafka=kafka)

    @property
    def counts(self) -> ConsumerCounts:
        """ConsumerCounts of the messages, by what was done with them."""
        return self._consumer.counts

    def on(self, collection: str, *operations: str, database: str = ANY) -> Callable[[Coroutines[Change]], Coroutines[Change]]:
        """Like DatabaseChangeConsumer.on."""
        return self._register(self._consumer.on(collection, *operations, database=database))

    def on_batch(
        self, collection: str, *operations: str, database: str = ANY, size: int = BATCH_SIZE, wait_ms: int = BATCH_WAIT_MS
    ) -> Callable[[Coroutines[list[Change]]], Coroutines[list[Change]]]:
        """Like DatabaseChangeConsumer.on_batch."""
        return self._register(self._consumer.on_batch(collection, *operations, database=database, size=size, wait_ms=wait_ms))

    def on_gap(self, handler: Coroutines[Gap]) -> Coroutines[Gap]:
        """Like DatabaseChangeConsumer.on_gap."""
        self._consumer.on_gap(self._in_loop(handler))
        return handler

    def on_snapshot_started(self, handler: Coroutines[SnapshotStarted]) -> Coroutines[SnapshotStarted]:
        """Like DatabaseChangeConsumer.on_snapshot_started."""
        self._consumer.on_snapshot_started(self._in_loop(handler))
        return handler

    def on_snapshot_completed(self, handler: Coroutines[SnapshotCompleted]) -> Coroutines[SnapshotCompleted]:
        """Like DatabaseChangeConsumer.on_snapshot_completed."""
        self._consumer.on_snapshot_completed(self._in_loop(handler))
        return handler

    def on_snapshot_aborted(self, handler: Coroutines[SnapshotAborted]) -> Coroutines[SnapshotAborted]:
        """Like DatabaseChangeConsumer.on_snapshot_aborted."""
        self._consumer.on_snapshot_aborted(self._in_loop(handler))
        return handler

    def on_other(self, handler: Coroutines[Change]) -> Coroutines[Change]:
        """Like DatabaseChangeConsumer.on_other."""
        self._consumer.on_other(self._in_loop(handler))
        return handler

    async def run(self) -> None:
        """Like DatabaseChangeConsumer.run. When cancelled, it finishes the message in hand first."""
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        with stop_on_signals(self.stop):  # not by the loop's own handlers: they wait for it, and cannot be given back
            reading = asyncio.ensure_future(asyncio.to_thread(self._consumer.run))
            try:
                await asyncio.shield(reading)
            except asyncio.CancelledError:
                self.stop()
                await reading
                raise

    def stop(self) -> None:
        """Make `run` return. May be called from any thread, or from a handler."""
        self._consumer.stop()

    def _register(self, register: Callable[[Callable[[T], None]], object]) -> Callable[[Coroutines[T]], Coroutines[T]]:
        def decorate(handler: Coroutines[T]) -> Coroutines[T]:
            register(self._in_loop(handler))
            return handler

        return decorate

    def _in_loop(self, handler: Coroutines[T]) -> Callable[[T], None]:
        check_coroutine_handler(handler)

        def call(argument: T) -> None:
            coroutine = coroutine_of(handler, argument)
            with handled_elsewhere(lambda: self._where(coroutine)):
                asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

        return call

    def _where(self, coroutine: Coroutine[Any, Any, object]) -> str:
        """The stack of a coroutine as text.

        While the coroutine runs, this is the stack of the loop's thread. Otherwise it is the chain of coroutines that it awaits, as
        far as they are written in Python.
        """
        if inspect.getcoroutinestate(coroutine) == inspect.CORO_RUNNING:
            return stack_of_thread(self._loop_thread)
        lines: list[str] = []
        awaited: Any = coroutine
        while (frame := getattr(awaited, "cr_frame", None)) is not None:
            lines += traceback.format_stack(frame, 1)
            awaited = awaited.cr_await
        return "".join(lines)
