"""conf.d as a whole: what is read, in which order, and every fault with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.config import Loaded, Settings, load, load_env_file, load_environment, load_one
from watcher.config.draft import Draft
from watcher.config.fault import Origin
from watcher.config.files.source import SettingsSource
from watcher.config.in_force import values_in_force
from watcher.config.mongodb.snapshots import unwatched_patterns
from watcher.errors import ConfigurationError, ExitCode

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
GOOD = 'mongodb_uri = "mongodb://h/db"\nkafka_brokers = "h:9092"\nkafka_client_id = "{name}"\n'

SHARED = """\
kafka_brokers = "shared:1"
batch_size = 7
log_level = "debug"
[kafka]
"linger.ms" = 1
retry.backoff.ms = 2
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes files into a conf.d below the working directory; its path."""
    monkeypatch.chdir(tmp_path)
    conf_dir = tmp_path / "conf.d"
    conf_dir.mkdir()

    def write_files(**files: str) -> Path:
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (conf_dir / f"{stem}.{suffix}").write_text(text)
        return conf_dir

    return write_files


def good(name: str) -> str:
    return GOOD.format(name=name)


def faults(loaded: Loaded) -> list[str]:
    return [str(fault) for fault in loaded.faults]


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"nowhere"', "cannot read nowhere: No such file or directory (is its name right? a link may lead nowhere)"),
        ('"."', "cannot read .: Is a directory (it must be a file)"),
        ('"empty"', "names empty, and that file is empty"),
        ('"latin"', "cannot read latin: not UTF-8 text (save it as UTF-8)"),
        ('""', "must be the path of a file"),
        ("5", "must be the path of a file"),
        (r'"a\u0000b"', "must be the path of a file"),
    ],
)
@pytest.mark.parametrize("key", ["mongodb_uri_file", '"sasl.password_file"'])
def test_files_that_hold_no_secret(write: Write, key: str, value: str, text: str) -> None:
    uri, *rest = good("a").splitlines(keepends=True)
    lines = [*rest, f"{key} = {value}\n"] if key == "mongodb_uri_file" else [uri, *rest, "[kafka]\n", f"{key} = {value}\n"]
    conf_dir = write(a_toml="".join(lines))
    (conf_dir / "empty").write_text("\n")
    (conf_dir / "latin").write_bytes(b"p\xf6")
    named = key.strip('"') if key == "mongodb_uri_file" else "kafka.sasl.password_file"
    assert faults(load(conf_dir)) == [f"conf.d/a.toml:{len(lines)} {named}: {text}"]


def test_a_property_and_its_file(write: Write) -> None:
    text = good("a") + '[kafka]\n"sasl.password" = "x"\n"sasl.password_file" = "y"\n"acks_file" = "z"\n'
    conf_dir = write(a_toml=text)
    (conf_dir / "z").write_text("1")
    assert faults(load(conf_dir)) == [
        "conf.d/a.toml:6 kafka.sasl.password_file: is set beside sasl.password (keep one of them)",
        "conf.d/a.toml:7 kafka.acks: cannot be set in [kafka] (exactly-once delivery stands on it)",
    ]


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


FAULTS = {
    "unknown key": ('kafka_broker = "h"\n' + good("a"), "a.toml:1 kafka_broker: unknown key (did you mean 'kafka_brokers'?)"),
    "upper case key": (good("a") + "BATCH_SIZE = 5\n", "a.toml:4 BATCH_SIZE: unknown key (did you mean 'batch_size'?)"),
    "unknown table": (good("a") + "[mongo]\nx = 1\n", "a.toml:4 mongo: unknown key (docs/configuration.md lists all keys)"),
    "name": (good("a") + 'name = "b"\n', "a.toml:4 name: unknown key (a watcher is named after its file)"),
    "missing uri": (
        good("a").partition("\n")[2],
        "a.toml mongodb_uri: is missing (for example mongodb://localhost:27017/dashboard)",
    ),
    "uri without database": (
        good("a").replace("/db", ""),
        "a.toml:1 mongodb_uri: names no database (put the database to watch in its path: mongodb://host:27017/<database>)",
    ),
    "non-numeric batch size": (
        good("a") + 'batch_size = "fifty"\n',
        "a.toml:4 batch_size: must be a whole number, not 'fifty' (digits alone, for example 1000)",
    ),
    "small batch size": (good("a") + "batch_size = 0\n", "a.toml:4 batch_size: must be at least 1, not 0"),
    "large batch size": (good("a") + "batch_size = 100001\n", "a.toml:4 batch_size: must be at most 100000, not 100001"),
    "misspelt choice": (
        good("a") + 'log_level = "debgu"\n',
        "a.toml:4 log_level: must be one of debug, info, warning, error, not 'debgu' (did you mean 'debug'?)",
    ),
    "wrong type": (good("a").replace('"a"', "1"), "a.toml:3 kafka_client_id: must be text, not 1"),
    "uri of the wrong type": (good("a").replace('"mongodb://h/db"', "12345"), "a.toml:1 mongodb_uri: must be text"),
    "list of the wrong type": (
        good("a") + "watch_collections = 5\n",
        "a.toml:4 watch_collections: must be a list, or names separated by commas, not 5",
    ),
    "kafka that is no table": (
        good("a") + "kafka = 1\n",
        "a.toml:4 kafka: must be a table (write its name in brackets on a line, and its entries below it)",
    ),
    "filter that is no table": (
        good("a") + "snapshot_filter = '{}'\n",
        "a.toml:4 snapshot_filter: must be a table (write its name in brackets on a line, and its entries below it)",
    ),
    "filter that is no query": (
        good("a") + "[snapshot_filter]\nusers = '{'\n",
        "a.toml:5 snapshot_filter.users: is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1) "
        """(for example '{"active": true}'; dates and ids as in MongoDB Extended JSON)""",
    ),
    "filter that is a table": (
        good("a") + "[snapshot_filter.users]\nactive = true\n",
        "a.toml:5 snapshot_filter.users.active: must be a query, as text "
        """(for example '{"active": true}'; dates and ids as in MongoDB Extended JSON)""",
    ),
    "filter for a glob": (
        good("a") + "[snapshot_filter]\n'user*' = '{}'\n",
        "a.toml:5 snapshot_filter.user*: a filter is for one collection, not for a glob (write one for each collection)",
    ),
    "filter with an operator that no snapshot can use": (
        good("a") + """[snapshot_filter]\nusers = '{"$or": [{"a": 1}, {"$where": "true"}]}'\n""",
        "a.toml:5 snapshot_filter.users: has $where, which a snapshot cannot use "
        "(it runs JavaScript for every document; $expr can say the same)",
    ),
    "filter for a collection that is not watched": (
        good("a") + "watch_collections = ['users']\n[snapshot_filter]\nuser = '{}'\n",
        "a.toml:6 snapshot_filter.user: 'user' is not watched (did you mean 'users'?)",
    ),
    "filter for a collection that is not chosen": (
        good("a") + "snapshot_collections = ['orders']\n[snapshot_filter]\nusers = '{}'\n",
        "a.toml:6 snapshot_filter.users: snapshot_collections does not choose it (add it there, or remove the filter)",
    ),
    "snapshot of a collection that is not watched": (
        good("a") + "watch_collections = ['users', 'o*']\nsnapshot_collections = ['usrs', 'orders']\n",
        "a.toml:5 snapshot_collections: has 'usrs', which is not watched (did you mean 'users'?)",
    ),
    "owned property": (
        good("a") + '[kafka]\n"linger.ms" = 5\nacks = 1\n',
        "a.toml:6 kafka.acks: cannot be set in [kafka] (exactly-once delivery stands on it)",
    ),
    "property in an inline table": (
        good("a") + 'kafka = { "group.id" = "x" }\n',
        "a.toml:4 kafka.group.id: cannot be set in [kafka] (reading the position back stands on it)",
    ),
    "property that is no number": (
        good("a") + '[kafka]\n"message.max.bytes" = "1 MB"\n',
        "a.toml:5 kafka.message.max.bytes: must be a whole number, not '1 MB' (digits alone, for example 1000)",
    ),
    "property that would be a class of its own": (
        good("a") + '[kafka]\ndefault.topic.config = "x"\n',
        "a.toml:5 kafka.default.topic.config: cannot be set in [kafka] (its properties stand in [kafka] itself)",
    ),
    "property that is no scalar": (good("a") + "kafka.x = [1]\n", "a.toml:4 kafka.x: must be text, a number, true or false"),
    "undefined variable": (
        good("a").replace("//h", "//u:${NO_SUCH_VARIABLE}@h"),
        "a.toml:1 mongodb_uri: environment variable NO_SUCH_VARIABLE is not set"
        " (set it where the watcher starts, or write ${NAME:-default}; a plain ${ is written $${)",
    ),
    "variable inside a default": (
        good("a").replace('"h:9092"', '"${H:-${I}}"'),
        "a.toml:2 kafka_brokers: has ${ without NAME} (write ${NAME} or ${NAME:-default}; a plain ${ is written $${)",
    ),
    "bad glob": (
        good("a") + 'exclude_collections = ["a", "b["]\n',
        "a.toml:4 exclude_collections: has a glob with an open bracket: 'b[' (globs are * ? [abc] [!abc])",
    ),
    "unquoted text": (
        good("a") + "log_level = warn\n",
        "a.toml:4: is not valid TOML in column 13: invalid value (text stands in quotes)",
    ),
    "key twice": (
        good("a") + "batch_size = 1\nbatch_size = 2\nlog_level = 'info'\n",
        "a.toml:5: is not valid TOML in column 15: cannot overwrite a value (a key stands here for the second time)",
    ),
    "open bracket": (good("a") + "watch_collections = [\n", "a.toml:4: is not valid TOML: invalid value (text stands in quotes)"),
    "uri file that is not there": (
        good("a").partition("\n")[2] + 'mongodb_uri_file = "/nowhere/x"\n',
        "a.toml:3 mongodb_uri_file: cannot read /nowhere/x: No such file or directory (is its name right? a link may lead nowhere)",
    ),
    "uri and uri file": (
        good("a") + 'mongodb_uri_file = "/nowhere/x"\n',
        "a.toml:4 mongodb_uri_file: is set beside mongodb_uri (keep one of them)",
    ),
    "control topic": (
        good("a") + 'kafka_topic_control = "{collection}"\n',
        "a.toml:4 kafka_topic_control: has an unknown placeholder {collection} (it may hold {database}, {operation})",
    ),
    "shared topic": (
        good("a") + 'kafka_db_changes_topic = "a/b"\n',
        "a.toml:4 kafka_db_changes_topic: has a character that Kafka does not allow in topics: '/' (allowed are A-Z a-z 0-9 . _ -)",
    ),
    "position topic": (
        good("a") + 'kafka_topic_insert = "a.position"\n',
        "a.toml:3 kafka_client_id: 'a.position' is where the position is kept; no other topic can have that name",
    ),
}


@pytest.mark.parametrize(("text", "expected"), FAULTS.values(), ids=FAULTS)
def test_one_fault_is_one_line(write: Write, text: str, expected: str) -> None:
    loaded = load(write(a_toml=text, good_toml=good("good")))
    assert faults(loaded) == [f"conf.d/{expected}"]
    assert list(loaded.watchers) == ["good"]


def test_all_faults_of_a_file_at_once_in_the_order_of_lines(write: Write) -> None:
    text = 'batch_size = "x"\nkafka_brokers = ""\nlog_levle = "info"\n[kafka]\nacks = 1\n"sasl.password" = "${NO_SUCH_VARIABLE}"\n'
    lines = [fault.split(": ")[0] for fault in faults(load(write(a_toml=text)))]
    assert lines == [
        "conf.d/a.toml mongodb_uri",
        "conf.d/a.toml kafka_client_id",
        "conf.d/a.toml:1 batch_size",
        "conf.d/a.toml:2 kafka_brokers",
        "conf.d/a.toml:3 log_levle",
        "conf.d/a.toml:5 kafka.acks",
        "conf.d/a.toml:6 kafka.sasl.password",
    ]


def test_keys_of_an_env_file_are_named_as_it_writes_them(write: Write) -> None:
    loaded = load(write(a_env="KAFKA_BROKERS=h\nKAFKA_CLIENT_ID=a\nBATCH_SIZE=fifty\n"))
    assert [fault.key for fault in loaded.faults] == ["MONGODB_URI", "BATCH_SIZE"]


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


def test_two_watchers_with_one_client_id_name_both_files(write: Write) -> None:
    loaded = load(
        write(a_toml=good("same"), b_env="MONGODB_URI=mongodb://h/x\nKAFKA_BROKERS=h\nKAFKA_CLIENT_ID=same\n", c_toml=good("c"))
    )
    assert faults(loaded) == [
        "conf.d/a.toml:3 kafka_client_id: 'same' is also the client id of b (conf.d/b.env:3) (give each watcher its own)",
        "conf.d/b.env:3 KAFKA_CLIENT_ID: 'same' is also the client id of a (conf.d/a.toml:3) (give each watcher its own)",
    ]
    assert list(loaded.watchers) == ["c"]


def test_one_name_for_two_files(write: Write) -> None:
    loaded = load(write(a_toml=good("a"), a_env=GUIDES_ENV))
    assert faults(loaded) == ["conf.d/a.toml: has the same name as a.env (keep one of them)"]
    assert loaded.watchers == {}


def test_a_fault_in_defaults_is_every_watchers_and_is_told_once(write: Write) -> None:
    loaded = load(write(defaults_toml="batch_sise = 1\n", a_toml=good("a"), b_toml=good("b")))
    assert faults(loaded) == ["conf.d/defaults.toml:1 batch_sise: unknown key (did you mean 'batch_size'?)"]
    assert list(loaded.broken) == ["a", "b"]


def test_broken_defaults_do_not_make_keys_missing(write: Write) -> None:
    loaded = load(write(defaults_toml="kafka_brokers = h\n", a_toml='mongodb_uri = "mongodb://h/db"\n'))
    assert faults(loaded) == ["conf.d/defaults.toml:1: is not valid TOML in column 17: invalid value (text stands in quotes)"]


def test_missing_conf_dir(tmp_path: Path) -> None:
    (fault,) = load(tmp_path / "conf.d").faults
    assert fault.text == "cannot be read: No such file or directory"
    assert "watcherctl init" in fault.hint


def test_empty_conf_dir(write: Write) -> None:
    (fault,) = load(write(defaults_toml="")).faults
    assert fault.text == "holds no watcher"
    assert "<name>.toml" in fault.hint


@pytest.mark.parametrize(
    ("file_name", "hint"),
    [
        ("b.yaml", "write it as b.toml or b.env"),
        ("b.tml", "rename it to b.toml"),
        ("b.TOML", "rename it to b.toml"),
        (".env", "rename it to <name>.env"),
        ("all.toml", "start --all means every watcher"),
        ("defaults.env", "what watchers share goes into defaults.toml"),
        ("a b.toml", "names are letters, digits"),
        ("-b.toml", "names are letters, digits"),
    ],
)
def test_files_that_were_meant_to_be_watchers(write: Write, file_name: str, hint: str) -> None:
    conf_dir = write(a_toml=good("a"))
    (conf_dir / file_name).write_text("")
    (fault,) = load(conf_dir).faults
    assert fault.hint.startswith(hint)
    assert list(load(conf_dir).watchers) == ["a"]


@pytest.mark.parametrize(
    "file_name", ["README", "README.md", "b.toml~", "b.toml.example", ".b.toml.swp", ".gitkeep", "b.bak", "b.off"]
)
def test_other_files_are_ignored(write: Write, file_name: str) -> None:
    conf_dir = write(a_toml=good("a"))
    (conf_dir / file_name).write_text("")
    assert load(conf_dir).faults == ()


def test_unreadable_file_hides_no_other(write: Write) -> None:
    conf_dir = write(a_toml=good("a"))
    (conf_dir / "b.toml").mkdir()
    (conf_dir / "c.env").symlink_to("nowhere")
    (conf_dir / "d.toml").write_bytes(b'kafka_brokers = "h"\n# \xff\n')
    loaded = load(conf_dir)
    assert faults(loaded) == [
        "conf.d/b.toml: cannot be read: Is a directory (it must be a file)",
        "conf.d/c.env: cannot be read: No such file or directory (is its name right? a link may lead nowhere)",
        "conf.d/d.toml:2: is not UTF-8 text (save it as UTF-8)",
    ]
    assert list(loaded.watchers) == ["a"]


def test_byte_order_mark_of_windows_editors(write: Write) -> None:
    assert load(write(a_toml="\ufeff" + good("a"))).faults == ()


def test_load_one_raises_all_faults_of_that_watcher_alone(write: Write) -> None:
    conf_dir = write(a_toml=good("a") + 'batch_size = "x"\nlog_level = 5\n', b_toml="?")
    with pytest.raises(ConfigurationError) as caught:
        load_one(conf_dir, "a")
    assert str(caught.value).splitlines()[0] == "the configuration has 2 faults:"
    assert "b.toml" not in str(caught.value)
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_load_one_of_a_single_fault_keeps_the_hint_apart(write: Write) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_one(write(a_toml=good("a") + "batch_sise = 1\n"), "a")
    assert (str(caught.value), caught.value.hint) == ("conf.d/a.toml:4 batch_sise: unknown key", "did you mean 'batch_size'?")


@pytest.mark.parametrize(("name", "hint"), [("dashbord", "did you mean 'dashboard'?"), ("x", "there are: dashboard")])
def test_load_one_of_an_unknown_name(write: Write, name: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_one(write(dashboard_toml=good("a")), name)
    assert (str(caught.value), caught.value.hint) == (f"there is no watcher '{name}'", hint)


ENVIRONMENT = {"MONGODB_URI": "mongodb://h/shop", "KAFKA_BROKERS": "h", "KAFKA_CLIENT_ID": "c", "LOG_LEVEL": "", "PATH": "/bin"}


def test_single_watcher_from_the_environment() -> None:
    settings = load_environment(environment=ENVIRONMENT | {"BATCH_SIZE": "50"})
    assert (settings.name, settings.batch_size, settings.log_level) == ("shop", 50, "info")
    assert load_environment("given", ENVIRONMENT).name == "given"


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
