"""The topic that a template gives for one change, and a pattern for all topics that a template can give."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

from watcher.config.mongodb.collections import lasting_name
from watcher.config.topics.template import LONGEST_TOPIC

_HASH_DIGITS = 16
_IN_TOPICS = {"{operation}": "[A-Za-z]+", "{database}": "[A-Za-z0-9_-]+", "{collection}": "[A-Za-z0-9._-]+"}
_ESCAPED = re.compile(r"[^A-Za-z0-9._-]|_(?=x)")
_MERGED = re.compile(r"[^A-Za-z0-9-]")


def escape(name: str) -> str:
    """Replace each character that Kafka refuses in a topic by `_x<code point in hexadecimal>_`. Different names stay different.

    An underscore before an x is escaped as well, so that `_x` always begins an escape.
    """
    return _ESCAPED.sub(_code_point, name)


def escape_apart(name: str) -> str:
    """Like `escape`, but every `.` and `_` is escaped too. If that makes no difference, the first letter, digit or hyphen is.

    So the result differs from that of `escape`. Kafka treats `.` and `_` as the same when it looks for colliding topics (its
    `Topic.hasCollision`). No two of these names collide.
    """
    apart = _MERGED.sub(_code_point, name)
    if apart == escape(name) and (letter := re.search(r"[A-Za-z0-9-]", name)):
        before, after = name[: letter.start()], name[letter.end() :]
        return _MERGED.sub(_code_point, before) + _code_point(letter[0]) + _MERGED.sub(_code_point, after)
    return apart


def _code_point(character: re.Match[str] | str) -> str:
    return f"_x{ord(character[0]):x}_"


def folded(topic: str) -> str:
    """The name of a topic as Kafka compares it with other topics. No two topics may be the same in this form."""
    return topic.replace(".", "_")


@lru_cache(maxsize=4096)
def topic_name(template: str, operation: str, database: str | None, collection: str = "", *, apart: bool = False) -> str:
    """The topic that `template` gives for one change. Cached, because a worker asks for the same few topics at every event.

    The placeholder of a database or a collection that is not given stays.

    `apart` gives the name to use if Kafka refuses the usual one beside another topic. A name longer than LONGEST_TOPIC is cut, and
    ends in a digest of the whole name.
    """
    name = template.replace("{operation}", operation)
    escaped = escape_apart if apart else escape
    if database is not None:
        name = name.replace("{database}", (escape if "{collection}" in template else escaped)(database))
    if "{collection}" in name and collection:
        name = name.replace("{collection}", escaped(lasting_name(collection)))
    return name if len(name) <= LONGEST_TOPIC else _shortened(name)


def distinct(name: str, of: str) -> str:
    """`name`, cut if it is too long, with a digest of `of` at its end: no two are the same unless somebody makes them so."""
    digest = sha256(of.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{name[: LONGEST_TOPIC - _HASH_DIGITS - 1]}-{digest}"


def _shortened(name: str) -> str:
    return distinct(name, name)


def topic_pattern(template: str, database: str | None) -> re.Pattern[str]:
    """A pattern that matches the whole name of every topic that `topic_name` can give for changes of `database`, or of any database
    if it is None."""
    if database is None:
        return re.compile(_pattern(template))
    escapes = (escape,) if "{collection}" in template else (escape, escape_apart)
    return re.compile("|".join(_pattern(template.replace("{database}", escaped(database))) for escaped in escapes))


def _pattern(placed: str) -> str:
    parts = re.split(r"(\{operation\}|\{database\}|\{collection\})", placed)
    full = "".join(_IN_TOPICS.get(part) or re.escape(part) for part in parts)
    cut = LONGEST_TOPIC - _HASH_DIGITS - 1
    shortened = rf"(?=.{{{cut}}}-[0-9a-f]{{{_HASH_DIGITS}}}$){re.escape(parts[0][:cut])}.*"
    return rf"(?:{full}|{shortened})\Z"
