"""docker-compose.yml's Kafka settings, in a broker without a container: it starts with them and commits transactions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.support.own_kafka import home_or_skip
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.process import free_port

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "watcher/starter/docker-compose.yml").read_text(encoding="utf-8"))
ENVIRONMENT: dict[str, str] = COMPOSE["services"]["kafka"]["environment"]
INSIDE, HOST, CONTROLLER = ":19092", ":9092", ":9093"
DEADLINE_SECONDS = 30


class ComposeKafka(ApacheKafka):
    """Has docker-compose.yml's settings and none of the sandbox's, but for ports, the host's name and the place of the data."""

    def _defaults(self) -> dict[str, str]:
        inside = free_port()
        ports = {INSIDE: f":{inside}", HOST: f":{self.port}", CONTROLLER: f":{self.controller_port}", "//kafka": "//localhost"}
        settings = {property_name(variable): replaced(value, ports) for variable, value in ENVIRONMENT.items()}
        assert settings["log.dirs"].startswith("/")
        return settings | {"log.dirs": str(self._data)}


def property_name(variable: str) -> str:
    """As the image reads its environment: KAFKA_LOG_DIRS is log.dirs."""
    return variable.removeprefix("KAFKA_").lower().replace("_", ".")


def replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def test_settings_start_a_broker_that_commits_transactions(tmp_path: Path) -> None:
    with ComposeKafka(tmp_path, home=home_or_skip()) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "compose"})
        producer.init_transactions(DEADLINE_SECONDS)
        producer.begin_transaction()
        producer.produce("changes", b"value")
        producer.commit_transaction(DEADLINE_SECONDS)
        assert first_value(broker.bootstrap) == b"value"


def first_value(bootstrap: str) -> bytes | None:
    """Return what a read_committed consumer reads first of the topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "compose", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition("changes", 0, 0)])
    message = consumer.poll(DEADLINE_SECONDS)
    consumer.close()
    assert message is not None
    assert message.error() is None
    return message.value()
