"""The source of a worker's pipeline: the change stream, and around it a snapshot where there is one or may be one."""

from __future__ import annotations

import logging

from watcher.config import Settings
from watcher.model import Position
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.stream.loss_policies import TolerantStream
from watcher.stream.ports import Source
from watcher.worker.reporting.progress import Progress

logger = logging.getLogger("watcher")


def source_of(
    stream: ResumingStream, settings: Settings, position: Position, progress: Progress, *, loss: str, cut_off: bool
) -> Source:
    """Put together the source that is to be opened at `position`. `loss` and `cut_off` are as for `TolerantStream`."""
    tolerant = TolerantStream(stream, settings, progress.gaps, lost_position=loss, cut_off=cut_off)
    if not may_copy(settings, position):
        return tolerant

    from watcher.snapshot.documents import StreamDocuments  # here, because every other worker would keep it in memory for good
    from watcher.snapshot.interleaver import Interleaver

    return Interleaver(tolerant, StreamDocuments(stream.session, settings), settings, progress)


def may_copy(settings: Settings, position: Position) -> bool:
    """Return True if documents are to be copied after `position`, or may be. A command that asks for a copy makes the worker open
    again."""
    at_first_start = position.token is None and settings.snapshot_mode == "initial"
    return bool(position.snapshot) or at_first_start or settings.on_position_lost == "snapshot"


def tell_of_no_snapshot(settings: Settings, position: Position) -> None:
    """Log that documents are not copied, where somebody may expect it: at a first start, and where snapshot_mode comes too late."""
    if position.token is None and settings.snapshot_mode == "never":
        hint = 'snapshot_mode = "initial" copies them at a first start; see docs/snapshots.md'
        logger.info("first start: the documents that are there already are not copied", extra={"hint": hint})
    elif position.token and settings.snapshot_mode == "initial" and not (position.snapshot or position.last_snapshot):
        hint = "an initial snapshot is made only at a first start; see docs/snapshots.md"
        logger.info("no initial snapshot: this watcher has a position already, and goes on there", extra={"hint": hint})
