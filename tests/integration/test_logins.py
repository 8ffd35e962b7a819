"""Logins by token and by certificate, on real servers: tokens that end while a watcher streams, and certificates on both sides."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pymongo.database import Database

from tests.support.apache_kafka import BROKER_USED
from tests.support.command_line import CommandLine, command_line
from tests.support.consuming import Running, make_consumer
from tests.support.load import Load
from tests.support.logins import KafkaOfLogins, add_x509_user
from tests.support.oracle import Oracle
from tests.support.own_kafka import home_or_skip
from tests.support.security import Certificates
from tests.support.token_server import TokenServer
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess, watcher_settings
from watcher.consumer import Change, DatabaseChangeConsumer
from watcher.errors import ExitCode
from watcher.sandbox.mongod import ReplicaSet, Tls

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.security_fixtures"]

Document = dict[str, Any]

TOKEN_LIFE_S = 10
"""A client renews its token when a fifth of this is left, which has to be enough for a machine that is busy with other tests."""
EXPIRIES = 2
OUTAGE_TIMEOUT_S = 60.0
END_TIMEOUT_S = 40.0


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenServer]:
    """Tokens for a watcher and for a service that consumes."""
    with TokenServer(TOKEN_LIFE_S, {"watcher": "secret-of-the-watcher", "service": "secret-of-the-service"}) as server:
        yield server


@pytest.fixture(scope="module")
def kafka_of_logins(
    server_directory: Path, tokens: TokenServer, certificates: Certificates, pytestconfig: pytest.Config
) -> Iterator[KafkaOfLogins]:
    """Apache Kafka; skipped where it cannot be had."""
    with KafkaOfLogins(server_directory / "kafka-of-logins", home_or_skip(), tokens, certificates) as broker:
        pytestconfig.stash[BROKER_USED] = broker.description
        yield broker


@pytest.fixture(scope="module")
def mongo_of_certificates(server_directory: Path, certificates: Certificates) -> Iterator[ReplicaSet]:
    """MongoDB that speaks to no client without a certificate, and has a user for ours."""
    tls = Tls(certificates.server, certificates.ca, certificates.client)
    with ReplicaSet(server_directory / "mongo-of-certificates", user="root", password="of-the-tests", tls=tls) as replica_set:
        add_x509_user(replica_set, certificates.client)
        yield replica_set


@pytest.fixture
def by_token(mongo: ReplicaSet, kafka_of_logins: KafkaOfLogins, tokens: TokenServer, database: str) -> Document:
    """Settings of a watcher that logs in by token, with a lease: so each kind of client that a worker has is there."""
    settings = watcher_settings(mongo.uri(database), kafka_of_logins.by_token, database)
    login = {"security.protocol": "SASL_PLAINTEXT", **tokens.login("watcher")}
    return settings | {"high_availability": True, "kafka": login}


@pytest.fixture
def by_certificate(
    mongo_of_certificates: ReplicaSet, kafka_of_logins: KafkaOfLogins, certificates: Certificates, prefix: str
) -> Document:
    """Settings of a watcher that is known by its certificate, to MongoDB as its user."""
    options = f"authMechanism=MONGODB-X509&authSource=$external&tls=true&tlsCAFile={quote(str(certificates.ca))}"
    uri = f"mongodb://{mongo_of_certificates.addresses}/{prefix}?{options}&tlsCertificateKeyFile={quote(str(certificates.client))}"
    login = {
        "security.protocol": "SSL",
        "ssl.ca.location": str(certificates.ca),
        "ssl.certificate.location": str(certificates.client),
        "ssl.key.location": str(certificates.client),
    }
    return watcher_settings(uri, kafka_of_logins.by_certificate, prefix) | {"kafka": login}


@pytest.fixture
def by_login(kafka_of_logins: KafkaOfLogins, prefix: str) -> Inbox:
    """The topics of a watcher of these tests."""
    return Inbox(kafka_of_logins.bootstrap, [f"{prefix}.{operation}" for operation in ("insert", "update", "delete", "control")])


@pytest.fixture
def here() -> Iterator[CommandLine]:
    """A deployment directory."""
    with command_line() as here:
        yield here


def test_everything_goes_on_past_the_end_of_tokens(
    here: CommandLine,
    by_token: Document,
    tokens: TokenServer,
    kafka_of_logins: KafkaOfLogins,
    db: Database[Document],
    by_login: Inbox,
    prefix: str,
) -> None:
    oracle, consumed = Oracle(db), list[Change]()
    here.configure("dashboard", by_token)
    started = here.run("start", "--all")
    assert started.returncode == 0, started.stdout + started.stderr
    consumer = consumer_by_token(kafka_of_logins, tokens, prefix, by_login, consumed)
    begun = time.monotonic()
    with ExitStack() as stack:
        running = stack.enter_context(Running(consumer))
        stack.enter_context(Load(oracle, pause_s=0.02))
        eventually(lambda: time.monotonic() > begun + EXPIRIES * TOKEN_LIFE_S + 1, timeout_s=60)
        for command in (["doctor", "--timeout", "40"], ["tail", "dashboard", "-n", "3"], ["position", "show", "dashboard"]):
            done = here.run(*command)
            assert done.returncode == 0, done.stdout + done.stderr
        eventually(lambda: len({change.sequence for change in consumed}) >= oracle.certain_writes)
    assert running.error is None
    verified = here.run("verify", "dashboard")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    oracle.check(by_login.records(oracle.certain_writes))
    status = here.status("dashboard")
    assert (status["state"], status["errors"], status["restarts"]) == ("streaming", 0, 0), here.run("logs", "dashboard").stdout
    issued = [client for _, client in tokens.issued]
    assert issued.count("watcher") > 2 * EXPIRIES, "each of the worker's clients has renewed its token"
    assert issued.count("service") > EXPIRIES


@pytest.mark.timeout(300)
def test_a_server_of_tokens_that_is_away_is_waited_for(
    launch: Launch,
    by_token: Document,
    tokens: TokenServer,
    kafka_of_logins: KafkaOfLogins,
    db: Database[Document],
    by_login: Inbox,
    prefix: str,
) -> None:
    """Beyond the end of the last token, which librdkafka shows to the broker all the same."""
    oracle, consumed = Oracle(db), list[Change]()
    patience = {"transaction.timeout.ms": 5_000}  # after which a transaction has failed that does not get through
    worker: WorkerProcess = launch(by_token | {"kafka": by_token["kafka"] | patience})
    worker.reached()
    with Running(consumer_by_token(kafka_of_logins, tokens, prefix, by_login, consumed)) as running:
        try:
            with Load(oracle, pause_s=0.05):
                eventually(lambda: consumed)
                tokens.is_away = True
                worker.reached("waiting", OUTAGE_TIMEOUT_S)
        finally:
            tokens.is_away = False
        assert worker.status["lastError"]["component"] == "kafka"
        worker.reached(timeout_s=OUTAGE_TIMEOUT_S)
        oracle.check(by_login.records(oracle.certain_writes))
        eventually(
            lambda: running.error or len({change.sequence for change in consumed}) >= oracle.certain_writes, OUTAGE_TIMEOUT_S
        )
    assert running.error is None
    assert worker.stop() == ExitCode.STOPPED


def consumer_by_token(
    kafka: KafkaOfLogins, tokens: TokenServer, group: str, inbox: Inbox, consumed: list[Change]
) -> DatabaseChangeConsumer:
    """A service that logs in by tokens of its own, and collects the changes."""
    login = {"security.protocol": "SASL_PLAINTEXT", **tokens.login("service")}
    consumer = make_consumer(kafka.by_token, group, list(inbox.topics), **login)
    consumer.on("*", "*")(consumed.append)
    return consumer


def test_a_secret_that_is_refused_ends_a_worker(launch: Launch, by_token: Document) -> None:
    wrong = by_token["kafka"] | {"sasl.oauthbearer.client.secret": "not-that"}
    worker: WorkerProcess = launch(by_token | {"kafka": wrong, "high_availability": False})
    assert worker.wait(END_TIMEOUT_S) == ExitCode.NOT_PERMITTED, worker.output
    error = worker.status["lastError"]
    assert "invalid_client" in error["message"]
    assert "sasl.*" in error["hint"]
    assert "not-that" not in worker.output


def test_certificates_are_a_login_on_both_sides(
    here: CommandLine, by_certificate: Document, mongo_of_certificates: ReplicaSet, by_login: Inbox, prefix: str
) -> None:
    here.configure("dashboard", by_certificate)
    started = here.run("start", "--all")
    assert started.returncode == 0, started.stdout + started.stderr
    with mongo_of_certificates.client() as client:
        oracle = Oracle(client[prefix])
        oracle.insert("users", 1)
        oracle.update("users", 1, name="Ada")
        oracle.check(by_login.records(oracle.certain_writes))
    done = here.run("doctor", "--json", "--timeout", "40")
    found = {check["check"]: check["found"] for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, done.stdout
    assert found["kafka.authentication"] == "SSL, with a client certificate"
    for command in ("tail", "verify"):
        assert here.run(command, "dashboard").returncode == 0


@pytest.mark.parametrize("has_other", [False, True], ids=["missing", "of another CA"])
def test_a_certificate_that_kafka_does_not_accept_ends_a_worker(
    has_other: bool, launch: Launch, by_certificate: Document, certificates: Certificates
) -> None:
    names = ("ssl.certificate.location", "ssl.key.location")
    rest = {name: value for name, value in by_certificate["kafka"].items() if name not in names}
    other = dict.fromkeys(names, str(certificates.client_of_other_ca)) if has_other else {}
    worker: WorkerProcess = launch(by_certificate | {"kafka": rest | other})
    assert worker.wait(END_TIMEOUT_S) == ExitCode.NOT_PERMITTED, worker.output
    error = worker.status["lastError"]
    assert "Kafka does not accept the watcher's certificate" in error["message"]
    assert "ssl.certificate.location" in error["hint"]


def test_mongodb_does_not_say_that_it_misses_a_certificate(
    launch: Launch, by_certificate: Document, certificates: Certificates
) -> None:
    """It closes the connection, as it also does when it is stopped: so the worker waits, and the hint has the other reason."""
    option = f"&tlsCertificateKeyFile={quote(str(certificates.client))}"
    worker: WorkerProcess = launch(by_certificate | {"mongodb_uri": by_certificate["mongodb_uri"].replace(option, "")})
    worker.reached("waiting")
    error = worker.status["lastError"]
    assert error["component"] == "mongodb"
    assert "tlsCertificateKeyFile" in error["hint"]


def test_without_aws_a_server_says_that_it_has_no_such_login(launch: Launch, by_certificate: Document, prefix: str) -> None:
    """MONGODB-AWS is a login of Atlas alone; that the driver tries it is all that can be seen here."""
    uri = by_certificate["mongodb_uri"].replace("MONGODB-X509", "MONGODB-AWS").replace("://", "://AKIDEXAMPLE:hunter2@")
    worker: WorkerProcess = launch(by_certificate | {"mongodb_uri": uri})
    assert worker.wait(END_TIMEOUT_S) == ExitCode.NOT_PERMITTED, worker.output
    assert "MONGODB-AWS" in worker.status["lastError"]["message"]
    assert "hunter2" not in worker.output
