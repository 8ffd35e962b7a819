"""Checks that a watcher's position exists, can be resumed from, and belongs to no other watcher."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property

from confluent_kafka import KafkaError

from watcher.config import Deployment, Settings
from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning
from watcher.doctor.worker import PATIENCE
from watcher.errors import PositionLost
from watcher.fleet.polling import command_line, is_alive, is_still
from watcher.kafka.ownership import check_database, position_gone
from watcher.kafka.position import Saved, Stamp
from watcher.kafka.position_reader import PositionReader
from watcher.kafka.topics import Topics
from watcher.log import iso
from watcher.model import Delivered, Owner, token_seconds
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.oplog import Oplog
from watcher.status.report import StatusReport, read_report
from watcher.terminal.durations import headroom_in_words, seconds_in_words
from watcher.worker.previous_run import PreviousRun

LONG_SECONDS = 600
"""Lag in seconds. A watcher that is less behind than this is only being restarted."""

NO_POSITION = "because there is no position yet"


@dataclass
class SavedPosition:
    """One watcher's position in Kafka, and the traces of its worker in `run/`."""

    settings: Settings
    deployment: Deployment
    troubles: deque[KafkaError] = field(default_factory=lambda: deque(maxlen=16))

    @cached_property
    def saved(self) -> Saved:
        """The content of the position topic; empty if there is no such topic. Raises Outage, NotPermitted, PositionLost."""
        if not Topics(self.settings, self.troubles.append).partitions(self.settings.position_topic):
            return Saved()
        return PositionReader(self.settings, self.troubles.append).read()

    @property
    def report(self) -> StatusReport | None:
        """The last report of a worker on this host."""
        return read_report(self.deployment.status_file(self.settings.name))

    @property
    def our_worker(self) -> int | None:
        """The process id of the worker that runs here, None if none does."""
        report = self.report
        return report.pid if report and is_still(report.pid, report.birth) else None

    def is_ours(self, owner: Owner) -> bool:
        """True if `owner` is the worker that runs here."""
        return (owner.pid, owner.host) == (self.our_worker, socket.gethostname())

    @property
    def delivered(self) -> Delivered:
        """Knowledge of this host about earlier messages."""
        return PreviousRun.of(self.report, self.settings.kafka_client_id).delivered


def saved(position: SavedPosition) -> Finding:
    """Check the position: it exists if the watcher has delivered before, can be read, and belongs to this database. Raises
    PositionLost.
    """
    found = position.saved.position
    if position.saved.has_lost_position(position.delivered):
        raise position_gone(position.settings)
    if found is None or found.token is None:
        return ok(f"none yet; the first start begins with start_from = {position.settings.start_from}")
    check_database(position.settings, found)
    return ok(f"after message {found.sequence}, at {iso(token_seconds(found.token))}")


def in_oplog(position: SavedPosition) -> Finding:
    """Check that MongoDB still holds the changes that follow the position."""
    found = position.saved.position
    if found is None or found.token is None:
        return not_checked(NO_POSITION)
    with contextlib.closing(ResumingStream(position.settings)) as stream:
        try:
            now = stream.standing_at(stream.try_open(found.token)).server_seconds
        except PositionLost as error:
            going_on = 'on_position_lost = "restart" goes on from now; `watcherctl verify` shows what is missing'
            return failed(str(error), going_on)
        oplog = stream.oplog()
    return judge_headroom(token_seconds(found.token), now, oplog)


def judge_headroom(position: int, now: int, oplog: Oplog | None) -> Finding:
    """Judge the headroom. Both times are MongoDB's, in seconds since 1970. `oplog` is None if MongoDB does not tell."""
    behind = max(now - position, 0)
    text = f"MongoDB holds what follows; the position is {seconds_in_words(behind)} behind"
    if oplog is None:
        return ok(f"{text}, and for how much longer is not known without the role clusterMonitor")
    headroom = oplog.headroom_seconds(position, now)
    if oplog.is_full and behind > max(headroom, LONG_SECONDS):
        return warning(f"{text}; it is lost when it is {seconds_in_words(headroom + behind)} behind", "start the watcher now")
    return ok(f"{text}, with a headroom of {headroom_in_words(headroom, oplog.is_full)}")


def owner(position: SavedPosition) -> Finding:
    """Check that nobody else writes under this client id."""
    stamp, settings, here = position.saved.stamp, position.settings, socket.gethostname()
    if stamp is None:
        return not_checked(NO_POSITION)
    has_ended = stamp.owner.host == here and not is_alive(stamp.owner.pid)
    if settings.high_availability and not has_ended and not position.is_ours(stamp.owner):
        received_at = position.saved.received_at
        return judge_active(stamp, settings, time.time() - received_at if received_at else 0.0)
    return judge_owner(stamp.owner, position.our_worker, here, settings)


def judge_active(stamp: Stamp, settings: Settings, silent_seconds: float = 0.0) -> Finding:
    """Judge the owner of a watcher that may run on several hosts. It is not the worker of this one, and it, or a command, has
    written nothing for `silent_seconds`."""
    if silent_seconds > PATIENCE.total_seconds():
        text = f"{stamp.owner} wrote it last, {seconds_in_words(silent_seconds)} ago: no worker is active, or it waits"
        return warning(text, f"watcherctl status {settings.name}, on every host; start it where it is down")
    if stamp.active_since:
        return ok(f"{stamp.owner}, active since {stamp.active_since}")
    if stamp.command:
        return ok(f"{stamp.owner}, a command: {stamp.command.what}")
    fix = f"high_availability = true there too, or another kafka_client_id than {settings.kafka_client_id}"
    return warning(f"{stamp.owner} wrote it last, without a lease", fix)


def judge_owner(last: Owner, our_worker: int | None, host: str, settings: Settings) -> Finding:
    """Judge the owner. `last` wrote the position last. `our_worker` is the process id of the worker that runs here, if one does."""
    who = str(last)
    fix = f"stop the other one, or give it another kafka_client_id than {settings.kafka_client_id}"
    if (last.pid, last.host) == (our_worker, host):
        return ok(f"{who}, our worker")
    if last.host == host and not is_alive(last.pid):
        return ok(f"{who} wrote it last, and has ended")
    if our_worker:
        return failed(f"{who} writes it, and our worker is process {our_worker}: each would end the other", fix)
    if last.host != host:
        return warning(f"{who} wrote it last, and no worker runs here", f"if it still runs there: {fix}")
    if "run" in command_line(last.pid):  # a worker, whatever its watcher is called there
        return warning(f"{who} wrote it last, and it runs outside this deployment", fix)
    return ok(f"{who} wrote it last; another process has its number now")


SAVED = "position.saved"

CHECKS: tuple[Check[SavedPosition], ...] = (
    Check(SAVED, saved, needs=("kafka.authentication", "kafka.brokers")),
    Check("position.in-oplog", in_oplog, needs=(SAVED, "mongodb.privileges")),
    Check("position.owner", owner, needs=(SAVED,)),
)
