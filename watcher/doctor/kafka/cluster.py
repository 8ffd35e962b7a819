"""Checks that a watcher's Kafka can be reached."""

from __future__ import annotations

import re
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, BrokerMetadata, ClusterMetadata, ConfigResource, ResourceType, TopicMetadata

from watcher import aws
from watcher.config import Origin, Settings
from watcher.config.fault import BUILT_IN
from watcher.config.topics.name import topic_name
from watcher.doctor.check import Check, Finding, failed, ok
from watcher.errors import Outage, WatcherError
from watcher.kafka.error_table import CREDENTIALS_HINT
from watcher.kafka.errors import UNREACHABLE, explained, translated
from watcher.kafka.properties import admin_config
from watcher.kafka.topics import Topics

USERS = ("sasl.username", "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id")
CERTIFICATES = ("ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location")
"""Properties that name the watcher's user, and those that hold its certificate."""

ANSWER_SECONDS = 4.5
CONNECT_SECONDS = 3.0
ANY = "anything"
"""Stands for a collection in the templates of topics, and for a database if there are several."""


@dataclass
class Kafka:
    """One watcher's Kafka. `now` is this host's clock, in seconds since 1970."""

    settings: Settings
    origins: Mapping[str, Origin] = field(default_factory=dict)
    now: Callable[[], float] = time.time
    login_trouble: WatcherError | None = None
    away: list[str] = field(default_factory=list)
    """Addresses that brokers advertise, if those are the ones that could not be reached."""
    troubles: deque[KafkaError] = field(default_factory=lambda: deque(maxlen=16))

    @cached_property
    def admin(self) -> AdminClient:
        """A client for requests. Raises ConfigurationError."""
        with translated("making a client"):
            return AdminClient(admin_config(self.settings, self.troubles.append))

    @cached_property
    def topics(self) -> Topics:
        """The worker's own view of its topics."""
        return Topics(self.settings, self.troubles.append)

    def metadata(self) -> ClusterMetadata:
        """Return the present brokers and topics. Errors: as `translated`."""
        with translated("asking for the brokers"):
            return self.admin.list_topics(timeout=ANSWER_SECONDS)

    @property
    def names(self) -> list[str]:
        """Names of the topics for messages. ANY takes the place of a collection in them, and of one of several databases."""
        return sorted(self._templates())

    @property
    def known_names(self) -> list[str]:
        """Names of the topics that follow from the settings alone, and of the position's topic."""
        several = self.settings.scope.is_shared
        known = (
            name
            for name, template in self._templates().items()
            if "{collection}" not in template and not (several and "{database}" in template)
        )
        return [*sorted(known), self.settings.position_topic]

    def _templates(self) -> dict[str, str]:
        """The template of each topic, by the topic's name."""
        templates = self.settings.topic_templates.items()
        database = self.settings.scope.single or ANY
        return {topic_name(text, operation, database, ANY): text for operation, text in templates}

    def existing(self) -> dict[str, TopicMetadata]:
        """Return the watcher's topics that exist, the position's included. Topics named after collections are left out."""
        found = self.metadata().topics
        return {name: found[name] for name in (*self.names, self.settings.position_topic) if name in found}

    def broker_setting(self, name: str) -> str | None:
        """Return a setting of a broker; None if it does not tell. Errors: as `metadata`."""
        return self._settings_of(next(iter(self.metadata().brokers))).get(name)

    def broker_settings(self, name: str) -> list[str]:
        """Return a setting of all brokers that tell it. Errors: as `metadata`."""
        return [told[name] for broker in self.metadata().brokers if name in (told := self._settings_of(broker))]

    def _settings_of(self, broker: int) -> dict[str, str]:
        wanted = ConfigResource(ResourceType.BROKER, str(broker))
        try:
            entries = self.admin.describe_configs([wanted], request_timeout=ANSWER_SECONDS)[wanted].result()
        except KafkaException:
            return {}
        return {name: str(entry.value) for name, entry in entries.items()}

    @property
    def probe(self) -> str:
        """The transactional id and group for the trial. With the worker's own, its worker would be fenced."""
        return f"{self.settings.kafka_client_id}.doctor"

    def acl(self, *what: str) -> str:
        """Return a command that grants rights."""
        user = self.settings.kafka.get("sasl.username", "NAME")
        return " ".join((f"{self._tool('acls')} --add --allow-principal User:{user}", *what))

    def _tool(self, name: str) -> str:
        return f"kafka-{name}.sh --bootstrap-server {self.settings.kafka_brokers}"

    def topic_setting(self, names: Iterable[str], setting: str) -> str:
        """Return commands that change a setting of topics."""
        return "\n".join(
            f"{self._tool('configs')} --alter --entity-type topics --entity-name {name} --add-config {setting}" for name in names
        )

    def creation(self, name: str, *options: str) -> str:
        """Return the command that creates a topic."""
        return " ".join((f"{self._tool('topics')} --create --topic {name}", *options))


def reachable(kafka: Kafka) -> Finding:
    """Check that a broker answers at an address of kafka_brokers."""
    try:
        metadata = kafka.metadata()
    except Outage as error:
        kafka.admin.poll(0)  # librdkafka now reports the errors it has met with meanwhile
        trouble = explained(error, kafka.troubles)
        if trouble.hint == CREDENTIALS_HINT:
            kafka.login_trouble = trouble
        elif away := _away_from_home(kafka.troubles):
            kafka.away = away
        else:
            origin = kafka.origins.get("kafka_brokers", BUILT_IN)
            fix = f"start the broker, or correct kafka_brokers ({origin}) and security.protocol"
            return failed(str(trouble), fix if isinstance(trouble, Outage) else trouble.hint)
        return ok(f"{kafka.settings.kafka_brokers} answers")
    count = len(metadata.brokers)
    return ok(f"{kafka.settings.kafka_brokers} answers; {count} broker{'s' if count != 1 else ''}")


def _away_from_home(troubles: Iterable[KafkaError]) -> list[str]:
    """Return the addresses that brokers advertise and that cannot be reached. librdkafka writes the broker's number after those."""
    named = (re.match(r"(?:.*://)?([^/\s]+)/\d+: (.*)", trouble.str()) for trouble in troubles if trouble.code() in UNREACHABLE)
    return list(dict.fromkeys(f"{name[1]} ({name[2]})" for name in named if name))


def authentication(kafka: Kafka) -> Finding:
    """Check that the login is right."""
    if kafka.login_trouble:
        raise kafka.login_trouble
    properties = kafka.settings.kafka
    protocol = str(properties.get("security.protocol", "plaintext")).upper()
    return ok(f"{protocol}, {_login(properties) if protocol != 'PLAINTEXT' else 'without a user'}")


def _login(properties: Mapping[str, object]) -> str:
    """Return how the settings log in: as whom, or else by what."""
    if user := next((properties[name] for name in USERS if name in properties), None):
        return f"as {user}"
    if mechanism := next((properties[name] for name in aws.PROPERTIES if name in properties), None):
        return f"by {mechanism}"
    return "with a client certificate" if any(name in properties for name in CERTIFICATES) else "without a user"


def brokers(kafka: Kafka) -> Finding:
    """Check that each broker can be reached at its advertised address. Clients connect there, whatever kafka_brokers says."""
    found = [] if kafka.away else list(kafka.metadata().brokers.values())
    if closed := kafka.away or _unreachable(found):
        text = f"brokers call themselves {', '.join(closed)}, and there nobody answers"
        return failed(text, "start them, or set advertised.listeners in server.properties to what leads there from this host")
    return ok(", ".join(f"{broker.host}:{broker.port}" for broker in found))


def _unreachable(found: Sequence[BrokerMetadata]) -> list[str]:
    """Return the brokers that cannot be connected to, each with the reason."""
    with ThreadPoolExecutor(len(found)) as pool:
        errors = zip(found, pool.map(_connect, found), strict=True)
        return [f"{broker.host}:{broker.port} ({error})" for broker, error in errors if error]


def _connect(broker: BrokerMetadata) -> str:
    """Return the reason why a broker cannot be reached; empty if it can."""
    try:
        socket.create_connection((broker.host, broker.port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


REACHED, LOGGED_IN, AT_HOME = "kafka.reachable", "kafka.authentication", "kafka.brokers"
ANSWERING = (LOGGED_IN, AT_HOME)
"""Checks that all other checks of Kafka need."""

CHECKS: tuple[Check[Kafka], ...] = (
    Check(REACHED, reachable),
    Check(LOGGED_IN, authentication, needs=(REACHED,)),
    Check(AT_HOME, brokers, needs=(LOGGED_IN,)),
)
