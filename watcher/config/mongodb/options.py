"""The options of a MongoDB URI that a watcher's connection uses, and their limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from watcher.aws import OF_MONGODB, is_installed
from watcher.config.mongodb.uri import parse_uri


class Bounds(NamedTuple):
    """Limits in milliseconds for a time that the URI may set. `usual` is the value if the URI sets none."""

    least: int
    usual: int
    most: int


BOUNDED: Mapping[str, Bounds] = {
    "serverSelectionTimeoutMS": Bounds(2_000, 5_000, 30_000),
    "connectTimeoutMS": Bounds(2_000, 5_000, 30_000),
    "heartbeatFrequencyMS": Bounds(500, 10_000, 10_000),
}
"""With less than the least of any of them, no server is found in time; with more than the most, an outage is not reported. The last
two together limit the time until a network that drops packets is noticed: the driver gives up a pending operation when a server's
heartbeat fails."""

FIXED: Mapping[str, Any] = {
    "socketTimeoutMS": None,
    "timeoutMS": None,
    "waitQueueTimeoutMS": None,
    "maxIdleTimeMS": None,
    "maxPoolSize": 2,
    "minPoolSize": 0,
}
"""Options that the URI cannot change. A getMore waits a second for changes, but it may take minutes after a long pause, because
MongoDB has to skip the changes of other databases. A worker that gave up earlier would repeat the same request for ever."""

LEAST_STALENESS_SECONDS = 90
"""With a smaller maxStalenessSeconds the driver reads from no member at all."""


def driver_options(uri: str) -> dict[str, Any]:
    """The options given to the driver along with an acceptable `uri`. They override the URI's options of the same names."""
    given = parse_uri(uri).options
    bounded = {name: _within(bounds, given.get(name.lower())) for name, bounds in BOUNDED.items()}
    # A load balancer chooses a router for each connection, and only one of the routers knows the cursor.
    pool = {"maxPoolSize": 1} if given.get("loadbalanced") == "true" else {}
    staleness = _number(given.get("maxstalenessseconds"))
    late = {"maxStalenessSeconds": LEAST_STALENESS_SECONDS} if staleness and 0 < staleness < LEAST_STALENESS_SECONDS else {}
    return {**bounded, **FIXED, **pool, **late}


def missing_package(uri: str) -> str:
    """The package that the driver needs to log in as an acceptable `uri` wants it, and that is not installed; else empty."""
    is_of_aws = parse_uri(uri).options.get("authmechanism") == "MONGODB-AWS"
    return OF_MONGODB if is_of_aws and not is_installed(OF_MONGODB) else ""


def _within(bounds: Bounds, text: str | None) -> int:
    """Limit the value of an option. As in the driver, 0 means no limit, and a value that is not a number is ignored."""
    wanted = _number(text)
    return bounds.usual if wanted is None else int(min(max(wanted or bounds.most, bounds.least), bounds.most))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(number) else number
