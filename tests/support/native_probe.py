"""Runs the part in C without anything else of the project: `python -I native_probe.py PART`, with a pickle on stdin: what
its template is made of, and others to be tried, and events with the answers to them.

Any Python takes it, one without the project's dependencies too. What is wrong goes to stderr, and the exit code is 1.
"""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location

CALLS = 30_000
"""A Python 3.11 whose None was given away without counting dies after 14,000."""

SLACK = 100
"""References and blocks of memory that come and go with the probe itself."""


class Message(tuple):
    """As the project's own, but without names."""

    __slots__ = ()


def topic_of(operation, database, collection):
    """Names the topic of a route, without a limit and anything in front of messages."""
    return f"{operation} {database}.{collection}", sys.maxsize, b"", b""


def load(path):
    """A compiled part."""
    spec = spec_from_file_location("_bson_json", path, loader=ExtensionFileLoader("_bson_json", path))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(function, arguments):
    """Call it often, wrongly too."""
    for _ in range(CALLS):
        with suppress(TypeError, ValueError, IndexError):
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
    parts, others, questions = pickle.load(sys.stdin.buffer)
    parts = (Message, *parts)
    template = part.template(*parts)

    def answer(event):
        messages, *_ = part.fill(template, [event], 0, 1, 7, 1, topic_of)
        return messages[0] if messages else None

    faults = [(event, expected) for event, expected in questions if answer(event) != expected]
    made = next(event for event, expected in questions if expected)
    declined = next(event for event, expected in questions if expected is None)
    several = [made, made, declined]
    values = (made, declined, several, template, parts, topic_of)
    for arguments in (
        (template, [made], 0, 1, 7, 1, topic_of),
        (template, several, 0, 3, 7, 10**6, topic_of),
        (template, [declined], 0, 1, 7, 1, topic_of),
        (template, [declined], 0, 1, 2**63, 1, topic_of),
        (template, several, 0, 3, 7, 10**6, lambda *_: ("topic", 10, b"", b"")),
        (template, several, 0, 3, 7, 10**6, lambda *_: "topic"),
        (template, several, 0, 3, 7, 10**6, lambda *_: ("topic", 10**6, b"", b"12345" * 1000)),
        (template, several, 0, 4, 7, 10**6, topic_of),
        (template, [made], 0, 1, "7", 1, topic_of),
        (None, [made], 0, 1, 7, 1, topic_of),
        (),
    ):
        faults += leaks(part.fill, arguments, values)
    for arguments in (parts, (*parts[:2], 99, *parts[3:]), (*parts[:4], (("insert", -1, 1, ((b"", 99, 0),), (), 0),), ()), ()):
        faults += leaks(part.template, arguments, values)
    for other in others:
        faults += leaks(part.fill, (part.template(Message, *other), several, 0, 3, 7, 10**6, topic_of), values)
    sys.exit("\n".join(map(repr, faults)) or 0)


if __name__ == "__main__":
    main()
