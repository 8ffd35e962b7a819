"""Colours that tell watchers apart where lines of several are mixed."""

from __future__ import annotations

from collections.abc import Iterable

PALETTE = ("cyan", "magenta", "blue", "green", "bright_cyan", "bright_magenta", "bright_blue", "bright_green")
"""Names that click and rich have in common."""


def name_colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name, in turn."""
    return {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(names)}
