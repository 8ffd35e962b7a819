"""Knowledge of librdkafka's properties and errors, and of what to do where it gives up too soon, for all modules that make Kafka
clients. Imports nothing of the project."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from confluent_kafka import IsolationLevel, KafkaError
    from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec

V = TypeVar("V")

COMMON_PREFIXES = (
    "api.", "broker.", "client.", "debug", "enable.ssl.", "enable.sasl.", "https.", "metadata.", "reconnect.", "retry.",
    "sasl.", "security.", "socket.", "ssl.",
)  # fmt: skip

NOT_ABOUT_CREDENTIALS = (
    "Local: Broker transport failure",
    "Local: Timed out",
    "Failed to acquire SASL OAUTHBEARER token",
    "there is no token available",
)
"""Words of an authentication that did not get so far: the broker was restarting, or whoever gives out tokens is down."""

_TAKEN_ALONG = "Local: Authentication failure"
"""librdkafka's words for a request that a login has taken along. What became of that login it tells apart, of the connection."""

_TOKEN_REFUSED = re.compile(r'"error"\s*:\s*"(?:invalid_|unauthorized_client|unsupported_grant_type|access_denied)')
"""The answer of an OAuth server that does not accept what it was sent (RFC 6749, 5.2)."""

DESYNCHRONISED = "sequence desynchronization"
"""librdkafka's words for a partition without the last messages that Kafka has acknowledged to this producer. The topic was made
anew, or the end of its log is gone, as with a disk. Before these words stands which partition, around them are its own numbers."""

SETTLE_SECONDS = 5.0
"""Time after which a topic of which a broker has not heard counts as deleted."""

NOT_HEARD_OF = {"_NOENT", "UNKNOWN_TOPIC_OR_PART", "LEADER_NOT_AVAILABLE"}
"""Names of the errors about a topic of which a broker has not heard yet. Only time tells it from one that was deleted."""

LEADER_MOVES = {"NOT_LEADER_FOR_PARTITION", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "OFFSET_NOT_AVAILABLE"}
"""Names of the errors about a partition that has just got its leader, or another one (KIP-207, KIP-320). They pass."""

STEP_SECONDS = 0.2

LOST_ERROR = "returned NULL without setting an exception"
"""Python's words for a C function that has failed and does not say how."""


def common_properties(properties: Mapping[str, V]) -> dict[str, V]:
    """Return the properties that every kind of client takes. librdkafka warns of a producer's properties in a consumer, and the
    other way round."""
    return {key: value for key, value in properties.items() if key.startswith(COMMON_PREFIXES)}


def was_cut_short(error: KafkaError) -> bool:
    """Return True for an authentication that failed before anybody had looked at the credentials."""
    if error.name() != "_AUTHENTICATION" or _TOKEN_REFUSED.search(error.str()):
        return False
    return any(words in error.str() for words in NOT_ABOUT_CREDENTIALS)


def was_taken_along(error: KafkaError) -> bool:
    """Return True for a request that failed with the login of its connection, and does not tell why that failed."""
    return error.name() == "_AUTHENTICATION" and _TAKEN_ALONG in error.str()


def find_offsets(
    admin: AdminClient,
    partitions: Iterable[tuple[str, int]],
    spec: OffsetSpec,
    isolation: IsolationLevel,
    *,
    request_s: float,
    settle_s: float = SETTLE_SECONDS,
) -> dict[tuple[str, int], ListOffsetsResultInfo]:
    """Return what `spec` means in each partition (topic and number): its `offset` and its `timestamp`. librdkafka gives up over
    errors that pass; here the brokers are asked again.

    `request_s` is the longest wait for an answer, `settle_s` the longest wait for a broker to hear of a topic or its leader, in
    seconds: 0 where the topic may not be there. Errors: KafkaException.
    """
    from confluent_kafka import KafkaException, TopicPartition  # who only reads the configuration need not load it

    request = {TopicPartition(*partition): spec for partition in partitions}
    deadline = time.monotonic() + settle_s
    while request:
        futures = admin.list_offsets(request, isolation_level=isolation, request_timeout=request_s)
        try:
            return {(asked.topic, asked.partition): future.result() for asked, future in futures.items()}
        except KafkaException as error:
            if error.args[0].name() not in NOT_HEARD_OF | LEADER_MOVES or time.monotonic() >= deadline:
                raise
        time.sleep(STEP_SECONDS)
    return {}


def list_offsets(
    admin: AdminClient, partitions: Iterable[tuple[str, int]], spec: OffsetSpec, isolation: IsolationLevel, **waits: float
) -> dict[tuple[str, int], int]:
    """Return the offsets alone of what `find_offsets` gives for the same arguments."""
    found = find_offsets(admin, partitions, spec, isolation, **waits)
    return {partition: int(info.offset) for partition, info in found.items()}


@contextlib.contextmanager
def no_bare_errors() -> Iterator[None]:
    """Raise a bare KafkaError as the KafkaException that it should have been.

    When a client has failed for good, as by being fenced, confluent-kafka 2.16 raises a bare KafkaError, such as in `poll` and in
    `flush`. That is no BaseException, so only an `except` without a type catches it. Uncaught, it ends a thread without a word.
    Sometimes even that error is lost on its way, and Python only finds that something was to be raised: a SystemError.
    """
    try:
        yield
    except:
        from confluent_kafka import KafkaError, KafkaException  # who only reads the configuration need not load it

        bare = sys.exc_info()[1]
        if isinstance(bare, KafkaError):
            raise KafkaException(bare) from None
        if isinstance(bare, SystemError) and LOST_ERROR in str(bare):
            raise KafkaException(KafkaError(KafkaError._FATAL, str(bare))) from bare
        raise
