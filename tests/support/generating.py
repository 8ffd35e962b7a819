"""The configuration that files are generated from, and the command."""

from __future__ import annotations

from watcher.cli import run_command_line

SECRETS = ("hunter1", "hunter2", "hunter3", "hunter4", "hunter5")


VARIABLES = {"KAFKA_USER": "hunter5", "BATCH": "7"}


FILES = {
    "defaults.toml": 'kafka_brokers = ["one:9092", "two:9092"]\n',
    "dashboard.toml": """\
mongodb_uri = "mongodb://app:hunter1@localhost/dashboard?replicaSet=rs0"
kafka_client_id = "dashboard-watcher"
watch_collections = ["users", "über*", "tokens"]
batch_size = "${BATCH}"
start_from = 2024-01-01T12:00:00Z
[snapshot_filter]
tokens = '{"revoked": false}'
[kafka]
security.protocol = "SASL_SSL"
client.rack = "$${odd}"
"sasl.mechanism" = "PLAIN"
"sasl.username" = "${KAFKA_USER}"
"sasl.password" = "${KAFKA_PASSWORD:-hunter2}"
""",
    "Sales_Reports.env": """\
MONGODB_URI=mongodb://app:hunter3@localhost/sales
KAFKA_CLIENT_ID=sales
KAFKA_TOPIC_INSERT=sales.insert
BATCH_SIZE=50
SNAPSHOT_FILTER={"a.b": {"text": {"$ne": "${literal}"}}}
KAFKA={"ssl.key.password": "hunter4", "linger.ms": 5, "client.rack": "${literal}"}
""",
    "plain.toml": 'mongodb_uri = "mongodb://localhost/plain"\nkafka_client_id = "plain"\n',
}


def generate(*arguments: str) -> int:
    return run_command_line(["generate", *arguments])
