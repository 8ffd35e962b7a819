"""Refuses functions that cannot be handlers, at registration or with the first message, so that no message is silently lost."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Generator
from types import FunctionType
from typing import Any, TypeVar

from watcher.consumer.errors import HandlerFailed

T = TypeVar("T")

Result = None | bool | int | float | str | bytes | Collection[Any]
"""Types that a handler may return, for type checkers; the value is ignored. Types cannot express "anything but a coroutine"."""

AnyHandler = Callable[..., object]

NOT_RUN = (Coroutine, Generator, AsyncGenerator)
"""Types of a result that shows that a call has only prepared its work and done none of it."""

ASYNC = "An `async def` belongs to an AsyncDatabaseChangeConsumer."


def check_handler(handler: AnyHandler) -> None:
    """Raise TypeError for a function whose code does not run when it is called."""
    name, called = _name_and_called(handler)
    if _is_coroutine_function(handler, called):
        raise TypeError(f"{name} is an `async def`, which a DatabaseChangeConsumer does not run. {ASYNC}")
    _refuse_generator(name, called)


def check_coroutine_handler(handler: AnyHandler) -> None:
    """Raise TypeError for a function that cannot return a coroutine. A plain function that returns one is as good as an `async
    def`.
    """
    name, called = _name_and_called(handler)
    if _is_coroutine_function(handler, called):
        return
    _refuse_generator(name, called)
    if inspect.isbuiltin(called) or (isinstance(called, FunctionType) and _returns_none(called)):
        raise TypeError(
            f"{name} is not an `async def`, which an AsyncDatabaseChangeConsumer needs; a DatabaseChangeConsumer takes it."
        )


def checked(handler: Callable[[T], object]) -> Callable[[T], object]:
    """Wrap a handler so that it raises HandlerFailed if its result shows that it has not run. An example is a lambda that returns a
    coroutine.
    """

    def call(argument: T) -> None:
        result = handler(argument)
        if result is not None and isinstance(result, NOT_RUN):
            if not isinstance(result, AsyncGenerator):
                result.close()  # otherwise Python warns that it was never awaited
            raise HandlerFailed(f"The handler {handler!r} has not run: it returned {type(result).__name__}.", hint=ASYNC)

    return call


def coroutine_of(handler: Callable[[T], object], argument: T) -> Coroutine[Any, Any, object]:
    """Call the handler and return its coroutine. Raises HandlerFailed if it returns anything else."""
    result = handler(argument)
    if not isinstance(result, Coroutine):
        raise HandlerFailed(f"The handler {handler!r} returned {result!r}, no coroutine.", hint="It must be an `async def`.")
    return result


def _name_and_called(handler: AnyHandler) -> tuple[str, Any]:
    """The handler's name for messages, and the function behind it: that in a functools.partial, in a method, or in an object's
    `__call__`.
    """
    if not callable(handler):
        raise TypeError(f"a handler must be callable, and {handler!r} is not")
    inner: Any = handler
    while isinstance(inner, functools.partial):
        inner = inner.func
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    if not (inspect.isroutine(inner) or inspect.isclass(inner)):
        inner = type(inner).__call__
    return name, getattr(inner, "__func__", inner)


def _is_coroutine_function(handler: AnyHandler, called: Any) -> bool:
    """True for an `async def`, and for a function that inspect.markcoroutinefunction (Python 3.12) has marked."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(called)


def _refuse_generator(name: str, called: Any) -> None:
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise TypeError(f"{name} cannot be a handler: it has a `yield`, so a call runs nothing of it")


def _returns_none(function: FunctionType) -> bool:
    """True if the function's code returns None and nothing else; False when in doubt.

    In Python 3.12 and 3.13, returning a constant is a single instruction.
    """
    returned: list[bool] = []
    before = None
    for instruction in dis.get_instructions(function):
        if instruction.opname == "RETURN_CONST":
            returned.append(instruction.argval is None)
        elif instruction.opname == "RETURN_VALUE":
            is_none = before is not None and before.opname == "LOAD_CONST" and before.argval is None
            returned.append(is_none and not instruction.is_jump_target)
        before = instruction
    return bool(returned) and all(returned)
