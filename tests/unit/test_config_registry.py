"""The settings about Avro and its schema registry: what is refused, and what is hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.plain_settings import REQUIRED, refusal, settings
from watcher.config import load, masked, reread
from watcher.config.hosts import told_settings
from watcher.config.schema_registry import STRATEGIES

URL = {"url": "http://localhost:8081"}


def refused(**properties: Any) -> str:
    return refusal(serialization="avro", schema_registry={**URL, **properties})


def test_avro_brings_headers() -> None:
    assert not settings().kafka_headers
    assert settings(serialization="avro", schema_registry=URL).kafka_headers
    text = refusal(serialization="avro", schema_registry=URL, kafka_headers=False)
    assert "must be true with serialization" in text


def test_neither_goes_without_the_other() -> None:
    assert "schema_registry: is missing" in refusal(serialization="avro")
    assert "schema_registry.url: is missing" in refusal(serialization="avro", schema_registry={"timeout": 5})
    assert 'is for serialization = "avro" alone' in refusal(schema_registry=URL)


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"url": "localhost:8081"}, "must be an address such as"),
        ({"url": "http://one:8081,two"}, "must be an address such as"),
        ({"url": "http://one:port"}, "must be an address such as"),
        ({"bearer.auth.token": "a\nb"}, "must be text of printable ASCII characters"),
        ({"bearer.auth.client.secret": 7}, "must be text"),
        ({"basic.auth.user.info": "ada"}, "must be user:password"),
        ({"timeout": 0}, "must be at least 1"),
        ({"timeout": 61}, "must be at most 60"),
        ({"auto.register.schemas": "perhaps"}, "must be true or false"),
        ({"subject.name.strategy": "TopicName"}, "must be one of TopicNameStrategy"),
        ({"basic.auth.credentials.source": "SASL_INHERIT"}, "must be one of USER_INFO, URL"),
        ({"basic.auth.credentials.source": "USER_INFO"}, "needs basic.auth.user.info"),
        ({"basic.auth.credentials.source": "URL"}, "needs user and password in url"),
        ({"bearer.auth.credentials.source": "STATIC_TOKEN"}, "needs bearer.auth.token"),
        ({"bearer.auth.credentials.source": "OAUTHBEARER"}, "needs bearer.auth.client.id"),
        ({"use.latest.version": True, "auto.register.schemas": True}, "does not go with auto.register.schemas"),
        (
            {"basic.auth.user.info": "a:b", "bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": "x"},
            "does not go with bearer.auth.credentials.source",
        ),
        ({"ssl.certificate.location": "cert.pem"}, "needs ssl.key.location"),
        ({"max.schemas": 5}, "is no property that a watcher knows"),
    ],
)
def test_what_does_not_go_is_refused(properties: dict[str, Any], told: str) -> None:
    assert told in refused(**properties)


def test_a_refusal_names_its_property() -> None:
    assert "schema_registry.use.latest.version" in refused(**{"use.latest.version": True, "auto.register.schemas": "true"})


@pytest.mark.parametrize(("short", "name"), STRATEGIES.items())
def test_strategies_have_confluents_names(short: str, name: str) -> None:
    for given in (short, name, f"io.confluent.kafka.serializers.subject.{name}"):
        told = settings(serialization="avro", schema_registry={**URL, "subject.name.strategy": given}).schema_registry
        assert told["subject.name.strategy"] == short


def written(tmp_path: Path, text: str, name: str = "shop.toml") -> Path:
    directory = tmp_path / "conf.d"
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text)
    return directory


REQUIRED_TOML = "".join(f'{key} = "{value}"\n' for key, value in REQUIRED.items() if key != "name")


def test_a_table_in_toml(tmp_path: Path) -> None:
    text = (
        f'{REQUIRED_TOML}serialization = "avro"\n[schema_registry]\nurl = "http://localhost:8081"\nauto.register.schemas = false\n'
    )
    loaded = load(written(tmp_path, text), {})
    assert loaded.faults == ()
    assert loaded.watchers["shop"].schema_registry == {**URL, "auto.register.schemas": False}


def test_what_is_missing_is_told_with_an_example(tmp_path: Path) -> None:
    [fault] = load(written(tmp_path, f'{REQUIRED_TOML}serialization = "avro"\n'), {}).faults
    assert (fault.key, fault.hint) == ("schema_registry", '[schema_registry], and below it url = "http://localhost:8081"')


def test_json_in_an_env_file(tmp_path: Path) -> None:
    text = "".join(f"{key.upper()}={value}\n" for key, value in REQUIRED.items() if key != "name")
    text += 'SERIALIZATION=avro\nSCHEMA_REGISTRY={"url": "http://localhost:8081", "normalize.schemas": true}\n'
    loaded = load(written(tmp_path, text, "shop.env"), {})
    assert loaded.faults == ()
    assert loaded.watchers["shop"].schema_registry == {**URL, "normalize.schemas": True}
    [fault] = load(written(tmp_path, text.replace("{", "["), "shop.env"), {}).faults
    assert (fault.key, fault.hint) == ("SCHEMA_REGISTRY", 'for example {"url": "http://localhost:8081"}')


def test_a_password_may_be_in_a_file_that_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("ada:one\n")
    table = 'url = "http://localhost:8081"\n"basic.auth.user.info_file" = "../login"\n'
    loaded = load(written(tmp_path, f'{REQUIRED_TOML}serialization = "avro"\n[schema_registry]\n{table}'), {})
    assert loaded.faults == ()
    watcher = loaded.watchers["shop"]
    assert watcher.schema_registry["basic.auth.user.info"] == "ada:one"
    (tmp_path / "login").write_text("ada:two\n")
    assert reread(watcher).schema_registry == {**URL, "basic.auth.user.info": "ada:two"}


def test_no_secret_is_shown() -> None:
    assert masked("basic.auth.user.info", "ada:topsecret") == "***"
    assert masked("basic.auth.credentials.source", "USER_INFO") == "USER_INFO"
    properties = {
        "url": "https://ada:topsecret@localhost:8081",
        "bearer.auth.credentials.source": "OAUTHBEARER",
        "bearer.auth.issuer.endpoint.url": "https://ada:topsecret@issuer/token",
        "bearer.auth.client.id": "watcher",
        "bearer.auth.client.secret": "topsecret",
        "ssl.certificate.location": "/cert.pem",
        "ssl.key.location": "/key.pem",
        "ssl.key.password": "topsecret",
    }
    watcher = settings(serialization="avro", schema_registry=properties)
    assert "topsecret" not in repr(watcher)
    told = told_settings(watcher)
    assert "topsecret" not in repr(told)
    assert told["schema_registry.bearer.auth.client.id"] == "watcher"
    assert "schema_registry.ssl.key.location" not in told


def test_files_that_are_not_there_are_refused_before_a_connection(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    table = f'url = "https://localhost:8081"\n"ssl.ca.location" = "{tmp_path}/ca.pem"\n'
    mine = '"ssl.certificate.location" = "/missing.pem"\n"ssl.key.location" = "/missing.key"\n'
    text = f'{REQUIRED_TOML}serialization = "avro"\n[schema_registry]\n{table}{mine}'
    faults = load(written(tmp_path, text), {}, ask_drivers=True).faults
    assert [(fault.key, fault.text) for fault in faults] == [
        ("schema_registry.ssl.certificate.location", "names /missing.pem, which is no file"),
        ("schema_registry.ssl.key.location", "names /missing.key, which is no file"),
    ]
