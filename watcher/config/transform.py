"""Checks of `transform`, which names a function of the user's. They execute nothing of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from watcher.config.fault import Refused

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_REFERENCE = re.compile(rf"(?:{_NAME}:{_NAME})?")
_HINT = "for example shape:pseudonymise, for the function pseudonymise in shape.py beside conf.d/"


def check_transform(reference: str) -> str:
    """Return `reference` unchanged; empty means none. Raises `Refused` if it is not `module:function`."""
    if not _REFERENCE.fullmatch(reference):
        raise Refused(f"must be module:function, not '{reference}'", hint=_HINT)
    return reference


def missing_module(reference: str, directory: Path) -> Iterator[Refused]:
    """Yield a refusal if the module is neither in `directory` nor installed. Of a module in a package, looks for the package."""
    top = re.split(r"[.:]", reference)[0]
    if top and PathFinder.find_spec(top, [*sys.path, str(directory)]) is None:
        yield Refused(f"names the module '{top}', which is not beside conf.d/", hint=f"put {top}.py into {directory}")
