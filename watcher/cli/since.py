"""The type of the option `--since`: a moment, as an age or as a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[datetime]):
    """A moment: an age such as `10m`, or an ISO time. Without a zone the time is in UTC."""

    name = "since"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return _moment(str(value), datetime.now(UTC))
        except (ValueError, OverflowError):  # an age of thousands of years
            self.fail("must be like 30s, 10m, 2h, 1d or 2024-01-01T12:00:00Z", param, ctx)


def _moment(text: str, now: datetime) -> datetime:
    if match := re.fullmatch(r"(\d+)([smhd])", text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
