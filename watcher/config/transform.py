"""Checks of `transform`, which names a function of the user's. They execute nothing of it."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from watcher.config.fault import Refused, did_you_mean

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_REFERENCE = re.compile(rf"(?:{_NAME}:{_NAME})?")
_HINT = "for example shape:pseudonymise, for the function pseudonymise in shape.py beside conf.d/"


def check_transform(reference: str) -> str:
    """Return `reference` unchanged; empty means none. Raises `Refused` if it is not `module:function`."""
    if not _REFERENCE.fullmatch(reference):
        raise Refused(f"must be module:function, not '{reference}'", hint=_HINT)
    return reference


_DYNAMIC = frozenset({"__getattr__", "__dict__", "globals", "locals", "vars", "exec", "eval", "setattr", "modules"})
"""Names by whose use a module may have others than those that stand in it."""


def missing_function(reference: str, directory: Path) -> Iterator[Refused]:
    """Yield a refusal if the module is neither in `directory` nor installed, or cannot have the function. Of a module in a package,
    looks for the package alone."""
    module, _, name = reference.partition(":")
    top = module.partition(".")[0]
    if not top:
        return
    spec = PathFinder.find_spec(top, [*sys.path, str(directory)])
    if spec is None:
        yield Refused(f"names the module '{top}', which is not beside conf.d/", hint=f"put {top}.py into {directory}")
    elif top == module and spec.origin and spec.origin.endswith(".py") and spec.submodule_search_locations is None:
        yield from _missing_name(name.partition(".")[0], Path(spec.origin))


def _missing_name(name: str, path: Path) -> Iterator[Refused]:
    """Yield a refusal if the text of a module is no Python, or if nothing in it can give it a global of this name. What cannot be
    read, or not be judged, is not refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's text: they are for who runs it
            tree = ast.parse(path.read_bytes(), path.name)
    except (OSError, RecursionError, MemoryError):  # the last two: too deep for `ast`, which says nothing of the import
        return
    except (SyntaxError, ValueError) as error:
        place = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        yield Refused(f"names a function in {path.name}, which is no Python{place}", hint=f"correct {path}")
        return
    mentioned = {word for node in ast.walk(tree) for word in _words_of(node)}
    if name not in mentioned and "*" not in mentioned and _DYNAMIC.isdisjoint(mentioned):
        defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        yield Refused(f"names '{name}', which {path.name} does not have", hint=did_you_mean(name, defined) or _HINT)


def _words_of(node: ast.AST) -> Iterator[str]:
    """Yield all names that a part of a program's text mentions in any way, also as an attribute or as a text."""
    for _, value in ast.iter_fields(node):
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str):
                yield from (word, word.partition(".")[0])
