"""Comparing globs by their texts: whether two can match one name, and whether one matches all that another does. Pure."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache

_TOKEN = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def may_meet(one: str, other: str) -> bool:
    """Return True if some name matches both. Globs have `*`, `?`, `[abc]` and `[!abc]`, as in fnmatch."""
    ours, theirs = _TOKEN.findall(one), _TOKEN.findall(other)

    @cache
    def meet(i: int, j: int) -> bool:
        mine, yours = ours[i : i + 1], theirs[j : j + 1]
        if _is_star(mine) and (meet(i + 1, j) or (yours and meet(i, j + 1))):
            return True
        if _is_star(yours) and (meet(i, j + 1) or (mine and meet(i + 1, j))):
            return True
        if not mine or not yours:
            return not mine and not yours
        is_alike = not _is_star(mine) and not _is_star(yours) and _have_one_in_common(mine[0], yours[0])
        return is_alike and meet(i + 1, j + 1)

    return bool(meet(0, 0))


def lies_in(pattern: str, other: str) -> bool:
    """Return True if all that matches `pattern` matches `other`, as far as this can be told: brackets and `?` of `other` are not
    compared with wildcards."""
    tokens = _TOKEN.findall(pattern)
    is_plain = all(map(_is_letter, tokens))
    shape = "".join(token if _is_letter(token) else "\0" for token in tokens)  # only a `*` matches what stands for a wildcard
    return pattern == other or ((is_plain or not set("?[") & set(other)) and fnmatchcase(shape, other))


def _is_star(tokens: list[str]) -> bool:
    return bool(tokens) and tokens[0].startswith("*")


def _is_letter(text: str) -> bool:
    """Return True if this part of a glob stands for itself."""
    return len(text) == 1 and text not in "*?"


def _have_one_in_common(one: str, other: str) -> bool:
    """Return True if one character matches both. Each stands for one; two sets that leave out some always have others."""
    if _is_letter(one):
        return fnmatchcase(one, other)
    if _is_letter(other):
        return fnmatchcase(other, one)
    characters = {character for each in (one, other) if each != "?" for character in _named(each)}
    return any(fnmatchcase(character, one) and fnmatchcase(character, other) for character in (*characters, "\0"))


def _named(token: str) -> set[str]:
    """Return the characters that a set in brackets names, with those of its ranges."""
    inner = token[1:-1].removeprefix("!")
    ranges = re.findall(r"(.)-(.)", inner, re.DOTALL)
    return set(inner) | {chr(code) for first, last in ranges for code in range(ord(first), min(ord(last), ord(first) + 256) + 1)}
