"""The format that a watcher writes in, as a comment in its program, so that `apply` can say when a topic will hold two."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from watcher.config.settings import Settings
from watcher.operations import ROW_OPERATIONS

_COMMENT = re.compile(r"^; writes (?P<format>\{.*\})\n", re.MULTILINE)

TOPICS = "topics"
_HOLD_BOTH = {
    "envelope": "will hold messages in both envelopes",
    "serialization": "will hold messages in both serializations",
    "json_format": "will hold documents in both dialects",
}
_GO_ELSEWHERE = "{} go to other topics from here on, and earlier ones stay where they are"
_ALL = "its topics"


class FormatChange(NamedTuple):
    """A thing that a watcher will write in another way: the name of a setting, or TOPICS, and what that means to readers."""

    name: str
    meaning: str


def format_comment(settings: Settings) -> str:
    """The comment's text."""
    return "writes " + json.dumps(_format(settings))


def without_format(text: str) -> str:
    """The program without its comment. A change of that alone is none: the digest tells a change of settings."""
    return _COMMENT.sub("", text)


def format_changes(text: str, settings: Settings) -> list[FormatChange]:
    """List what `settings` write in another way than the program's text; empty if an older release wrote the text."""
    found = _COMMENT.search(text)
    before = json.loads(found["format"]) if found else {}
    now = _format(settings)
    topics = _topics_that_stay(before.get(TOPICS, {}), settings.topic_templates)
    return [FormatChange(name, _meaning(name, topics)) for name in now if name in before and before[name] != now[name]]


def _topics_that_stay(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The topics of changes that stay the same, in words; empty if none does."""
    stays = [before.get(operation, now[operation]) == now[operation] for operation in ROW_OPERATIONS]
    return _ALL if all(stays) else "those of its topics that stay the same" if any(stays) else ""


def _meaning(name: str, topics: str) -> str:
    if name == TOPICS:
        return _GO_ELSEWHERE.format("control messages" if topics == _ALL else "changes")
    return f"{topics} {_HOLD_BOTH[name]}" if topics else "it is the new one in all messages of the new topics"


def _format(settings: Settings) -> dict[str, object]:
    return {**{name: getattr(settings, name) for name in _HOLD_BOTH}, TOPICS: settings.topic_templates}
