"""Every error of Kafka has one meaning, and docs/errors.md says which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from watcher.errors import ConfigurationError, CredentialsRefused, NotPermitted, Outage, UnsupportedServer, WatcherError
from watcher.kafka.error_table import CLOCK_HINT, MEANINGS, NEUTRAL_HINT, REACH_HINT, TABLE, UNNAMED, Answer
from watcher.kafka.errors import as_watcher_error

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
NAMES = [name for meaning in TABLE for name in meaning.names.split()]
NAMED = {name: code for name in dir(KafkaError) if name.isupper() and isinstance(code := getattr(KafkaError, name), int)}
KAFKA_4_3 = set(range(-1, 134))
"""The codes of `org.apache.kafka.common.protocol.Errors` in Kafka 4.3."""


def test_each_error_is_there_once() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert set(NAMES) == NAMED.keys() | UNNAMED.keys()
    assert MEANINGS.keys() >= KAFKA_4_3 | set(NAMED.values())


def test_the_page_has_the_table() -> None:
    table = PAGE.partition("\n## Kafka\n")[2].partition("|---|\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", table, re.MULTILINE)
    told = [(answer, hint, re.findall(r"`(\w+)`", names)) for answer, hint, names in rows]
    assert told == [(str(meaning.answer), meaning.hint, meaning.names.split()) for meaning in TABLE]


@pytest.mark.parametrize("code", sorted(MEANINGS), ids=str)
def test_each_is_answered_and_has_a_hint(code: int) -> None:
    error = as_watcher_error(KafkaError(code, "a reason"), "a transaction")
    kinds = {
        Answer.OUTAGE: Outage,
        Answer.NOT_PERMITTED: NotPermitted,
        Answer.CREDENTIALS: CredentialsRefused,
        Answer.UNSUPPORTED: UnsupportedServer,
        Answer.CONFIGURATION: ConfigurationError,
        Answer.BUG: WatcherError,
    }
    assert type(error) is kinds[MEANINGS[code].answer]
    assert error.hint == MEANINGS[code].hint


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (KafkaError.TOPIC_EXCEPTION, ConfigurationError, "the topic's name"),
        (KafkaError.NOT_ENOUGH_REPLICAS, Outage, "min.insync.replicas"),
        (KafkaError.INVALID_TIMESTAMP, Outage, CLOCK_HINT),
        (KafkaError.RECORD_LIST_TOO_LARGE, ConfigurationError, "segment.bytes"),
        (KafkaError.KAFKA_STORAGE_ERROR, Outage, "disk"),
        (KafkaError.UNKNOWN, Outage, NEUTRAL_HINT),
        (9999, Outage, NEUTRAL_HINT),
    ],
)
def test_what_is_said_is_about_the_error(code: int, kind: type[WatcherError], words: str) -> None:
    error = as_watcher_error(KafkaError(code), "writing")
    assert type(error) is kind
    assert words in error.hint


def test_only_those_who_cannot_be_reached_are_asked_whether_they_run() -> None:
    [meaning] = [meaning for meaning in TABLE if meaning.hint == REACH_HINT]
    assert {"_TRANSPORT", "_TIMED_OUT", "_RESOLVE"} < set(meaning.names.split())
    assert "broker running" not in "".join(other.hint for other in TABLE if other is not meaning)
