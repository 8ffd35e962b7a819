"""Handlers are called in batches, again after an error, and watched; without Kafka."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from tests.support.waiting import eventually
from tests.unit.consumer_changes import P, change, nothing
from watcher.consumer import (
    Change,
    ConsumerOptions,
)
from watcher.consumer.delivery.attempts import Attempts
from watcher.consumer.delivery.batches import Batches
from watcher.consumer.delivery.watchdog import Watchdog
from watcher.consumer.errors import Reject
from watcher.consumer.registration.routes import Route
from watcher.consumer.stop_signals import stop_on_signals


def test_batches_are_for_one_handler_and_keep_the_order_of_a_collection() -> None:
    batches = Batches()
    users = Route(nothing, "users", batch_size=2, wait_s=1.0)
    orders = Route(nothing, "orders", batch_size=2, wait_s=2.0)
    first = batches.add(users, change("insert", "users"), 0.0)
    second = batches.add(orders, change("insert", "orders"), 0.5)
    assert (first.is_full, batches.next_due_s(), batches.due(0.9), batches.due(1.0)) == (False, 1.0, [], [first])
    assert batches.before(change("update", "users"), users) == []
    assert batches.before(change("delete", "users"), None) == [first]
    assert batches.before(change("delete", "branches"), None) == []
    assert batches.before(change("gap", None), None) == [first, second]
    assert batches.add(users, change("update", "users", offset=6), 0.9) is first
    assert first.is_full
    batches.close(first)
    assert batches.next_due_s() == 2.5
    batches.revoke([P])
    assert batches.next_due_s() is None


class Flaky:
    """A handler that fails as often as it is told to."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.calls = 0
        self._failures = failures
        self._error = error

    def __call__(self, changes: list[Change]) -> None:
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error


def attempts(**options: Any) -> tuple[Attempts, list[float]]:
    waits: list[float] = []
    return Attempts(ConsumerOptions(**options), Watchdog(None, exits=False), waits.append, lambda changes: changes), waits


def test_a_handler_is_called_until_it_returns() -> None:
    policy, waits = attempts(backoff_ms=100, longest_backoff_ms=300)
    handler = Flaky(4, OSError("away"))
    assert policy.call(handler, [change()]) == ([change()], None)
    assert waits == [0.1, 0.2, 0.3, 0.3]


def test_a_handler_that_always_fails() -> None:
    error = OSError("away")
    policy, waits = attempts(attempts=3)
    handler = Flaky(99, error)
    assert policy.call(handler, [change()]) == ([change()], error)
    assert (handler.calls, len(waits)) == (3, 2)


def test_attempts_without_limit() -> None:
    policy, waits = attempts(attempts=None)
    assert policy.call(Flaky(2000, OSError()), [change()])[1] is None
    assert max(waits) == 30.0


def test_a_rejected_message_is_not_tried_again() -> None:
    policy, waits = attempts()
    error = Reject("never")
    assert policy.call(Flaky(99, error), [change()]) == ([change()], error)
    assert waits == []


def test_an_exit_is_no_failure() -> None:
    def leave(_: list[Change]) -> None:
        sys.exit(3)

    policy, _ = attempts()
    with pytest.raises(SystemExit):
        policy.call(leave, [change()])


class Clock:
    """Time that a test moves; `reads` counts the looks at it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reads = 0

    def monotonic(self) -> float:
        self.reads += 1
        return self.now

    def seen(self) -> None:
        """Wait until somebody looks once more."""
        before = self.reads
        eventually(lambda: self.reads > before)


def test_a_hanging_call_is_reported_once_and_a_slow_sequence_is_not(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("watcher.consumer.delivery.watchdog.time", clock)
    with Watchdog(0.1, exits=False) as watchdog:
        for _ in range(5):
            watchdog.begins(change())
            clock.seen()
            clock.now += 0.09
            clock.seen()
            watchdog.ends()
        assert caplog.text == ""
        watchdog.begins(change())
        clock.seen()
        clock.now += 0.2
        eventually(lambda: caplog.text)
        clock.now += 5
        threading.Event().wait(0.1)  # some more looks
        watchdog.ends()
    assert caplog.text.count("has not returned for") == 1
    assert "in test_a_hanging_call" in caplog.text, "where it hangs"


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with stop_on_signals(lambda: None):
                pass
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert errors == []


ASYNCHRONOUS = """
import asyncio, os, signal, time
from watcher.consumer import AsyncDatabaseChangeConsumer

consumer = AsyncDatabaseChangeConsumer("localhost:9092", "g", ["t"])
before = signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
inner = consumer._consumer

async def handler():
    {handler}

def read_and_handle():  # instead of Kafka
    asyncio.run_coroutine_threadsafe(handler(), consumer._loop).result()

inner.run = read_and_handle
asyncio.run(consumer.run())
print(inner._stopping.is_set(), signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)
"""
SIGNAL = "os.kill(os.getpid(), signal.SIGTERM)"


@pytest.mark.parametrize(
    ("handler", "code", "told"),
    [
        # A handler that blocks the loop until it hears of the signal: the loop's own handlers would have to wait for it.
        (f"{SIGNAL}\n    while not inner._stopping.is_set(): time.sleep(0.01)", 0, "True True"),
        # Two signals, the second of which has the effect that it had before.
        (f"{SIGNAL}\n    {SIGNAL}\n    await asyncio.sleep(60)", 3, ""),
    ],
    ids=["blocks the loop", "hangs"],
)
def test_signals_reach_a_consumer_for_asyncio(handler: str, code: int, told: str) -> None:
    script = ASYNCHRONOUS.format(handler=handler)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip()) == (code, told), done.stderr
