"""Runs the part in C without anything else of the project: `python -I native_probe.py PART`, with a pickle on stdin: what
its template is made of, and events with the answers to them.

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
    """A compiled part."""
    spec = spec_from_file_location("_bson_json", path, loader=ExtensionFileLoader("_bson_json", path))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(function, arguments):
    """Call it often, wrongly too."""
    for _ in range(CALLS):
        with suppress(TypeError, ValueError):
            function(*arguments)


def held(values):
    """Count the references to None and `values`, and the blocks of memory."""
    return [*map(sys.getrefcount, [None, *values]), sys.getallocatedblocks()]


def leaks(function, arguments, values):
    """Return what is left or missing after many calls."""
    before = held(values)
    call(function, arguments)
    after = held(values)
    return [(arguments[1:], before, after)] if any(abs(a - b) > SLACK for a, b in zip(after, before, strict=True)) else []


def main():
    """Ask what is to be asked, compare the answers, and see that nothing is left or missing afterwards."""
    part = load(sys.argv[1])
    parts, questions = pickle.load(sys.stdin.buffer)
    template = part.template(*parts)
    faults = [(event, expected) for event, expected in questions if part.fill(template, event, 7) != expected]
    made = next(event for event, expected in questions if expected)
    declined = next(event for event, expected in questions if expected is None)
    values = (made, declined, template, parts)
    for arguments in (
        (template, made, 7),
        (template, declined, 7),
        (template, declined, 2**63),
        (template, made, "7"),
        (None, made, 7),
        (),
    ):
        faults += leaks(part.fill, arguments, values)
    for arguments in (parts, (*parts[:2], 99, parts[3]), (*parts[:3], (("insert", ((b"", 99),)),)), ()):
        faults += leaks(part.template, arguments, values)
    sys.exit("\n".join(map(repr, faults)) or 0)


if __name__ == "__main__":
    main()
