"""The options of a MongoDB URI: which of them a watcher's connection takes, and within which limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from watcher.config.mongodb_uri import parse_uri


class Bounds(NamedTuple):
    """A time of the URI's that is taken as it is within limits, in milliseconds; `usual` is it where the URI has none."""

    least: int
    usual: int
    most: int


BOUNDED: Mapping[str, Bounds] = {
    "serverSelectionTimeoutMS": Bounds(2_000, 5_000, 30_000),
    "connectTimeoutMS": Bounds(2_000, 5_000, 30_000),
    "heartbeatFrequencyMS": Bounds(500, 10_000, 10_000),
}
"""Less, and no server is found in time, whichever; more, and nobody is told of an outage. Together the last two bound how late
a network that swallows packets is noticed: the driver breaks off what it waits for when a server's heartbeat stays away."""

FIXED: Mapping[str, Any] = {
    "socketTimeoutMS": None,
    "timeoutMS": None,
    "waitQueueTimeoutMS": None,
    "maxIdleTimeMS": None,
    "maxPoolSize": 2,
    "minPoolSize": 0,
}
"""What the URI cannot change. A getMore waits a second for changes, and takes as long as MongoDB needs to pass over the changes of
others: minutes, after a long pause. A worker that did not wait for the reply would ask for the same again for ever."""

LEAST_STALENESS_SECONDS = 90
"""The driver reads from no member at all with a maxStalenessSeconds below."""


def driver_options(uri: str) -> dict[str, Any]:
    """What the driver is given beside an acceptable `uri`, and before its options of the same names."""
    given = parse_uri(uri).options
    bounded = {name: _within(bounds, given.get(name.lower())) for name, bounds in BOUNDED.items()}
    # A load balancer chooses a router for each connection, and the cursor is known to one of them alone.
    pool = {"maxPoolSize": 1} if given.get("loadbalanced") == "true" else {}
    staleness = _number(given.get("maxstalenessseconds"))
    late = {"maxStalenessSeconds": LEAST_STALENESS_SECONDS} if staleness and 0 < staleness < LEAST_STALENESS_SECONDS else {}
    return {**bounded, **FIXED, **pool, **late}


def _within(bounds: Bounds, text: str | None) -> int:
    """0 is no limit, as everywhere in the driver; what is no number is as if it were not there, as in the driver."""
    wanted = _number(text)
    return bounds.usual if wanted is None else int(min(max(wanted or bounds.most, bounds.least), bounds.most))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(number) else number
