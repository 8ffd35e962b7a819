"""Complaints of the drivers about settings: all of them at once, with what to do, and without a connection."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from watcher.config import Settings, load
from watcher.config.kafka.librdkafka import OWNED
from watcher.config.kafka.librdkafka_names import KNOWN_PROPERTIES
from watcher.config.kafka.librdkafka_probe import ENDPOINT, NOWHERE, harmless
from watcher.config.kafka.librdkafka_refusals import refused_by_librdkafka
from watcher.config.kafka_client import producer_properties
from watcher.config.mongodb.pymongo_refusals import refused_by_pymongo
from watcher.errors import ConfigurationError
from watcher.mongodb.client import connect

GOOD = 'mongodb_uri = "mongodb://h/db"\nkafka_brokers = "h:9092"\nkafka_client_id = "{name}"\n'
Told = list[tuple[str, str, str]]


def librdkafkas(properties: Mapping[str, Any], transactional_id: str = "x") -> Told:
    completed = partial(producer_properties, transactional_id=transactional_id)
    return [(refused.key, str(refused), refused.hint) for refused in refused_by_librdkafka(properties, completed)]


def pymongos(options: str) -> list[tuple[str, str]]:
    return [(str(refused), refused.hint) for refused in refused_by_pymongo(f"mongodb://u:hunter2@h1,h2/db?{options}")]


def test_every_fault_of_the_properties_at_once() -> None:
    told = librdkafkas(
        {
            "linger.msec": 5,
            "sasl.passwd": "hunter2",
            "batch.size": "many",
            "linger.ms": -1,
            "compression.type": "zip",
            "client.rack": "a",
        }
    )
    assert [key for key, *_ in told] == ["linger.msec", "sasl.passwd", "batch.size", "linger.ms", "compression.type"]
    assert told[0][1:] == ("librdkafka has no such property", "did you mean 'linger.ms'?")
    assert told[1][2] == "did you mean 'sasl.password'?"
    assert "outside allowed range" in told[3][1]
    assert "hunter2" not in str(told)


@pytest.mark.parametrize(
    ("properties", "key", "text"),
    [
        ({"session.timeout.ms": 6000}, "session.timeout.ms", "it is for consumers"),
        ({"fetch.min.bytes": 1, "linger.ms": 5}, "fetch.min.bytes", "it is for consumers"),
        ({"sasl.mechanism": "PLAIN"}, "sasl.mechanism", "not configured for SASL"),
        ({"security.protocol": "ssl", "ssl.ca.location": "/nowhere"}, "ssl.ca.location", "librdkafka says"),
        ({"delivery.timeout.ms": 300_000}, "", "must be set <= `transaction.timeout.ms`"),
        ({"transaction.timeout.ms": "soon"}, "transaction.timeout.ms", "Invalid value"),
        ({"no such": "x"}, "no such", "no such property"),
    ],
)
def test_what_a_worker_would_stop_at_or_librdkafka_would_pass_over(properties: dict[str, Any], key: str, text: str) -> None:
    ((told_key, told_text, _),) = librdkafkas(properties)
    assert told_key == key
    assert text in told_text


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"linger.ms": 5, "compression.type": "zstd", "socket.keepalive.enable": True},
        {"transaction.timeout.ms": 60_000, "delivery.timeout.ms": 50_000},
        {"topic.metadata.refresh.fast.cnt": 5},
    ],
)
def test_nothing_is_said_against_what_works(properties: dict[str, Any]) -> None:
    assert librdkafkas(properties) == []


@pytest.mark.parametrize("name", KNOWN_PROPERTIES)
def test_librdkafka_knows_every_name_that_may_be_meant(name: str) -> None:
    assert name not in OWNED
    told = [text for _, text, _ in librdkafkas({name: "?"})]
    assert "librdkafka has no such property" not in told
    assert not any("consumers" in text for text in told)


@pytest.mark.parametrize(
    ("options", "text", "hint"),
    [
        ("replicaSte=rs0", "does not know: replicaSte", "did you mean 'replicaSet'?"),
        ("authSorce=admin", "does not know: authSorce", "did you mean 'authSource'?"),
        ("tls=yes", "bad value, tls: pymongo says: The value of tls must be", "left out"),
        ("readPreference=secondry", "bad value, readPreference", "left out"),
        ("socketTimeoutMS=soon", "bad value, socketTimeoutMS", "left out"),
        (
            "authMechanism=GSSAPI&authMechanismProperties=hunter2",
            "bad value, authMechanismProperties: pymongo cannot use",
            "left out",
        ),
        ("authSource=a&authsource=b", "has the option authsource twice", "takes the last"),
        ("directConnection=true", "pymongo says: Cannot specify multiple hosts", ""),
        ("tlsInsecure=true&tlsAllowInvalidCertificates=true", "cannot be specified simultaneously", ""),
        ("tls=true&tlsCAFile=/nowhere", "names a file that cannot be used", "PEM"),
    ],
)
def test_options_that_pymongo_would_refuse_or_leave_out(options: str, text: str, hint: str) -> None:
    ((told, told_hint),) = pymongos(options)
    assert text in told
    assert hint in told_hint
    assert "hunter2" not in told + told_hint


@pytest.mark.parametrize(
    "options",
    [
        "useUnifiedTopology=true&useNewUrlParser=true&poolSize=5&autoReconnect=true&maxLifeTimeMS=1",
        "readPreferenceTags=dc:a&readPreferenceTags=dc:b&readPreference=secondary",
        "minPoolSize=50&retryWrites=false&appName=@acct@&MAXIDLETIMEMS=120000",
        "tls=true&tlsCertificateKeyFilePassword=x",
    ],
)
def test_options_that_are_other_drivers_or_good(options: str) -> None:
    assert pymongos(options) == []


def test_dns_is_not_asked() -> None:
    assert list(refused_by_pymongo("mongodb+srv://u:p@no-such-host.invalid/db?tls=true")) == []


def test_a_worker_takes_a_pool_size_that_is_for_an_application_and_names_a_file_it_misses() -> None:
    rest = {"name": "a", "kafka_brokers": "h", "kafka_client_id": "a"}
    with warnings.catch_warnings(action="error"):
        connect(Settings(mongodb_uri="mongodb://h/db?minPoolSize=50", **rest)).close()
    with pytest.raises(ConfigurationError, match="/nowhere"):
        connect(Settings(mongodb_uri="mongodb://h/db?tls=true&tlsCAFile=/nowhere", **rest))
    with pytest.raises(ConfigurationError):
        connect(Settings(mongodb_uri="mongodb://h/db?datetime_conversion=x", **rest))


def test_all_faults_of_all_files_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        GOOD.format(name="a") + 'batch_size = "x"\n[kafka]\nacks = 1\n"linger.msec" = 5\ncompression.type = "zip"\n'
    )
    (tmp_path / "b.env").write_text(
        "MONGODB_URI=mongodb://h/db?tls=yes&replicaSte=x\nKAFKA_BROKERS=h\n"
        'KAFKA={"session.timeout.ms": 1}\nDELIVERY=x\nKAFKA_CLIENT_ID=b\n'
    )
    faults = load(tmp_path, {}, ask_drivers=True).faults
    found = [(Path(fault.origin.source).name, fault.origin.line, fault.key) for fault in faults]
    assert found == [
        ("a.toml", 4, "batch_size"),
        ("a.toml", 6, "kafka.acks"),
        ("a.toml", 7, "kafka.linger.msec"),
        ("a.toml", 8, "kafka.compression.type"),
        ("b.env", 1, "MONGODB_URI"),
        ("b.env", 1, "MONGODB_URI"),
        ("b.env", 3, "kafka.session.timeout.ms"),
        ("b.env", 4, "DELIVERY"),
    ]


def test_a_property_that_could_not_be_read_is_one_fault(tmp_path: Path) -> None:
    login = '[kafka]\nsecurity.protocol = "sasl_ssl"\nsasl.mechanism = "PLAIN"\nsasl.username = "u"\n'
    (tmp_path / "a.toml").write_text(GOOD.format(name="a") + login + 'sasl.password_file = "nowhere"\n')
    (tmp_path / "b.toml").write_text(GOOD.format(name="b") + login + 'sasl.password = "${NO_SUCH_VARIABLE}"\n')
    assert [fault.key for fault in load(tmp_path, {}, ask_drivers=True).faults] == [
        "kafka.sasl.password_file",
        "kafka.sasl.password",
    ]


OIDC = {
    "security.protocol": "sasl_ssl",
    "sasl.mechanism": "OAUTHBEARER",
    "sasl.oauthbearer.method": "oidc",
    "sasl.oauthbearer.client.id": "a",
    "sasl.oauthbearer.client.secret": "hunter2",
}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        yield server


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


def connected(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("more", [{}, {"sasl.oauthbearer.metadata.authentication.type": "azure_imds"}])
def test_no_secret_is_sent_for_a_token(listener: socket.socket, more: dict[str, str]) -> None:
    assert librdkafkas({**OIDC, **more, ENDPOINT: f"http://{address(listener)}/token"}) == []
    assert not connected(listener)


@pytest.mark.parametrize(
    "properties",
    [
        {ENDPOINT: "http://login.invalid/token"},
        {"sasl.oauthbearer.metadata.authentication.type": "azure_imds"},
    ],
)
def test_no_proxy_is_asked_for_a_token(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, properties: dict[str, str]
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://{address(listener)}")
    librdkafkas({**OIDC, **properties})
    assert not connected(listener)


@pytest.mark.parametrize("name", ["bootstrap.servers", "metadata.broker.list"])
def test_no_broker_is_asked(listener: socket.socket, name: str) -> None:
    librdkafkas({name: address(listener)})
    assert not connected(listener)


def test_a_missing_address_for_tokens_is_still_a_fault() -> None:
    ((_, text, _),) = librdkafkas(OIDC)
    assert "`sasl.oauthbearer.token.endpoint.url` is mandatory" in text


def test_nothing_is_run_or_loaded() -> None:
    kept = harmless(
        {
            "sasl.kerberos.kinit.cmd": "touch /tmp/x",
            "plugin.library.paths": "x.so",
            "ssl.engine.location": "x.so",
            "ssl.providers": "default,/tmp/x",
            "linger.ms": 5,
        }
    )
    assert kept == {"sasl.kerberos.kinit.cmd": ":", "linger.ms": 5}
    assert harmless({"ssl.providers": "default,legacy"})["ssl.providers"] == "default,legacy"
    assert harmless({ENDPOINT: "https://h/"})[ENDPOINT] == NOWHERE


def test_a_plugin_may_bring_properties_but_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "plugin.so").touch()
    there = {"plugin.library.paths": f"{tmp_path}/plugin"}
    assert librdkafkas({**there, "interceptor.of.the.plugin": 1}) == []
    assert [key for key, *_ in librdkafkas({**there, "linger.msec": 5})] == ["linger.msec"]
    ((key, text, _),) = librdkafkas({"plugin.library.paths": f"{tmp_path}/nowhere"})
    assert (key, "does not exist" in text) == ("plugin.library.paths", True)


def test_a_value_that_pymongo_trips_over_is_one_fault_among_the_others() -> None:
    misspelt, odd = [text for text, _ in pymongos("replicaSte=rs0&datetime_conversion=x")]
    assert "does not know: replicaSte" in misspelt
    assert "bad value, datetime_conversion" in odd


ODD = ("", "x", "0", "-1", "1", "1e999", "nan", "true", "null", "a:b", "a:b,c:", ",", "[]", "{}", "%00", "%ff", "9" * 30, "AUTO")


@pytest.mark.filterwarnings("ignore")
def test_no_value_of_any_option_raises() -> None:
    from pymongo.common import VALIDATORS
    from pymongo.uri_parser import URI_OPTIONS

    for name in sorted({*URI_OPTIONS, *VALIDATORS}):
        for value in ODD:
            pymongos(f"{name}={value}")
