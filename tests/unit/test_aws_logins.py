"""Logins to Amazon MSK by IAM: the token's form, against an implementation of its own of AWS's signature, and what is missing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import bson
import pytest
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session
from botocore.utils import ContainerMetadataFetcher
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from pymongo.auth_shared import MongoCredential
from pymongo.synchronous.auth_aws import _authenticate_aws

from tests.support.plain_settings import settings as plain_settings
from tests.support.waiting import eventually
from watcher import aws
from watcher.config.kafka.librdkafka_refusals import refused_by_librdkafka
from watcher.config.kafka_client import client_properties, producer_properties
from watcher.config.mongodb.pymongo_refusals import refused_by_pymongo
from watcher.consumer import DatabaseChangeConsumer, ReadError
from watcher.consumer.connection import common_properties, consumer_properties
from watcher.errors import ConfigurationError, CredentialsRefused, Outage, WatcherError
from watcher.kafka.properties import producer_config
from watcher.mongodb.client import connect
from watcher.mongodb.errors import translated

KEY, SECRET, SESSION_TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/session+token="  # AWS's own examples
BROKERS = "b-1.orders.abcde.c2.kafka.eu-central-1.amazonaws.com:9098,b-2.orders.abcde.c2.kafka.eu-central-1.amazonaws.com:9098"
LOGIN = {"security.protocol": "SASL_SSL", "sasl.mechanism": "AWS_MSK_IAM"}


@pytest.fixture(autouse=True)
def only_these_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    """AWS's credentials and region come from variables of the test alone, and no metadata service is asked."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)  # between its attempts
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    aws._session.cache_clear()
    yield
    aws._session.cache_clear()


def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


def signed_url(token: str) -> tuple[str, dict[str, str]]:
    """The host that a token is for, and its parameters."""
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    assert (url.scheme, url.path) == ("https", "/")
    return url.netloc, {name: value for name, (value,) in parse_qs(url.query, strict_parsing=True).items()}


def signature(host: str, parameters: dict[str, str], region: str) -> str:
    """AWS's signature of such a request, version 4, computed by its documentation."""
    at = parameters["X-Amz-Date"]
    scope = f"{at[:8]}/{region}/kafka-cluster/aws4_request"
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(parameters.items()))
    request = "\n".join(["GET", "/", query, f"host:{host}\n", "host", hashlib.sha256(b"").hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in (at[:8], region, "kafka-cluster", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(
        key, "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(request.encode()).hexdigest()]).encode(), "sha256"
    ).hex()


@pytest.mark.parametrize("session_token", ["", SESSION_TOKEN])
def test_the_token_is_what_msk_expects(monkeypatch: pytest.MonkeyPatch, session_token: str) -> None:
    if session_token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", session_token)
    before = time.time()

    token, expires_at = aws.Tokens("eu-central-1").new_token()

    host, parameters = signed_url(token)
    assert host == "kafka.eu-central-1.amazonaws.com"
    assert before + 900 <= expires_at <= time.time() + 900
    assert parameters.pop("User-Agent") == "database-watcher"
    signed = parameters.pop("X-Amz-Signature")
    assert signed == signature(host, parameters, "eu-central-1")
    assert parameters["Action"] == "kafka-cluster:Connect"
    assert parameters["X-Amz-Expires"] == "900"
    assert parameters["X-Amz-Credential"].startswith(f"{KEY}/")
    assert parameters.get("X-Amz-Security-Token", "") == session_token
    assert "=" not in token


@pytest.mark.parametrize(
    ("brokers", "region"),
    [
        (BROKERS, "eu-central-1"),
        ("boot-x1.c1.kafka-serverless.us-gov-west-1.amazonaws.com:9098", "us-gov-west-1"),
        ("b-1.x.y.c2.kafka.cn-north-1.amazonaws.com.cn:9098", "cn-north-1"),
    ],
)
def test_the_region_is_that_of_the_brokers(monkeypatch: pytest.MonkeyPatch, brokers: str, region: str) -> None:
    monkeypatch.setenv("AWS_REGION", "sa-east-1")
    made = aws.with_token(LOGIN, brokers)
    assert signed_url(made["oauth_cb"]("")[0])[0] == f"kafka.{region}.amazonaws.com"


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_of_other_addresses_is_a_variable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ConfigurationError, match="region") as refused:
        aws.with_token(LOGIN, "kafka.internal:9098")
    assert "AWS_REGION" in refused.value.hint
    aws._session.cache_clear()
    monkeypatch.setenv(name, "sa-east-1")
    made = aws.with_token(LOGIN, "kafka.internal:9098")
    assert signed_url(made["oauth_cb"]("")[0])[0] == "kafka.sa-east-1.amazonaws.com"


def test_every_client_logs_in_by_token() -> None:
    settings = plain_settings(kafka_brokers=BROKERS, kafka={"security.protocol": "SASL_SSL", "sasl.mechanisms": "aws_msk_iam"})
    made = [
        client_properties(settings),
        producer_config(settings, lambda _: None),
        common_properties(BROKERS, LOGIN),
        consumer_properties(BROKERS, "g", LOGIN, "dead"),
    ]
    for properties in made:
        assert {properties.get("sasl.mechanism"), properties.get("sasl.mechanisms")} == {"OAUTHBEARER", None}
        assert signed_url(properties["oauth_cb"]("")[0])


@pytest.mark.parametrize("kind", [Producer, Consumer, AdminClient])
def test_a_client_that_nobody_polls_renews_its_token(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """librdkafka asks again after four fifths of a token's life. No broker is needed for that."""
    monkeypatch.setattr(aws, "TOKEN_SECONDS", 1)
    asked: list[float] = []
    made = aws.with_token(LOGIN, BROKERS)
    next_token = made["oauth_cb"]

    def counted(config: str) -> tuple[str, float]:
        asked.append(time.monotonic())
        return next_token(config)  # type: ignore[no-any-return]  # of a mapping of any

    group = {"group.id": "g"} if kind is Consumer else {}
    client = kind({**made, **group, "oauth_cb": counted, "bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    eventually(lambda: len(asked) > 2)
    del client


def test_without_credentials_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    without_credentials(monkeypatch)
    with pytest.raises(CredentialsRefused, match="no credentials of AWS"):
        client_properties(plain_settings(kafka_brokers=BROKERS, kafka=LOGIN))


def test_a_role_whose_credentials_do_not_come_is_an_outage(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    without_credentials(monkeypatch)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
    with pytest.raises(Outage, match="AWS gives no credentials"):
        aws.Tokens("eu-central-1").new_token()


def with_role_of_a_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, status: int, code: str) -> None:
    """Take credentials from the identity of a pod, and have AWS's service of tokens answer with an error."""
    without_credentials(monkeypatch)
    (tmp_path / "identity").write_text("a.b.c")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "identity"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/orders")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>No.</Message></Error></ErrorResponse>".encode()
    answer = AWSResponse("https://sts.eu-central-1.amazonaws.com/", status, {}, SimpleNamespace(stream=lambda: [body]))
    monkeypatch.setattr(URLLib3Session, "send", lambda *_: answer)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (403, "AccessDenied", CredentialsRefused),
        (400, "InvalidIdentityToken", CredentialsRefused),
        (400, "Throttling", Outage),
        (400, "IDPCommunicationError", Outage),
        (503, "ServiceUnavailable", Outage),
    ],
)
def test_a_refused_role_stops_and_a_busy_service_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, status: int, code: str, meaning: type[WatcherError]
) -> None:
    with_role_of_a_pod(monkeypatch, tmp_path, status, code)
    with pytest.raises(meaning, match=f"AWS gives no credentials: .*{code}") as raised:
        client_properties(plain_settings(kafka_brokers=BROKERS, kafka=LOGIN))
    assert type(raised.value) is meaning
    assert raised.value.hint


def test_a_consumer_says_that_credentials_do_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    without_credentials(monkeypatch)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
    consumer = DatabaseChangeConsumer(BROKERS, "g", ["t"], kafka=LOGIN)
    consumer.on_other(lambda change: None)
    with pytest.raises(ReadError, match="AWS gives no credentials") as error:
        consumer.run()
    assert "The worker" not in error.value.hint


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError) as refused:
        client_properties(plain_settings(kafka_brokers=BROKERS, kafka=LOGIN))
    assert refused.value.hint == "pip install 'database-watcher[aws]'"
    (told,) = refused_by_librdkafka(LOGIN, lambda given: producer_properties(given, "x"))
    assert (told.key, told.hint) == ("sasl.mechanism", "pip install 'database-watcher[aws]'")


def test_a_check_takes_the_login_and_needs_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    without_credentials(monkeypatch)
    assert list(refused_by_librdkafka(LOGIN, lambda given: producer_properties(given, "x"))) == []


def test_other_logins_load_nothing_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("botocore", "boto3")]:
        monkeypatch.delitem(sys.modules, name)
    client_properties(plain_settings(kafka={"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}))
    assert not {"botocore", "boto3"} & sys.modules.keys()


def test_mongodb_by_iam_names_its_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "find_spec", lambda _: None)
    uri = "mongodb+srv://cluster0.abcde.mongodb.net/shop?authSource=%24external&authMechanism=MONGODB-AWS"
    with pytest.raises(ConfigurationError, match="pymongo-auth-aws") as refused:
        connect(plain_settings(mongodb_uri=uri))
    assert refused.value.hint == "pip install 'database-watcher[aws]'"
    told = [each for each in refused_by_pymongo(uri.replace("+srv", "")) if "MONGODB-AWS" in str(each)]
    assert [each.hint for each in told] == ["pip install 'database-watcher[aws]'"]


def test_mongodb_by_iam_is_taken_with_its_package() -> None:
    uri = "mongodb://cluster0.abcde.mongodb.net/shop?authSource=%24external&authMechanism=MONGODB-AWS"
    assert list(refused_by_pymongo(uri)) == []
    connect(plain_settings(mongodb_uri=uri)).close()


def test_mongodb_by_iam_waits_for_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the driver's own; no server has been asked when it is raised."""
    without_credentials(monkeypatch)
    with pytest.raises(Outage, match="AWS gives no credentials for MongoDB") as outage, translated():
        _authenticate_aws(
            MongoCredential("MONGODB-AWS", "$external", None, None, SimpleNamespace(aws_session_token=None), None), FirstReply()
        )
    assert "~/.aws" in outage.value.hint


class FirstReply:
    """A connection to a server that answers the beginning of a login."""

    def command(self, _database: str, command: dict[str, Any]) -> dict[str, Any]:
        nonce = bson.decode(command["payload"])["r"]
        return {"conversationId": 1, "payload": bson.encode({"s": nonce + b"\0" * 32, "h": "sts.amazonaws.com"})}
