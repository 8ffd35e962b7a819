"""Creation of several topics of which Kafka refuses some."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic

from tests.support.doctoring import as_settings
from watcher.errors import NotPermitted
from watcher.kafka.topics import Topics

SETTINGS = {"mongodb_uri": "mongodb://h/shop", "kafka_brokers": "127.0.0.1:1", "kafka_client_id": "x"}


class Admin:
    """Kafka's answer to a request for several topics: those whose name begins with `no` may not be created."""

    def create_topics(self, topics: list[NewTopic], **_options: object) -> dict[str, Future[None]]:
        """Return an answer for each, all of which are there at once."""
        answers: dict[str, Future[None]] = {topic.topic: Future() for topic in topics}
        for name, answer in answers.items():
            if name.startswith("no"):
                answer.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))
            else:
                answer.set_result(None)
        return answers


def test_those_that_were_created_are_told_though_others_were_not() -> None:
    told: list[str] = []
    topics = Topics(as_settings(SETTINGS), lambda _: None, told.extend)
    topics._admin = Admin()  # type: ignore[assignment]  # a stand-in: creations are all that is asked of it
    with pytest.raises(NotPermitted, match=r"topic no\.1 "):
        topics._create([NewTopic(name, 1, 1) for name in ("a", "no.1", "b", "no.2")])
    assert told == ["a", "b"]
    assert topics._known == {"a", "b"}
