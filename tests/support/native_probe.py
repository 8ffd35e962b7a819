"""Runs the part in C without anything else of the project: `python -I native_probe.py PART`, with a pickle on stdin: the
watcher's name, and events with the answers to them.

Any Python takes it, one without the project's dependencies too. What is wrong goes to stderr, and the exit code is 1.
"""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location

CALLS = 100_000
"""A Python 3.11 whose None was given away without counting dies after 14,000."""

SLACK = 100
"""References and blocks of memory that come and go with the probe itself."""


def load(path):
    """The function `row` of a compiled part."""
    spec = spec_from_file_location("_row", path, loader=ExtensionFileLoader("_row", path))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.row


def call(row, arguments):
    """Call it often, wrongly too."""
    for _ in range(CALLS):
        with suppress(TypeError):
            row(*arguments)


def held(values):
    """How many references to None and `values` and how many blocks of memory there are."""
    return [*map(sys.getrefcount, [None, *values]), sys.getallocatedblocks()]


def leaks(row, arguments, values):
    """What is left or missing after many calls."""
    before = held(values)
    call(row, arguments)
    after = held(values)
    return [(arguments[1:], before, after)] if any(abs(a - b) > SLACK for a, b in zip(after, before, strict=True)) else []


def main():
    """Ask what is to be asked, compare the answers, and see that nothing is left or missing afterwards."""
    row = load(sys.argv[1])
    watcher, questions = pickle.load(sys.stdin.buffer)
    faults = [(event, expected) for event, expected in questions if row(event, watcher, 7) != expected]
    made = next(event for event, expected in questions if expected)
    declined = next(event for event, expected in questions if expected is None)
    for arguments in ((made, watcher, 7), (declined, watcher, 7), (declined, watcher, 2**63), (made, watcher, "7"), ()):
        faults += leaks(row, arguments, (made, declined, watcher))
    sys.exit("\n".join(map(repr, faults)) or 0)


if __name__ == "__main__":
    main()
