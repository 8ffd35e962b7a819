"""conf.d as a whole: the files that are read, in which order, and the values that win."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.conf_files import Write, faults, good
from watcher.config import Settings, load, load_env_file, load_environment, load_one
from watcher.config.draft import Draft
from watcher.config.fault import Origin
from watcher.config.files.source import SettingsSource
from watcher.config.in_force import values_in_force
from watcher.config.mongodb.snapshots import unwatched_patterns
from watcher.errors import ConfigurationError

pytest_plugins = ["tests.support.conf_fixtures"]

GUIDES_ENV = """\
# Point to your dashboard database
MONGODB_URI=mongodb://localhost:27017/dashboard

# Use your existing Kafka brokers
KAFKA_BROKERS=localhost:9092
KAFKA_CLIENT_ID=database-watcher

# Configure topics
KAFKA_TOPIC_INSERT=database.insert
KAFKA_TOPIC_UPDATE=database.update
KAFKA_TOPIC_DELETE=database.delete

# Watch only the collections you need
WATCH_COLLECTIONS=users,organizations,practitioners,schedules,notifications,branches

# Exclude system collections
EXCLUDE_COLLECTIONS=sessions,migrations

LOG_LEVEL=info
BATCH_SIZE=50
"""

SHARED = """\
kafka_brokers = "shared:1"
batch_size = 7
log_level = "debug"
[kafka]
"linger.ms" = 1
retry.backoff.ms = 2
"""


@pytest.mark.parametrize("indent", ["", "   "], ids=["as it is", "as it stands in the guide's list"])
def test_the_guides_env_file(write: Write, indent: str) -> None:
    text = "".join(f"{indent}{line}" for line in GUIDES_ENV.splitlines(keepends=True))
    loaded = load(write(dashboard_env=text))
    assert faults(loaded) == []
    settings = loaded.watchers["dashboard"]
    assert settings == Settings(
        name="dashboard",
        mongodb_uri="mongodb://localhost:27017/dashboard",
        kafka_brokers="localhost:9092",
        kafka_client_id="database-watcher",
        watch_collections=("users", "organizations", "practitioners", "schedules", "notifications", "branches"),
        exclude_collections=("sessions", "migrations"),
        batch_size=50,
    )
    assert loaded.origins["dashboard"].keys() >= {"kafka_topic_insert", "kafka_topic_update", "kafka_topic_delete", "log_level"}


def test_the_guides_single_topic(write: Write) -> None:
    text = GUIDES_ENV.replace("KAFKA_TOPIC_", "# KAFKA_TOPIC_") + "KAFKA_DB_CHANGES_TOPIC=database.changes\n"
    topics = load_one(write(dashboard_env=text), "dashboard").topic_templates
    assert {topics[operation] for operation in ("insert", "update", "replace", "delete")} == {"database.changes"}


def test_own_file_wins_over_defaults_and_defaults_over_built_in(write: Write) -> None:
    conf_dir = write(
        defaults_toml=SHARED,
        a_toml='mongodb_uri = "mongodb://h/db"\nkafka_client_id = "a"\nbatch_size = 8\n[kafka]\nlinger.ms = 3\n',
        b_env="MONGODB_URI=mongodb://h/db\nKAFKA_CLIENT_ID=b\nBATCH_SIZE=\n",
    )
    loaded = load(conf_dir)
    a, b = loaded.watchers["a"], loaded.watchers["b"]
    assert (a.kafka_brokers, a.batch_size, a.log_level, a.delivery) == ("shared:1", 8, "debug", "exactly-once")
    assert a.kafka == {"linger.ms": 3, "retry.backoff.ms": 2}
    assert (b.batch_size, b.kafka) == (7, {"linger.ms": 1, "retry.backoff.ms": 2})
    origins = {key: str(origin) for key, origin in loaded.origins["a"].items()}
    assert origins["batch_size"] == "conf.d/a.toml:3"
    assert origins["kafka_brokers"] == "conf.d/defaults.toml:1"
    assert origins["kafka.linger.ms"] == "conf.d/a.toml:5"
    assert "delivery" not in origins


layer = st.dictionaries(st.sampled_from(["batch_size", "log_level", "kafka.linger.ms", "mongodb_uri"]), st.integers())


@given(own=layer, defaults=layer)
def test_each_key_comes_from_the_nearest_layer(own: dict[str, int], defaults: dict[str, int]) -> None:
    def source(place: str, values: dict[str, int]) -> SettingsSource:
        made = SettingsSource(Origin(place))
        for line, (key, value) in enumerate(values.items(), 1):
            made.add_entry(key, value, line)
        return made

    draft = Draft.layered("x", source("own", own), source("defaults", defaults))
    assert {key: entry.value for key, entry in draft.entries.items()} == defaults | own
    assert {key for key, origin in draft.origins().items() if origin.source == "own"} == own.keys()


def test_uri_file_of_a_watcher_wins_over_the_uri_in_defaults(write: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mongodb://u:p%24%7BX%7D@h/fromfile\n")
    own = 'mongodb_uri_file = "../secret"\nkafka_client_id = "a"\nkafka_brokers = "h"\n'
    settings = load_one(write(defaults_toml='mongodb_uri = "mongodb://h/shared"\n', a_toml=own), "a")
    assert settings.database == "fromfile"


def test_properties_in_files_of_their_own(write: Write, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbf p w\xc3\xb6 \r\n")
    (tmp_path / "key").write_text("k")
    conf_dir = write(
        defaults_toml='[kafka]\n"sasl.password" = "shared"\n"ssl.key.password_file" = "../nowhere"\n',
        a_toml=good("a") + '[kafka]\nsasl.password_file = "../password"\n"ssl.key.password" = "own"\n',
        b_env=f'MONGODB_URI_FILE=../uri\nKAFKA_BROKERS=h\nKAFKA_CLIENT_ID=b\nKAFKA={{"ssl.key.password_file": "{tmp_path}/key"}}\n',
    )
    (tmp_path / "uri").write_text("  mongodb://h/b\n\n")
    loaded = load(conf_dir)
    assert faults(loaded) == []
    a, b = loaded.watchers["a"], loaded.watchers["b"]
    assert a.kafka == {"sasl.password": " p wö ", "ssl.key.password": "own"}
    assert b.kafka == {"sasl.password": "shared", "ssl.key.password": "k"}
    assert {key: path.resolve() for key, path in b.secret_files.items()} == {
        "mongodb_uri": tmp_path / "uri",
        "kafka.ssl.key.password": tmp_path / "key",
    }
    assert str(loaded.origins["a"]["kafka.sasl.password"]) == "conf.d/a.toml:5"
    shown = {key: value for key, value, _ in values_in_force(a, loaded.origins["a"])}
    assert shown["kafka.sasl.password"] == "***"


def test_variables_in_toml(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "p$x")
    text = (
        good("a").replace("//h/", "//u:${DB_PASSWORD}@h/")
        + 'watch_collections = ["$${a}", "b"]\n[kafka]\n"sasl.password" = "${DB_PASSWORD}"\n'
    )
    loaded = load(write(a_toml=text.replace('"$${a}", ', "")))
    assert loaded.watchers["a"].mongodb_uri.get_secret_value() == "mongodb://u:p$x@h/db"
    assert loaded.watchers["a"].kafka == {"sasl.password": "p$x"}


@pytest.mark.parametrize(
    ("environment", "brokers"),
    [({}, "localhost:9092"), ({"BROKER": ""}, "localhost:9092"), ({"BROKER": "kafka"}, "kafka:9092")],
    ids=["not set", "empty", "set"],
)
def test_a_variable_may_have_a_default(write: Write, environment: dict[str, str], brokers: str) -> None:
    text = good("a").replace('"h:9092"', '"${BROKER:-localhost}:9092"')
    assert load_one(write(a_toml=text), "a", environment).kafka_brokers == brokers


def test_an_empty_variable_without_a_default_is_empty(write: Write) -> None:
    text = good("a") + 'kafka_topic_insert = "a${SUFFIX}"\n'
    assert load_one(write(a_toml=text), "a", {"SUFFIX": ""}).kafka_topic_insert == "a"


def test_variables_are_not_looked_for_in_env_files(write: Write) -> None:
    text = "MONGODB_URI=mongodb://u:pa${X}w@h/db\nKAFKA_BROKERS=h\nKAFKA_CLIENT_ID=a\n"
    assert load_one(write(a_env=text), "a").mongodb_uri.get_secret_value() == "mongodb://u:pa${X}w@h/db"


def test_filters_of_a_watcher_and_of_the_defaults(write: Write) -> None:
    filters = """[snapshot_filter]\ntokens = '{"revoked": false}'\na.b = '{"x": {"$oid": "65a000000000000000000001"}}'\n"""
    conf_dir = write(defaults_toml="""[snapshot_filter]\nusers = '{"n": 1}'\ntokens = '{}'\n""", a_toml=good("a") + filters)
    loaded = load(conf_dir)
    assert loaded.watchers["a"].snapshot_filter == {
        "users": '{"n": 1}',
        "tokens": '{"revoked": false}',
        "a.b": '{"x": {"$oid": "65a000000000000000000001"}}',
    }
    shown = [line for line in values_in_force(loaded.watchers["a"], loaded.origins["a"]) if line[0].startswith("snapshot_filter")]
    assert sorted(shown, key=lambda line: line[0]) == [
        ("snapshot_filter.a.b", '{"x": {"$oid": "65a000000000000000000001"}}', Origin(conf_dir / "a.toml", 6)),
        ("snapshot_filter.tokens", '{"revoked": false}', Origin(conf_dir / "a.toml", 5)),
        ("snapshot_filter.users", '{"n": 1}', Origin(conf_dir / "defaults.toml", 2)),
    ]


@pytest.mark.parametrize(
    ("watch", "exclude", "chosen", "refused"),
    [
        ("", "", "users, o*", []),
        ("users, orders", "", "*", []),
        ("users, orders", "orders", "o*", ["o*"]),
        ("users, o*", "", "or*, x*", []),
        ("", "users", "users", ["users"]),
    ],
)
def test_collections_that_no_snapshot_can_read(watch: str, exclude: str, chosen: str, refused: list[str]) -> None:
    assert [str(each).split("'")[1] for each in unwatched_patterns(chosen.split(", "), words(watch), words(exclude))] == refused


def words(text: str) -> list[str]:
    return text.split(", ") if text else []


@pytest.mark.parametrize(
    "file_name", ["README", "README.md", "b.toml~", "b.toml.example", ".b.toml.swp", ".gitkeep", "b.bak", "b.off"]
)
def test_other_files_are_ignored(write: Write, file_name: str) -> None:
    conf_dir = write(a_toml=good("a"))
    (conf_dir / file_name).write_text("")
    assert load(conf_dir).faults == ()


def test_byte_order_mark_of_windows_editors(write: Write) -> None:
    assert load(write(a_toml="\ufeff" + good("a"))).faults == ()


ENVIRONMENT = {"MONGODB_URI": "mongodb://h/shop", "KAFKA_BROKERS": "h", "KAFKA_CLIENT_ID": "c", "LOG_LEVEL": "", "PATH": "/bin"}


def test_single_watcher_from_the_environment() -> None:
    settings = load_environment(environment=ENVIRONMENT | {"BATCH_SIZE": "50"})
    assert (settings.name, settings.batch_size, settings.log_level) == ("shop", 50, "info")
    assert load_environment("given", ENVIRONMENT).name == "given"


def test_a_watcher_of_several_databases_is_named_after_its_client_id() -> None:
    of_all = ENVIRONMENT | {"MONGODB_URI": "mongodb://localhost:27017", "WATCH_DATABASES": "tenant_*, shop"}
    settings = load_environment(environment=of_all)
    assert (settings.name, settings.watch_databases) == (of_all["KAFKA_CLIENT_ID"], ("tenant_*", "shop"))


def test_faults_in_the_environment() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_environment(environment={"KAFKA_BROKERS": "h", "BATCH_SIZE": "x"})
    assert str(caught.value).splitlines()[1:] == [
        "  environment MONGODB_URI: is missing (for example mongodb://localhost:27017/dashboard)",
        "  environment KAFKA_CLIENT_ID: is missing (for example dashboard-watcher; no two watchers may share it)",
        "  environment BATCH_SIZE: must be a whole number, not 'x' (digits alone, for example 1000)",
    ]


@pytest.mark.parametrize("uri", ["mongodb://h/-shop", "mongodb://h/all"])
def test_database_whose_name_cannot_be_a_watchers(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the watcher's name"):
        load_environment(environment=ENVIRONMENT | {"MONGODB_URI": uri})
    assert load_environment("given", ENVIRONMENT | {"MONGODB_URI": uri}).name == "given"


def test_single_watcher_from_an_env_file_of_any_name(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(GUIDES_ENV)
    assert load_env_file(path).name == "dashboard"
    assert load_env_file(path, "given").name == "given"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_env_file(tmp_path / "nowhere")
