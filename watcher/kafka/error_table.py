"""Table of every error of Kafka's protocol and of librdkafka: what a worker does about it, and what a person can do. docs/errors.md
shows the same table.

Sources: `org.apache.kafka.common.protocol.Errors` of Kafka 4.3, and `rd_kafka_resp_err_t` of librdkafka, whose names are used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from confluent_kafka import KafkaError

from watcher.errors import KEEPS_TRYING, QUOTA_HINT

UNNAMED = {
    "SNAPSHOT_NOT_FOUND": 98,
    "POSITION_OUT_OF_RANGE": 99,
    "DUPLICATE_BROKER_REGISTRATION": 101,
    "BROKER_ID_NOT_REGISTERED": 102,
    "INCONSISTENT_CLUSTER_ID": 104,
    "TRANSACTIONAL_ID_NOT_FOUND": 105,
    "FETCH_SESSION_TOPIC_ID_ERROR": 106,
    "INELIGIBLE_REPLICA": 107,
    "NEW_LEADER_ELECTED": 108,
    "OFFSET_MOVED_TO_TIERED_STORAGE": 109,
}
"""Errors of Kafka for which librdkafka has no name."""

RIGHTS_PAGE = "docs/permissions.md lists all rights."
CREDENTIALS_HINT = "Check the sasl.* and ssl.* settings in the [kafka] table."
TRANSACTIONS_HINT = 'Exactly-once needs Kafka 0.11 or newer; with delivery = "at-least-once" older brokers will do.'
PROPERTIES_HINT = "See librdkafka's CONFIGURATION.md for the properties of the [kafka] table."
REACH_HINT = "Is the broker running, and is kafka_brokers right? The worker keeps trying."
CLOCK_HINT = (
    "The broker refuses times too far ahead of its clock (message.timestamp.after.max.ms). Compare the clocks: messages have "
    "MongoDB's time, and positions this host's, unless their topic has message.timestamp.type=LogAppendTime."
)
COPIES_HINT = (
    "Fewer copies are in step than the topic's min.insync.replicas. Bring back the brokers that hold the others, or lower it. "
    "The worker keeps trying."
)
MOVING_HINT = "Kafka is moving leaders or coordinators, as after a broker's restart; that passes. The worker keeps trying."
MISSING_HINT = (
    "A topic was deleted or made anew meanwhile, or part of it is gone. The worker opens again, and creates what is missing."
)
OPEN_AGAIN_HINT = "The worker opens again after the last committed position; nothing is lost or doubled by it."
NEUTRAL_HINT = "Kafka answers, but not as expected. The brokers' logs tell more. The worker keeps trying."


class Answer(StrEnum):
    """Response of a worker to an error."""

    OUTAGE = "keeps trying"
    NOT_PERMITTED = "stops with 77"
    CREDENTIALS = "reads secret files again for a minute, then stops with 77"
    UNSUPPORTED = "stops with 76"
    CONFIGURATION = "stops with 78"
    BUG = "is restarted"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Meaning of the errors in `names`, which are separated by spaces."""

    answer: Answer
    hint: str
    names: str


TABLE = (
    Meaning(
        Answer.OUTAGE,
        REACH_HINT,
        "_TRANSPORT _RESOLVE _SSL _ALL_BROKERS_DOWN _FAIL _TIMED_OUT _TIMED_OUT_QUEUE _MSG_TIMED_OUT _UNKNOWN_BROKER "
        "_NODE_UPDATE REQUEST_TIMED_OUT NETWORK_EXCEPTION BROKER_NOT_AVAILABLE",
    ),
    Meaning(
        Answer.OUTAGE,
        MOVING_HINT,
        "LEADER_NOT_AVAILABLE NOT_LEADER_FOR_PARTITION REPLICA_NOT_AVAILABLE STALE_CTRL_EPOCH COORDINATOR_LOAD_IN_PROGRESS "
        "COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR NOT_CONTROLLER FENCED_LEADER_EPOCH UNKNOWN_LEADER_EPOCH STALE_BROKER_EPOCH "
        "OFFSET_NOT_AVAILABLE PREFERRED_LEADER_NOT_AVAILABLE ELIGIBLE_LEADERS_NOT_AVAILABLE ELECTION_NOT_NEEDED "
        "LISTENER_NOT_FOUND REASSIGNMENT_IN_PROGRESS NO_REASSIGNMENT_IN_PROGRESS REBOOTSTRAP_REQUIRED NEW_LEADER_ELECTED "
        "INELIGIBLE_REPLICA BROKER_ID_NOT_REGISTERED DUPLICATE_BROKER_REGISTRATION INVALID_REGISTRATION UNKNOWN_CONTROLLER_ID "
        "_WAIT_COORD _WAIT_CACHE",
    ),
    Meaning(
        Answer.OUTAGE,
        OPEN_AGAIN_HINT,
        "PRODUCER_FENCED INVALID_PRODUCER_EPOCH OUT_OF_ORDER_SEQUENCE_NUMBER DUPLICATE_SEQUENCE_NUMBER UNKNOWN_PRODUCER_ID "
        "INVALID_PRODUCER_ID_MAPPING INVALID_TXN_STATE CONCURRENT_TRANSACTIONS TRANSACTION_COORDINATOR_FENCED "
        "TRANSACTION_ABORTABLE TRANSACTIONAL_ID_NOT_FOUND _FENCED _FATAL _STATE _INCONSISTENT _GAPLESS_GUARANTEE _PURGE_QUEUE "
        "_PURGE_INFLIGHT _INVALID_DIFFERENT_RECORD _CONFLICT _IN_PROGRESS _PREV_IN_PROGRESS _RETRY _INTR _PARTIAL _OUTDATED "
        "_NOOP _DESTROY _DESTROY_BROKER _QUEUE_FULL",
    ),
    Meaning(
        Answer.OUTAGE,
        MISSING_HINT,
        "UNKNOWN_TOPIC_OR_PART UNKNOWN_TOPIC_ID INCONSISTENT_TOPIC_ID TOPIC_ALREADY_EXISTS OFFSET_OUT_OF_RANGE "
        "OFFSET_MOVED_TO_TIERED_STORAGE _UNKNOWN_TOPIC _UNKNOWN_PARTITION _AUTO_OFFSET_RESET _LOG_TRUNCATION _NO_OFFSET _NOENT",
    ),
    Meaning(Answer.OUTAGE, COPIES_HINT, "NOT_ENOUGH_REPLICAS NOT_ENOUGH_REPLICAS_AFTER_APPEND _ISR_INSUFF"),
    Meaning(Answer.OUTAGE, CLOCK_HINT, "INVALID_TIMESTAMP"),
    Meaning(
        Answer.OUTAGE,
        "The topic takes less than it did. The worker opens again and asks for its limit; on_large_event then decides.",
        "MSG_SIZE_TOO_LARGE",
    ),
    Meaning(
        Answer.OUTAGE,
        "A broker cannot use its disk: look whether it is full or broken. The worker keeps trying.",
        "KAFKA_STORAGE_ERROR LOG_DIR_NOT_FOUND",
    ),
    Meaning(
        Answer.OUTAGE,
        f"{QUOTA_HINT} {KEEPS_TRYING}",
        "THROTTLING_QUOTA_EXCEEDED",
    ),
    Meaning(
        Answer.OUTAGE,
        "This host lacks memory, threads, open files or space on its disk. The worker keeps trying.",
        "_CRIT_SYS_RESOURCE _FS",
    ),
    Meaning(
        Answer.OUTAGE,
        "What came over the network is damaged, or no Kafka's. Is something between worker and broker? The worker keeps trying.",
        "INVALID_MSG INVALID_MSG_SIZE _BAD_MSG _BAD_COMPRESSION _UNDERFLOW",
    ),
    Meaning(
        Answer.OUTAGE,
        NEUTRAL_HINT,
        # The names after UNKNOWN answer requests that a worker does not make: groups, shares, streams, Kafka's own quorum.
        "UNKNOWN OPERATION_NOT_ATTEMPTED FETCH_SESSION_ID_NOT_FOUND INVALID_FETCH_SESSION_EPOCH FETCH_SESSION_TOPIC_ID_ERROR "
        "RESOURCE_NOT_FOUND DUPLICATE_RESOURCE TOPIC_DELETION_DISABLED OFFSET_METADATA_TOO_LARGE ILLEGAL_GENERATION "
        "INCONSISTENT_GROUP_PROTOCOL INVALID_GROUP_ID UNKNOWN_MEMBER_ID INVALID_SESSION_TIMEOUT REBALANCE_IN_PROGRESS "
        "INVALID_COMMIT_OFFSET_SIZE NON_EMPTY_GROUP GROUP_ID_NOT_FOUND MEMBER_ID_REQUIRED GROUP_MAX_SIZE_REACHED "
        "FENCED_INSTANCE_ID GROUP_SUBSCRIBED_TO_TOPIC UNSTABLE_OFFSET_COMMIT FENCED_MEMBER_EPOCH UNRELEASED_INSTANCE_ID "
        "UNSUPPORTED_ASSIGNOR STALE_MEMBER_EPOCH INVALID_REGULAR_EXPRESSION INCONSISTENT_VOTER_SET INVALID_UPDATE_VERSION "
        "FEATURE_UPDATE_FAILED SNAPSHOT_NOT_FOUND POSITION_OUT_OF_RANGE INCONSISTENT_CLUSTER_ID UNKNOWN_SUBSCRIPTION_ID "
        "TELEMETRY_TOO_LARGE INVALID_RECORD_STATE SHARE_SESSION_NOT_FOUND INVALID_SHARE_SESSION_EPOCH "
        "SHARE_SESSION_LIMIT_REACHED FENCED_STATE_EPOCH INVALID_VOTER_KEY DUPLICATE_VOTER VOTER_NOT_FOUND "
        "STREAMS_INVALID_TOPOLOGY STREAMS_INVALID_TOPOLOGY_EPOCH STREAMS_TOPOLOGY_FENCED _UNKNOWN_GROUP _EXISTING_SUBSCRIPTION "
        "_ASSIGN_PARTITIONS _REVOKE_PARTITIONS _MAX_POLL_EXCEEDED _ASSIGNMENT_LOST",
    ),
    Meaning(
        Answer.NOT_PERMITTED,
        f"Grant Write on the topics, and Read and Write on the position topic. {RIGHTS_PAGE}",
        "TOPIC_AUTHORIZATION_FAILED",
    ),
    Meaning(Answer.NOT_PERMITTED, f"Grant Read on the group. {RIGHTS_PAGE}", "GROUP_AUTHORIZATION_FAILED"),
    Meaning(
        Answer.NOT_PERMITTED,
        f"Grant IdempotentWrite on the cluster, which brokers before 2.8 want. {RIGHTS_PAGE}",
        "CLUSTER_AUTHORIZATION_FAILED",
    ),
    Meaning(
        Answer.NOT_PERMITTED,
        f"Grant Write on the transactional id, which is the kafka_client_id. {RIGHTS_PAGE}",
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    ),
    Meaning(
        Answer.CREDENTIALS,
        CREDENTIALS_HINT,
        "SASL_AUTHENTICATION_FAILED _AUTHENTICATION UNSUPPORTED_SASL_MECHANISM ILLEGAL_SASL_STATE SECURITY_DISABLED "
        "UNACCEPTABLE_CREDENTIAL INVALID_PRINCIPAL_TYPE PRINCIPAL_DESERIALIZATION_FAILURE DELEGATION_TOKEN_AUTH_DISABLED "
        "DELEGATION_TOKEN_NOT_FOUND DELEGATION_TOKEN_OWNER_MISMATCH DELEGATION_TOKEN_REQUEST_NOT_ALLOWED "
        "DELEGATION_TOKEN_AUTHORIZATION_FAILED DELEGATION_TOKEN_EXPIRED",
    ),
    Meaning(
        Answer.UNSUPPORTED,
        TRANSACTIONS_HINT,
        "UNSUPPORTED_VERSION _UNSUPPORTED_FEATURE UNSUPPORTED_FOR_MESSAGE_FORMAT _NOT_IMPLEMENTED",
    ),
    Meaning(
        Answer.CONFIGURATION,
        PROPERTIES_HINT,
        "_INVALID_ARG INVALID_TRANSACTION_TIMEOUT UNSUPPORTED_COMPRESSION_TYPE _NOT_CONFIGURED _UNKNOWN_PROTOCOL",
    ),
    Meaning(
        Answer.CONFIGURATION,
        "Kafka does not take the topic's name, or it is a topic of Kafka's own. Give it another in the settings.",
        "TOPIC_EXCEPTION",
    ),
    Meaning(
        Answer.CONFIGURATION,
        "Change topic_partitions, topic_replication_factor or [topic_config], or create the topic yourself.",
        "INVALID_PARTITIONS INVALID_REPLICATION_FACTOR INVALID_REPLICA_ASSIGNMENT INVALID_CONFIG POLICY_VIOLATION",
    ),
    Meaning(
        Answer.CONFIGURATION,
        "The topic checks its records, as against a schema, and ours are plain JSON. Switch that off, or name another topic.",
        "INVALID_RECORD",
    ),
    Meaning(
        Answer.CONFIGURATION,
        "segment.bytes of the topic is smaller than what is written at once. Raise it.",
        "RECORD_LIST_TOO_LARGE",
    ),
    Meaning(
        Answer.CONFIGURATION,
        "kafka_brokers leads to a controller. Name brokers there.",
        "MISMATCHED_ENDPOINT_TYPE UNSUPPORTED_ENDPOINT_TYPE",
    ),
    Meaning(
        Answer.BUG,
        "Please report it.",
        "INVALID_REQUIRED_ACKS INVALID_REQUEST _INVALID_TYPE _READ_ONLY _APPLICATION _KEY_SERIALIZATION _VALUE_SERIALIZATION "
        "_KEY_DESERIALIZATION _VALUE_DESERIALIZATION _PARTITION_EOF NO_ERROR",
    ),
)

UNKNOWN = Meaning(Answer.OUTAGE, NEUTRAL_HINT, "")
"""Meaning of every error that is not in the table."""


def code_of(name: str) -> int | None:
    """Return the number of an error; None if this librdkafka does not know it yet."""
    code: int | None = UNNAMED.get(name, getattr(KafkaError, name, None))
    return code


MEANINGS: Mapping[int, Meaning] = {
    code: meaning for meaning in TABLE for name in meaning.names.split() if (code := code_of(name)) is not None
}
