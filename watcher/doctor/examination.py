"""Runs all checks. The areas run side by side, since a server that is down takes its time. The findings have a fixed order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count

from watcher.config import Settings, masked
from watcher.config.deployment import SUPERVISORD
from watcher.config.mongodb.uri import parse_uri
from watcher.doctor import configuration, host, hosts, position, record_times, schema_registry, worker
from watcher.doctor.check import Finding, Outcome
from watcher.doctor.configuration import Here
from watcher.doctor.kafka import cluster, lease, topics, transactions
from watcher.doctor.kafka.cluster import Kafka
from watcher.doctor.mongodb import database, server
from watcher.doctor.mongodb.server import Mongodb
from watcher.doctor.position import SavedPosition
from watcher.doctor.runner import Findings, Limits, Told, begun, run_checks
from watcher.doctor.worker import WorkerSeen
from watcher.fleet.survey import Survey

CONFIGURATION, HOST, WORKER = configuration.CHECKS, host.CHECKS, worker.CHECKS
MONGODB = (*server.CHECKS, *database.CHECKS)
KAFKA = (*cluster.CHECKS, *transactions.CHECKS, *topics.CHECKS, *lease.CHECKS)
REGISTRY = schema_registry.CHECKS
POSITION = (*position.CHECKS, *record_times.CHECKS, *hosts.CHECKS)

ALL_CHECKS = (CONFIGURATION, HOST, WORKER, MONGODB, KAFKA, REGISTRY, POSITION)
TITLES = {check.name: check.title for checks in ALL_CHECKS for check in checks}
"""The title of every check, in the order of the report."""

Progress = Callable[[str, int, int], None]
"""Called with the name of a check, the number of checks done, and their total."""


@dataclass(frozen=True, slots=True)
class Section:
    """The findings of one area. They belong to one `watcher`, or to the deployment if that is empty. `place` is for people, and so
    is `server`, the addresses that watchers may share."""

    area: str
    watcher: str
    place: str
    findings: Findings
    server: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """The findings of all areas."""

    sections: tuple[Section, ...]

    def count(self, outcome: Outcome) -> int:
        """Return the number of checks with this outcome."""
        return sum(finding.outcome is outcome for section in self.sections for finding in section.findings.values())


OfDeployment = Future[tuple[Section, ...]]
"""The sections of the deployment, once they are there."""


class _Teller:
    """Counts the checks that are done, for all threads together."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._numbers = count(1)
        self._total = total

    def told(self, name: str, _finding: Finding) -> None:
        self._progress(name, next(self._numbers), self._total)


def examine(here: Here, limits: Limits, progress: Progress = lambda _what, _done, _total: None) -> Examination:
    """Run all checks of the deployment, and of each of its watchers that has no fault."""
    logging.getLogger("librdkafka").addHandler(logging.NullHandler())  # otherwise Python prints what the findings say already
    total = len(CONFIGURATION) + len(HOST) + len(here.watchers) * len((*WORKER, *MONGODB, *KAFKA, *POSITION))
    total += sum(settings.serialization == "avro" for settings in here.watchers) * len(REGISTRY)
    told = _Teller(progress, total).told
    general = begun(lambda: tuple(_of_deployment(here, limits, told)))
    seen = begun(lambda: worker.look(here))
    watchers = [begun(partial(_of_watcher, here, settings, general, seen, limits, told)) for settings in here.watchers]
    return Examination((*general.result(), *(section for watcher in watchers for section in watcher.result())))


def _of_deployment(here: Here, limits: Limits, told: Told) -> Iterator[Section]:
    yield Section("configuration", "", str(here.deployment.conf_dir), run_checks(CONFIGURATION, here, limits, told))
    yield Section("host", "", str(here.deployment.state_dir), run_checks(HOST, here, limits, told))


def _of_watcher(
    here: Here, settings: Settings, general: OfDeployment, seen: Future[Survey], limits: Limits, told: Told
) -> tuple[Section, ...]:
    of_worker = begun(lambda: _of_worker(here, settings, general, seen, limits, told))
    origins = here.loaded.origins[settings.name]
    uri = settings.mongodb_uri.get_secret_value()
    with closing(Mongodb(settings, origins)) as source:
        of_mongodb = begun(lambda: run_checks(MONGODB, source, limits, told))
        of_registry = begun(lambda: tuple(_of_registry(settings, limits, told)))
        of_kafka = run_checks(KAFKA, Kafka(settings, origins), limits, told)
        found = {**of_mongodb.result(), **of_kafka}
    saved = SavedPosition(settings, here.deployment)
    return (
        of_worker.result(),
        Section("mongodb", settings.name, masked("mongodb_uri", settings.mongodb_uri), of_mongodb.result(), parse_uri(uri).hosts),
        Section("kafka", settings.name, settings.kafka_brokers, of_kafka, settings.kafka_brokers),
        *of_registry.result(),
        Section(
            "position",
            settings.name,
            settings.position_topic,
            run_checks(POSITION, saved, limits, told, found),
            settings.kafka_brokers,
        ),
    )


def _of_worker(here: Here, settings: Settings, general: OfDeployment, seen: Future[Survey], limits: Limits, told: Told) -> Section:
    before = {name: finding for section in general.result() for name, finding in section.findings.items()}
    place = str(here.deployment.state_dir)
    found = run_checks(WORKER, WorkerSeen(settings, seen.result, here.deployment.log_file(SUPERVISORD)), limits, told, before)
    return Section("worker", settings.name, place, found, place)


def _of_registry(settings: Settings, limits: Limits, told: Told) -> Iterator[Section]:
    if settings.serialization == "avro":
        registry = schema_registry.WatchersRegistry(settings)
        yield Section("registry", settings.name, registry.place, run_checks(schema_registry.CHECKS, registry, limits, told))
