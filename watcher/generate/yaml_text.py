"""Renders plain values as YAML that kubectl reads: JSON's scalars, and blocks for text of several lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""Words that YAML 1.1 takes for something other than text, in upper or lower case."""


def yaml_text(document: Mapping[str, Any]) -> str:
    """Render one document, which ends with a line break."""
    return "\n".join(_lines(document)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(key, item)
    else:
        for item in value:
            first, *rest = _lines(item) if _is_nested(item) else [_scalar(item)]
            yield f"- {first}"
            yield from _indented(rest)


def _entry(key: str, item: Any) -> Iterator[str]:
    if _is_nested(item):
        yield f"{_scalar(key)}:"
        yield from _indented(_lines(item))
    elif isinstance(item, str) and _fits_a_block(item):
        yield f"{_scalar(key)}: |"
        yield from _indented(item.removesuffix("\n").split("\n"))
    else:
        yield f"{_scalar(key)}: {_scalar(item)}"


def _indented(lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _is_nested(value: Any) -> bool:
    return bool(value) and isinstance(value, (Mapping, list, tuple))


def _fits_a_block(text: str) -> bool:
    """True if the text consists of lines that a block gives back unchanged."""
    *lines, rest = text.split("\n")
    return bool(lines) and rest == "" and all(line.isprintable() and line[:1] not in ("", " ") for line in lines)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in text)
