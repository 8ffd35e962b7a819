"""Rules for a MongoDB URI, and how it is shown."""

from __future__ import annotations

import warnings
from urllib.parse import quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pymongo.uri_parser import parse_uri as pymongos_parse_uri

from watcher.config.fault import Refused
from watcher.config.masking import is_secret, masked, masked_uri
from watcher.config.mongodb.uri import parse_uri, uri_refusals


@pytest.mark.parametrize(
    ("uri", "database"),
    [
        ("mongodb://localhost:27017/dashboard", "dashboard"),
        ("mongodb://h1,h2:2,[::1]:3/db?replicaSet=rs0", "db"),
        ("mongodb://u:p%40ss@h/db?authSource=admin&tls=true", "db"),
        ("mongodb://u@h/db", "db"),
        ("mongodb+srv://u:p@cluster0.abc.mongodb.net/db", "db"),
        ("mongodb://%2Ftmp%2Fmongodb-27017.sock/db", "db"),
        ("mongodb://h/caf%C3%A9", "café"),
        ("mongodb://[fe80::1%25eth0]:27017/db", "db"),
        ("mongodb://h/db?", "db"),
        ("mongodb://acct:key%3D%3D@acct.mongo.cosmos.azure.com:10255/db?ssl=true&replicaSet=globaldb&appName=@acct@", "db"),
        ("mongodb://h/db?appName=@acct@&tls=true", "db"),
        ("mongodb://h/db?tls=true;appName=x", "db"),
    ],
)
def test_database(uri: str, database: str) -> None:
    assert parse_uri(uri).database == database


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("", "is empty"),
        ("localhost:27017/db", "must start with mongodb://"),
        ("postgres://u:hunter2@h/db", "must start with mongodb://"),
        ("mongodb:///db", "is not a valid MongoDB URI"),
        ("mongodb://h/a/b", "is not a valid MongoDB URI"),
        ("mongodb://u:hunter2/x@h/db", "is not a valid MongoDB URI"),
        ("mongodb://u:hunter2@x@h/db", "is not a valid MongoDB URI"),
        ("mongodb://u:hunter2:x@h/db", "is not a valid MongoDB URI"),
        ("mongodb://u:hunter2%zz@h/db", "is not a valid MongoDB URI"),
        ("mongodb://u:hunter2#x@h/db", "is not a valid MongoDB URI"),
        ("mongodb://:hunter2@h/db", "is not a valid MongoDB URI"),
        ("mongodb://h:port/db", "has a host that is not host or host:port"),
        ("mongodb://h:70000/db", "has a host that is not host or host:port"),
        ("mongodb://h,,i/db", "has a host that is not host or host:port"),
        ("mongodb://h o/db", "has a host that is not host or host:port"),
        ("mongodb+srv://h:27017/db", "names one host, without a port"),
        ("mongodb+srv://h,i/db", "names one host, without a port"),
        ("mongodb://h/db?tls", "has an option that is not name=value: tls"),
        ("mongodb://h/a.b", "names a database that MongoDB cannot have"),
        ("mongodb://h/" + "x" * 64, "names a database that MongoDB cannot have"),
        ("mongodb://u:p@h/admin", "has no change stream"),
        ("mongodb://h/db?authMechanismProperties=a:b hunter2", "has a blank in an option"),
        ("mongodb://h/db?tls=true&", "has an empty option"),
        ("mongodb://h/db?&tls=true", "has an empty option"),
        ("mongodb://h/db?a=b&&tls=true", "has an empty option"),
        ("mongodb://h/db?a=b;c=d&tls=true", "has & and ; between"),
        ("mongodb://h/a+b", "names a database that MongoDB cannot have: 'a b'"),
        ("mongodb://h/a%FF", "names a database that MongoDB cannot have"),
        ("mongodb://h/db\n", "holds a line break"),
        ("mongodb://h%20o/db", "has a host that is not host or host:port"),
        ("mongodb://[1.2]/db", "has a host that is not host or host:port"),
        ("mongodb://h:٣/db", "has a host that is not host or host:port"),
        ("mongodb://u:hunter2@ss/x?y=z@h/db", "is not a valid MongoDB URI"),
    ],
)
def test_unusable(uri: str, text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_uri(uri)
    assert text in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_all_that_is_wrong_with_a_uri_at_once() -> None:
    assert [str(refused) for refused in uri_refusals("mongodb://a:x,b:70000/?tls&a=b&")] == [
        "has a host that is not host or host:port",
        "has a host that is not host or host:port",
        "has an option that is not name=value: tls",
        "has an empty option",
    ]


PIECES = st.sampled_from(
    [*"ab:/?#@&;=%+,.[] \n-_$", "mongodb://", "u:p@", "h:1", "/db", "?tls=true", "&appName=@x@", "%40", "[::1]", ".sock"]
)


@given(rest=st.lists(PIECES, max_size=8).map("".join))
@example(rest="/db?tls=true a")
def test_whatever_is_taken_pymongo_takes_too(rest: str) -> None:
    uri = f"mongodb://h{rest}"
    if not list(uri_refusals(uri)):
        with warnings.catch_warnings(action="ignore"):
            assert pymongos_parse_uri(uri, warn=True)["database"] == parse_uri(uri).database


credentials = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
databases = st.text("abcXYZ019_-é~!()", min_size=1, max_size=20)


@given(user=credentials, password=credentials, database=databases)
def test_agrees_with_pymongo(user: str, password: str, database: str) -> None:
    uri = f"mongodb://{quote_plus(user)}:{quote_plus(password)}@h1:1,h2/{quote_plus(database)}?authSource=admin"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_uri(uri).database == pymongos_parse_uri(uri)["database"] == database


@given(password=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_no_password_is_shown_escaped_or_not(password: str) -> None:
    marked = f"hunter2{password}hunter2"
    for written in (marked, quote_plus(marked)):
        assert "hunter2" not in masked_uri(f"mongodb://app:{written}@host:27017/db?tls=true")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://localhost:27017/db", "mongodb://localhost:27017/db"),
        ("mongodb://app:secret@h/db?authSource=admin", "mongodb://app:***@h/db?authSource=admin"),
        ("mongodb://app@h/db", "mongodb://app@h/db"),
        ("mongodb://app:se/cret@h/db", "mongodb://***@h/db"),
        ("mongodb://app:se/cret?x=y@h", "mongodb://***@h"),
        ("mongodb://app:x@y/d?z=hunter@h", "mongodb://app:***@y/d?z=***"),
        ("mongodb://app:secret@h/db?appName=@acct@&tls=true", "mongodb://app:***@h/db?appName=@acct@&tls=true"),
        ("mongodb://h/db?authMechanismProperties=AWS_SESSION_TOKEN:abc&tls=true", "mongodb://h/db?authMechanismProperties=***&tls=true"),
        ("mongodb://h/db?tlsCertificateKeyFile=/k.pem&tlsCertificateKeyFilePassword=x",
         "mongodb://h/db?tlsCertificateKeyFile=/k.pem&tlsCertificateKeyFilePassword=***"),
    ],
)  # fmt: skip
def test_masked_uri(uri: str, shown: str) -> None:
    assert masked("mongodb_uri", uri) == shown


@pytest.mark.parametrize(
    "key",
    ["sasl.password", "ssl.key.password", "ssl.key.pem", "ssl_key", "sasl.oauthbearer.client.secret", "sasl.jaas.config",
     "sasl.oauthbearer.config", "ssl.keystore.password", "sasl.oauthbearer.assertion.private.key.passphrase"],
)  # fmt: skip
def test_secret_properties(key: str) -> None:
    assert is_secret(key)
    assert masked(key, "hunter2") == "***"


@pytest.mark.parametrize(
    "key",
    ["sasl.username", "ssl.key.location", "sasl.kerberos.keytab", "sasl.oauthbearer.token.endpoint.url", "linger.ms",
     "kafka_brokers", "kafka_client_id", "mongodb_uri"],
)  # fmt: skip
def test_other_properties_are_shown(key: str) -> None:
    assert masked(key, "shown") == "shown"


def test_a_choice_about_a_secret_is_none() -> None:
    assert masked("read_without_token", True) == "True"
    assert masked("token", "abc") == "***"


def test_a_url_with_a_login_is_masked_under_any_key() -> None:
    assert masked("https.proxy", "http://u:hunter2@proxy:3128") == "http://***@proxy:3128"
