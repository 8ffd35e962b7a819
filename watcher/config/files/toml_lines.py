"""Line numbers of the keys in a TOML document, which tomllib does not give."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

KeyPath = tuple[str, ...]

_TOKEN = re.compile(
    r'(?P<text>"""(?:\\.|(?!""").)*"{3,5}'
    r"|'''(?:(?!''').)*'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*')"
    r"|(?P<comment>\#[^\n]*)"
    r"|(?P<newline>\n)"
    r"|(?P<mark>[\[\]{}=.,])"
    r"|(?P<bare>[^\s\[\]{}=.,\"'#]+)",
    re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def key_lines(document: str) -> dict[KeyPath, int]:
    """The line (from 1) of each key and of each table header in a valid TOML document, by the full path.

    Keys inside an inline table are not listed: they count as being on the line where their table begins.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for statement in _statements(document.replace("\r\n", "\n")):
        path = _key(statement)
        if statement[0].text == "[":
            table = path
        else:
            path = (*table, *path)
        lines.setdefault(path, statement[0].line)
    return lines


def keys_of_last_table(document: str) -> list[tuple[KeyPath, int]]:
    """The keys of the last table in a document, by their paths within it, each with its line (from 1)."""
    keys: list[tuple[KeyPath, int]] = []
    for statement in _statements(document.replace("\r\n", "\n")):
        if statement[0].text == "[":
            keys.clear()
        else:
            keys.append((_key(statement), statement[0].line))
    return keys


def _statements(document: str) -> Iterator[list[_Token]]:
    """Yield the logical lines. Each ends at a newline outside all brackets."""
    statement: list[_Token] = []
    depth = 0
    for token in _tokens(document):
        if token.kind != "newline":
            statement.append(token)
            depth += (token.text in ("[", "{")) - (token.text in ("]", "}"))
        elif depth == 0 and statement:
            yield statement
            statement = []
    if statement:
        yield statement


def _tokens(document: str) -> Iterator[_Token]:
    line, at = 1, 0
    for match in _TOKEN.finditer(document):
        line += document.count("\n", at, match.start())
        at = match.start()
        if match.lastgroup and match.lastgroup != "comment":
            yield _Token(match.lastgroup, match[0], line)


def _key(statement: list[_Token]) -> KeyPath:
    """The key before `=`, or the name between the brackets of a table's header."""
    end = next((index for index, token in enumerate(statement) if token.text == "="), len(statement))
    return tuple(_key_part(token) for token in statement[:end] if token.kind != "mark")


def _key_part(token: _Token) -> str:
    if token.kind == "bare":
        return token.text
    return str(tomllib.loads(f"key = {token.text}")["key"])
