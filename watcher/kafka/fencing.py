"""Finds out who has fenced a worker. The error does not tell, and a coordinator's time-out looks the same."""

from __future__ import annotations

import contextlib
import time

from watcher.errors import Outage, PositionLost
from watcher.kafka.ownership import Ownership
from watcher.kafka.position_reader import PositionReader

FENCED = {
    *("PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH", "INVALID_PRODUCER_ID_MAPPING", "INVALID_TXN_STATE", "CONCURRENT_TRANSACTIONS"),
    *("TRANSACTION_ABORTABLE", "UNKNOWN", "_FENCED", "_STATE", "_FATAL"),
}
"""Names of the errors with which a write may end once somebody else has taken the watcher over. UNKNOWN is what Kafka 4.3 says to a
commit that arrives while it is being fenced."""

CLAIM_SECONDS = 1.0
"""Longest time to look for the claim of whoever has fenced us: it follows in a moment, unless it was the coordinator's time-out."""

LOOK_AGAIN_SECONDS = 0.1


def check_writer(error: Outage, ownership: Ownership, reader: PositionReader) -> None:
    """After a write that ended with `error`, check whose name stands in the position topic.

    Returns if it is ours still or not yet, or if Kafka does not tell: the next opening looks again. Errors: NotOwner, TakenOver.
    """
    if error.code not in FENCED or not ownership.is_a_workers:
        return
    deadline = time.monotonic() + CLAIM_SECONDS
    with contextlib.suppress(Outage, PositionLost):
        while time.monotonic() < deadline:
            ownership.judge(reader.read_so_far(), time.monotonic())
            time.sleep(LOOK_AGAIN_SECONDS)
