"""The format that a watcher writes in, as a comment in its program, so that `apply` can say when a topic will hold two."""

from __future__ import annotations

import json
import re

from watcher.config.settings import Settings

_COMMENT = re.compile(r"^; writes (?P<format>\{.*\})\n", re.MULTILINE)

TOPICS = "topics"
MEANINGS = {
    "envelope": "its topics will hold messages in both envelopes",
    "serialization": "its topics will hold messages in both serializations",
    "json_format": "its topics will hold documents in both dialects",
    TOPICS: "changes go to other topics from here on, and earlier ones stay where they are",
}
"""Meaning of each change for readers, by its name."""


def format_comment(settings: Settings) -> str:
    """The comment's text."""
    return "writes " + json.dumps(_format(settings))


def without_format(text: str) -> str:
    """The program without its comment. A change of that alone is none: the digest tells a change of settings."""
    return _COMMENT.sub("", text)


def changed_format(text: str, settings: Settings) -> list[str]:
    """Names of what `settings` write in another way than the program's text; none if an older release wrote the text."""
    found = _COMMENT.search(text)
    before = json.loads(found["format"]) if found else {}
    return [name for name, value in _format(settings).items() if name in before and before[name] != value]


def _format(settings: Settings) -> dict[str, object]:
    named = ("envelope", "serialization", "json_format")
    return {**{name: getattr(settings, name) for name in named}, TOPICS: settings.topic_templates}
