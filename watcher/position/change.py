"""Changes a watcher's position by hand: the new position, and the control message that tells consumers of it.

`mongodb/timeline.py` has asked MongoDB about the new position before; `takeover.py` writes the change. A step forward ends a
snapshot under way, since changes would be missing between its documents; after a step back it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from watcher.config import Settings
from watcher.kafka.ownership import counted_anew
from watcher.kafka.position import SNAPSHOT_KEY, dump_snapshot
from watcher.messages.encoder import Encoder, MessageFormat
from watcher.model import Delivered, Message, Notice, ResumeToken
from watcher.position.history import PositionChange
from watcher.position.takeover import CommandChange, Taken, run_command
from watcher.registry import schema_ids_of
from watcher.snapshot import plan
from watcher.stream.loss_policies import gap_notice


def change(settings: Settings, delivered: Delivered, target: ResumeToken, what: str) -> PositionChange:
    """Set the position to `target`; `what` tells people the reason.

    The sequence numbers of the messages jump, because no number may be given twice: after a step back the same changes come again,
    and a consumer that recognises messages by their number has to accept them.

    Errors: as `run_command`.
    """

    return run_command(settings, delivered, what, lambda taken: _moved(settings, taken, taken.entry(target)))


def _moved(settings: Settings, taken: Taken, entry: PositionChange) -> CommandChange:
    """Make the change: the new position, and before it the control messages. A watcher that has not begun yet has nobody to tell:
    then there is no message."""
    position, snapshot = taken.position, taken.position.snapshot
    if position.token is None and not taken.lost:
        return CommandChange(entry, position.moved(entry.after))
    sequence = position.sequence if taken.lost else counted_anew(position.sequence)
    notices, records = [notice_of(entry)], dict[bytes, bytes]()
    if snapshot and not is_step_back(entry.before, entry.after):
        how = "lost, and set anew" if taken.lost else "moved forward"
        snapshot, notice = plan.ended(snapshot, "aborted", f"the position was {how} by {entry.by}")
        notices, records = [*notices, notice], {SNAPSHOT_KEY: dump_snapshot(snapshot)}
    moved = replace(position, sequence=sequence).moved(entry.after, len(notices), snapshot)
    return CommandChange(entry, moved, control_messages(settings, notices, sequence), records)


def control_messages(settings: Settings, notices: Sequence[Notice], sequence: int) -> list[Message]:
    """Make the messages of notices, numbered after `sequence`. Errors: those of the schema registry, if the watcher has one."""
    encoder = Encoder(MessageFormat.of(settings), prefixes_of=schema_ids_of(settings))
    return [
        encoder.control(notice.operation, timestamp_ms=notice.timestamp_ms, sequence=number, **notice.fields)
        for number, notice in enumerate(notices, sequence + 1)
    ]


def notice_of(made: PositionChange) -> Notice:
    """Make the notice of a change. `rewind`: the changes up to the old position come again. `gap`: the changes up to the new
    position are left out."""
    notice = gap_notice(f"The position was changed by hand: {made.what}, by {made.by}.", made.before, made.after)
    return replace(notice, operation="rewind") if is_step_back(made.before, made.after) else notice


def is_step_back(before: ResumeToken | None, after: ResumeToken) -> bool:
    """Return True if changes come again. As text, tokens sort in the order of the stream."""
    return before is not None and after["_data"] < before["_data"]
