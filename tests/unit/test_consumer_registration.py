"""Refusals at registration: of what cannot be a handler, and of what no message can match."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from watcher.consumer import AsyncDatabaseChangeConsumer, DatabaseChangeConsumer, HandlerFailed
from watcher.consumer.registration.handlers import check_coroutine_handler, check_handler, checked, coroutine_of
from watcher.messages import schema
from watcher.operations import OF_A_DATABASE, OPERATIONS, ROW_OPERATIONS

ROOT = Path(__file__).parents[2]
OTHER_PYTHONS = ("3.12", "3.13")
MYPY_CACHE = ROOT / ".cache" / "mypy-of-handlers"


async def saved(_: Any) -> None:
    """A coroutine function."""


async def streamed(_: Any) -> AsyncIterator[int]:
    yield 1


def generated(_: Any) -> Iterator[int]:
    yield 1


def returned(change: Any) -> Awaitable[None]:
    return saved(change)


def returned_or_not(change: Any) -> Awaitable[None] | None:
    return saved(change) if change else None


def wanted_only(change: Any) -> Awaitable[None] | None:
    if not change:
        return None
    return saved(change)


def done(change: Any) -> None:
    print(change)


def done_or_not(change: Any) -> None:
    if not change:
        return
    print(change)


class Service:
    async def save(self, _: Any) -> None: ...

    @staticmethod
    async def save_statically(_: Any) -> None: ...

    def done(self, _: Any) -> None: ...


class AsyncObject:
    async def __call__(self, _: Any) -> None: ...


class Object:
    def __call__(self, _: Any) -> None: ...


COROUTINES = [
    saved,
    functools.partial(saved),
    functools.partial(functools.partial(saved)),
    Service().save,
    Service.save_statically,
    AsyncObject(),
    functools.partial(AsyncObject()),
]
GENERATORS = [streamed, generated, functools.partial(generated)]
FUNCTIONS = [done, done_or_not, functools.partial(done), Service().done, Object(), print, [].append]
UNKNOWN = [returned, returned_or_not, wanted_only, lambda change: saved(change)]
"""Results of handlers show only when they are called."""


@pytest.mark.parametrize("handler", [*COROUTINES, *GENERATORS, None, "users"])
def test_what_a_call_does_not_run_is_no_handler(handler: Any) -> None:
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    for register in (
        consumer.on("users"),
        consumer.on_batch("users"),
        consumer.on_gap,
        consumer.on_snapshot_completed,
        consumer.on_other,
    ):
        with pytest.raises(TypeError):
            register(handler)


@pytest.mark.parametrize("handler", [*FUNCTIONS, *GENERATORS, None, "users"])
def test_what_gives_no_coroutine_is_no_handler_of_asyncio(handler: Any) -> None:
    consumer = AsyncDatabaseChangeConsumer("b", "g", ["t"])
    for register in (
        consumer.on("users"),
        consumer.on_batch("users"),
        consumer.on_gap,
        consumer.on_snapshot_completed,
        consumer.on_other,
    ):
        with pytest.raises(TypeError):
            register(handler)


@pytest.mark.parametrize("handler", [*FUNCTIONS, *UNKNOWN])
def test_handlers(handler: Any) -> None:
    check_handler(handler)
    assert DatabaseChangeConsumer("b", "g", ["t"]).on("users")(handler) is handler


@pytest.mark.parametrize("handler", [*COROUTINES, *UNKNOWN])
def test_handlers_of_asyncio(handler: Any) -> None:
    check_coroutine_handler(handler)
    assert AsyncDatabaseChangeConsumer("b", "g", ["t"]).on("users")(handler) is handler


RETURNS_NONE = """
import sys, types
sys.modules["confluent_kafka"] = types.SimpleNamespace(Message=object)
sys.modules["orjson"] = types.SimpleNamespace()
sys.modules["watcher.consumer"] = package = types.ModuleType("watcher.consumer")
package.__path__ = ["watcher/consumer"]
from watcher.consumer.registration.handlers import _returns_none
async def saved(change): ...
def done(change): print(change)
def done_or_not(change):
    if not change: return
    print(change)
def returned(change): return saved(change)
def returned_or_not(change): return saved(change) if change else None
def wanted_only(change):
    if not change: return None
    return saved(change)
print([_returns_none(each) for each in (done, done_or_not, returned, returned_or_not, wanted_only, lambda change: saved(change))])
"""
"""Loads that one module, without what it does not need: these interpreters have no packages."""


@pytest.mark.parametrize("version", OTHER_PYTHONS)
def test_handlers_of_asyncio_under_other_pythons(version: str) -> None:
    """Results of a function are read from its code, which each version writes in its own way."""
    python = _python(version)
    told = subprocess.run([python, "-c", RETURNS_NONE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert told.stdout.strip() == "[True, True, False, False, False, False]", told.stderr


def _python(version: str) -> str:
    """An interpreter of that version, of those that pyenv has installed."""
    if not (found := sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"there is no Python {version} under ~/.pyenv")
    return str(found[-1])


@pytest.mark.parametrize("handler", [returned, lambda change: saved(change), streamed, generated])
def test_a_result_that_shows_that_nothing_was_done(handler: Callable[[object], object]) -> None:
    """It is no failure of one message's: the dead letters would get them all."""
    with pytest.raises(HandlerFailed, match="has not run"):
        checked(handler)(7)


def test_results_that_do_not_matter() -> None:
    for result in (None, 7, [1], object()):
        checked(lambda _, result=result: result)(7)  # type: ignore[misc]


def test_a_function_of_asyncio_that_gives_no_coroutine_after_all() -> None:
    with pytest.raises(HandlerFailed, match="no coroutine"):
        coroutine_of(lambda _: None, 7)  # type: ignore[arg-type, return-value]
    asyncio.run(coroutine_of(returned, 7))


@pytest.mark.parametrize(
    ("operation", "hint"),
    [
        ("insrt", 'did you mean "insert"'),
        ("INSERT", 'did you mean "insert"'),
        ("deadletter", 'did you mean "deadLetter"'),
        ("upsert", '"\\*" takes those of later versions'),
        ("", "there are insert, update"),
        ("user*", "there are insert, update"),
    ],
)
def test_an_operation_that_there_is_not(operation: str, hint: str) -> None:
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    for on in (consumer.on, consumer.on_batch, AsyncDatabaseChangeConsumer("b", "g", ["t"]).on):
        with pytest.raises(ValueError, match=hint):
            on("users", "insert", operation)


@pytest.mark.parametrize(
    "arguments", [("users", ["insert", "update"]), ("users", done), (done,), (None,), (["users"],), (7, "insert")]
)
def test_what_is_no_text(arguments: Any) -> None:
    """Such as a decorator without its parentheses, whose function would never be called."""
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    for on in (consumer.on, consumer.on_batch):
        with pytest.raises(TypeError):
            on(*arguments)


@pytest.mark.parametrize("pattern", ["", "user[z-a]", "us\0ers"])
def test_a_name_that_matches_nothing(pattern: str) -> None:
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    with pytest.raises(ValueError, match="no collection can match"):
        consumer.on(pattern)
    with pytest.raises(ValueError, match="no database can match"):
        consumer.on("users", database=pattern)


@pytest.mark.parametrize("operation", OF_A_DATABASE)
def test_messages_without_a_collection_match_no_name(operation: str) -> None:
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    for collection in ("users", "user*"):
        with pytest.raises(ValueError, match="name no collection"):
            consumer.on(collection, "drop", operation)
    consumer.on("*", operation)


def test_a_second_handler_for_the_rest_is_refused() -> None:
    consumer = DatabaseChangeConsumer("b", "g", ["t"])
    consumer.on_other(done)
    with pytest.raises(ValueError, match="already"):
        consumer.on_other(done)


def test_the_operations_are_those_of_the_contract() -> None:
    rows, control = _operations(schema.ROW_CHANGES), _operations(schema.CONTROL)
    assert tuple(rows) == ROW_OPERATIONS
    assert (*rows, *control) == OPERATIONS
    assert {name for name, model in control.items() if "collection" not in model.model_fields} == set(OF_A_DATABASE)


def _operations(models: Iterable[Any]) -> dict[str, Any]:
    """Each model by the operation of its messages."""
    return {get_args(model.model_fields["operationType"].annotation)[0]: model for model in models}


SNIPPET = """
from watcher.consumer import AsyncDatabaseChangeConsumer, Change, DatabaseChangeConsumer, Gap, SnapshotCompleted

consumer = DatabaseChangeConsumer("b", "g", ["t"])
asynchronous = AsyncDatabaseChangeConsumer("b", "g", ["t"])
changes: list[Change] = []

def handle(change: Change) -> None: ...
def handle_many(batch: list[Change]) -> int: return len(batch)
def hear(gap: Gap) -> None: ...
def remove(snapshot: SnapshotCompleted) -> None: ...
async def save(change: Change) -> None: ...
async def save_many(batch: list[Change]) -> None: ...
async def mark(gap: Gap) -> None: ...
async def clean(snapshot: SnapshotCompleted) -> None: ...
"""
RIGHT = [
    'consumer.on("users")(handle)',
    'consumer.on("users", "insert")(changes.append)',
    'consumer.on("users")(lambda change: handle(change))',
    'consumer.on_batch("users")(handle_many)',
    "consumer.on_gap(hear)",
    "consumer.on_snapshot_completed(remove)",
    "consumer.on_other(handle)",
    'asynchronous.on("users")(save)',
    'asynchronous.on("users")(lambda change: save(change))',
    'asynchronous.on_batch("users")(save_many)',
    "asynchronous.on_gap(mark)",
    "asynchronous.on_snapshot_completed(clean)",
    "asynchronous.on_other(save)",
]
WRONG = [
    'consumer.on("users")(save)',
    'consumer.on("users")(lambda change: save(change))',
    'consumer.on_batch("users")(save_many)',
    "consumer.on_gap(mark)",
    "consumer.on_snapshot_completed(clean)",
    "consumer.on_snapshot_started(remove)",
    "consumer.on_other(save)",
    'consumer.on("users")(handle_many)',
    'asynchronous.on("users")(handle)',
    'asynchronous.on_batch("users")(handle_many)',
    "asynchronous.on_gap(hear)",
    "asynchronous.on_snapshot_completed(remove)",
    "asynchronous.on_other(handle)",
]


@pytest.mark.one_python  # mypy judges alike
def test_mypy_refuses_handlers_of_the_other_class(tmp_path: Path) -> None:
    program = tmp_path / "snippet.py"
    program.write_text("\n".join([SNIPPET, *RIGHT, *WRONG, ""]))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={MYPY_CACHE}", str(program)]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    told = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment, cwd=tmp_path)
    first = SNIPPET.count("\n") + 2 + len(RIGHT)
    lines = {int(line.split(":")[1]) for line in told.stdout.splitlines() if ": error:" in line and "snippet.py" in line}
    assert lines == set(range(first, first + len(WRONG))), told.stdout + told.stderr
