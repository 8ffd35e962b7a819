"""Positions that a user can choose: a time, a token, the start, or the one before the last change."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from watcher.errors import WatcherError
from watcher.log import iso

if TYPE_CHECKING:
    from watcher.model import ResumeToken
    from watcher.mongodb.timeline import Timeline
    from watcher.position.look import Look

ResumePoint = tuple["ResumeToken", str]
"""A resume token, and the reason for it, for people."""

OF_A_COPY = re.compile(r"[\w-]+\.\d+")
"""The eventId of a document that a snapshot has copied: the snapshot's id and a number."""

Choose = Callable[["Look", "Timeline"], ResumePoint]
"""Chooses a position, given the present one. Errors: WatcherError."""

UP_TO_SECONDS = 5
"""Bytes of a resume token up to its seconds, a type before them."""


class Token(click.ParamType["ResumeToken"]):
    """A resume token, as text, which is also the `eventId` of a message, or as the JSON that MongoDB gives."""

    name = "token"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ResumeToken:
        from bson import json_util

        from watcher.model import token_seconds

        text = str(value)
        if OF_A_COPY.fullmatch(text):
            self.fail(
                "is the eventId of a document that a snapshot has copied, no place in the stream: take that of a change", param, ctx
            )
        try:
            token: ResumeToken = json_util.loads(text) if text.startswith("{") else {"_data": text}
            if len(bytes.fromhex(token["_data"])) < UP_TO_SECONDS:
                raise ValueError("too short")
            token_seconds(token)
        except Exception:  # noqa: BLE001  # json_util may raise any exception
            self.fail("must be an eventId, or a resume token as JSON", param, ctx)
        return token


def back_to(moment: datetime) -> Choose:
    """Choose the time, which must be before the position's."""

    def choose(seen: Look, timeline: Timeline) -> ResumePoint:
        from watcher.position.change import is_step_back

        token = timeline.at(moment)
        if seen.token and not is_step_back(seen.token, token):
            raise WatcherError(f"The position is of {time_of(seen.token)} already; a rewind goes back.", hint="See `position set`.")
        return token, f"rewind to {time_of(token)}"

    return choose


def after(token: ResumeToken) -> Choose:
    """Choose a token, after which MongoDB must be able to go on."""
    return lambda _, timeline: (timeline.after(token), "set")


def at_start(_seen: Look, timeline: Timeline) -> ResumePoint:
    """Choose where `start_from` says."""
    return timeline.start(), "reset"


def undo(seen: Look, timeline: Timeline) -> ResumePoint:
    """Choose the position before the last change that moved it."""
    last = next((entry for entry in reversed(seen.history) if entry.moves), None)
    if last is None or last.before is None:
        raise WatcherError("There was no position before that." if last else "There has been no change to take back.")
    return timeline.after(last.before), f"undo of the change at {last.at}"


def time_of(token: ResumeToken) -> str:
    """The time of the change after which the stream continues, in whole seconds."""
    from watcher.model import token_seconds

    return iso(token_seconds(token))
