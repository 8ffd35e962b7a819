"""One worker: a process that runs one watcher, in the same way under supervisord as alone in a terminal.

Opening is the only recovery. Whatever happens to MongoDB or Kafka, the worker closes both and opens them again from the last
committed position.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time

from watcher import __version__
from watcher.config import Deployment, Settings
from watcher.errors import CredentialsRefused, ExitCode, NotOwner, Outage, PositionLost, Stop, TakenOver
from watcher.kafka.lease import Lease
from watcher.kafka.lease_rules import DISPLACED_SECONDS, Turn
from watcher.kafka.sink import KafkaSink
from watcher.log import logging_to, standard_output
from watcher.model import Owner, Position
from watcher.mongodb.client import Questions
from watcher.mongodb.driver_errors import CUT_OFF
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.private import make_directory
from watcher.registry import schema_ids_of
from watcher.status.report import WorkerState
from watcher.stream.overlap import take_short_turns
from watcher.stream.pipeline import Pipeline
from watcher.worker.backoff import Backoff
from watcher.worker.credentials import Credentials
from watcher.worker.encoding import HUNG_HINT, encoder_of, hang_of_last_process, renew_schema_ids
from watcher.worker.memory import give_memory_back
from watcher.worker.previous_run import PreviousRun
from watcher.worker.process import Nudge, StopRequest, die_with_parent, only_one, stop_requested
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_file import StatusFile
from watcher.worker.source import source_of, tell_of_no_snapshot
from watcher.worker.tenure import Tenure

COMMAND_LOOK_SECONDS = 0.2
"""Interval at which to look whether a command that has taken the watcher over is done."""

STANDBY_LOOK_SECONDS = 15.0
"""Interval at which a worker that stands by looks who is active."""

UNKNOWN_LOOK_SECONDS = 2.0
"""The same, as long as nobody is."""

STEADY_SECONDS = 10.0
"""Time after which a stream counts as a success: the next outage begins with the shortest wait again."""

logger = logging.getLogger("watcher")


def run_worker(settings: Settings, deployment: Deployment) -> ExitCode:
    """Stream one database until SIGTERM or SIGINT; status file and lock file are in `run/`. Returns the exit code."""
    die_with_parent()
    give_memory_back()
    take_short_turns()
    stopping, nudge = StopRequest(), Nudge()
    with (
        stop_requested(stopping, nudge.give),  # first: threads that were started before it would not block the signals
        logging_to(
            standard_output(),
            settings.log_level,
            documents=settings.log_documents,
            watcher=settings.name,
            database=settings.database,
        ),
    ):
        try:
            return _run_alone(settings, deployment, stopping, nudge)
        except Stop as error:
            logger.error(str(error), extra={"hint": error.hint, "exitCode": int(error.exit_code)})
            return error.exit_code
        except Exception:
            logger.exception("this is a bug in Database Watcher; please report it")
            return ExitCode.BUG


def _run_alone(settings: Settings, deployment: Deployment, stopping: StopRequest, nudge: Nudge) -> ExitCode:
    with contextlib.suppress(OSError):  # reported below, when files in it cannot be written
        make_directory(deployment.run_dir)
    name = settings.name
    with only_one(deployment.lock_file(name), stopping, patient=settings.high_availability) as alone:
        if not alone:  # and the status file is the other one's
            return ExitCode.STOPPED
        questions = Questions()
        status_file = StatusFile(deployment.status_file(name), deployment.metrics_file(name), questions.last_at)
        previous = PreviousRun.of(status_file.previous(), settings.kafka_client_id)
        owner = Owner(instance=secrets.token_hex(8), host=socket.gethostname(), pid=os.getpid())
        progress = Progress(settings, owner, previous, status_file.changed, status_file.delivered)
        stopping.tell(status_file.changed)  # so that this is written before a second signal ends the process at once
        with status_file.kept(progress), progress.account_for(stopping):
            logger.info("starting", extra={"version": __version__, "pid": owner.pid, "restarts": previous.restarts})
            if hang := hang_of_last_process(settings, deployment):  # the next change is another one: nothing to hold back for
                progress.outages.hung(hang, HUNG_HINT)
                status_file.changed()
            else:
                _hold_back(previous, progress, stopping)
            Worker(settings, owner, previous, progress, stopping, nudge, deployment, questions).run()
            logger.info("stopped")
    return ExitCode.STOPPED


def _hold_back(previous: PreviousRun, progress: Progress, stopping: threading.Event) -> None:
    if previous.wait_seconds:
        logger.warning("the last %d starts delivered nothing; waiting %d s", previous.fruitless, previous.wait_seconds)
        progress.enter(WorkerState.BACKING_OFF)
        stopping.wait(previous.wait_seconds)
        progress.enter(WorkerState.OPENING)


class Worker:
    """Opens, streams, and opens again after an outage."""

    def __init__(
        self,
        settings: Settings,
        owner: Owner,
        previous: PreviousRun,
        progress: Progress,
        stopping: StopRequest,
        nudge: Nudge,
        deployment: Deployment,
        questions: Questions,
    ) -> None:
        """Errors: ConfigurationError if the transform cannot be loaded."""
        self._credentials = Credentials(settings)
        self._progress = progress
        self._stopping = stopping
        lease = Lease(settings, waited_at=questions.last_at) if settings.high_availability else None
        self._tenure = Tenure(stopping, lease)
        self._questions = questions
        self._nudge = nudge
        self._sink = KafkaSink(settings, owner, previous.delivered, on_throttle=progress.throttled)
        self._schema_ids = schema_ids_of(settings)
        self._encoder = encoder_of(settings, self._sink, deployment, self._schema_ids)
        self._cut_off = False
        self._told = False

    def run(self) -> None:
        """Work until told to stop; this includes standing by, and trying again after outages. Errors: Stop."""
        self._tenure.start()
        try:
            self._work()
        finally:
            self._sink.close()
            self._tenure.end()

    def _work(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            opened = time.monotonic()
            try:
                self._take_turn(self._credentials.settings)
            except TakenOver as command:
                self._progress.interrupted(str(command))
                self._tenure.command_is_done(command.done)
                self._tenure.wait(COMMAND_LOOK_SECONDS)
            except NotOwner as error:
                self._tenure.displaced(error)
                self._sink.disown()
                self._progress.interrupted(str(error), error.foreigner)
            except (Outage, CredentialsRefused) as error:
                outage = self._as_outage(error)
                if time.monotonic() - opened > STEADY_SECONDS:
                    backoff.reset()
                self._cut_off = outage.code == CUT_OFF
                self._progress.lost(outage)
                self._tenure.wait(backoff.next_seconds())

    def _take_turn(self, settings: Settings) -> None:
        """Stream if it is our turn, until it is over. Otherwise wait for it, or for the next look at who has it."""
        self._sink.use(settings)
        self._tenure.use(settings)
        turn = self._tenure.next_turn()
        if turn is Turn.OPEN:
            self._stream(settings)
        elif turn is Turn.STAND_BY:
            self._stand_by()
        else:
            self._tenure.wait(DISPLACED_SECONDS)

    def _stand_by(self) -> None:
        """Look who has the watcher, and wait for the lease, or for the next look."""
        self._tenure.check()
        active = self._sink.look()
        if active and active.owner == self._progress.owner:  # whoever comes after us has not claimed it yet
            active = None
        if active:
            self._tenure.another_is_active()
        state = WorkerState.STANDBY if self._tenure.is_decided else WorkerState.OPENING
        self._progress.standing_by(state, active, self._sink.delivered.sequence)
        self._tenure.wait(STANDBY_LOOK_SECONDS if active else UNKNOWN_LOOK_SECONDS)

    def _as_outage(self, error: Outage | CredentialsRefused) -> Outage:
        """Treat refused credentials as an outage for a while, because they may have been replaced. Errors: CredentialsRefused."""
        if self._progress.state in (WorkerState.STREAMING, WorkerState.STANDBY):
            self._credentials.accepted()
        return error if isinstance(error, Outage) else self._credentials.refused(error)

    def _stream(self, settings: Settings) -> None:
        if self._schema_ids:
            renew_schema_ids(self._schema_ids, settings)
        position, loss = self._open_sink()
        self._progress.opened(position, self._sink.newest_snapshot)
        if not self._told and not loss:
            tell_of_no_snapshot(settings, position)
        self._told = True
        with contextlib.closing(ResumingStream(settings)) as stream:
            stream.session.questions = self._questions
            source = source_of(stream, settings, position, self._progress, loss=loss, cut_off=self._cut_off)
            pipeline = Pipeline(source, self._encoder, self._sink, self._progress, nudged=self._nudge.take)
            pipeline.run(position, self._tenure.is_over)

    def _open_sink(self) -> tuple[Position, str]:
        """Open the sink; returns the position. If the last one was lost and the policy is to go on, also returns how it was
        lost."""
        try:
            return self._sink.open(), ""
        except PositionLost as error:
            self._progress.gaps.learn(self._sink.delivered.last_gap_at)
            if self._credentials.settings.on_position_lost == "fail" or not self._progress.gaps.allowed:
                raise
            return self._sink.open_anew(), str(error)
