"""Every fault in conf.d is found, with its place and its hint, and hides no other watcher."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.conf_files import Write, faults, good
from watcher.config import load, load_one
from watcher.errors import ConfigurationError, ExitCode

pytest_plugins = ["tests.support.conf_fixtures"]


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
        "a.toml:1 mongodb_uri: names no database (put the database to watch in its path: mongodb://host:27017/<database>; "
        "for several, set watch_databases)",
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
        "a.toml:5: is not valid TOML in column 15: cannot overwrite a value (batch_size is set twice, first in line 4)",
    ),
    "key and its table": (
        good("a") + "kafka.sasl = 1\nkafka.sasl.mechanism = 2\n",
        "a.toml:5: is not valid TOML in column 25: cannot overwrite a value (a key stands here for the second time)",
    ),
    "key twice in a table": (
        good("a") + '[x]\nacks = 1\n[kafka]\n"acks" = 1\nacks = 2\n',
        "a.toml:8: is not valid TOML in column 9: cannot overwrite a value (acks is set twice, first in line 7)",
    ),
    "key twice, over several lines": (
        good("a") + "[kafka]\na.b = '''\na = 1\n[y]'''\na . 'b' = [ # [z]\n]\n",
        "a.toml:9: is not valid TOML in column 2: cannot overwrite a value (a.b is set twice, first in line 5)",
    ),
    "key twice after a line separator": (
        good("a") + "# \u2028\nbatch_size = 1\nbatch_size = 2\n",
        "a.toml:6: is not valid TOML in column 15: cannot overwrite a value (batch_size is set twice, first in line 5)",
    ),
    "key over a table": (
        good("a") + "[kafka]\nsasl = 1\n[kafka.sasl]\n",
        "a.toml:6: is not valid TOML in column 12: cannot overwrite a value (a key stands here for the second time)",
    ),
    "open bracket after a line separator": (
        good("a") + "# \u2028\nwatch_collections = [\n",
        "a.toml:5: is not valid TOML: invalid value (text stands in quotes)",
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
    loaded = load(write(a_toml=good("a"), a_env="MONGODB_URI=mongodb://h/x\nKAFKA_BROKERS=h\nKAFKA_CLIENT_ID=b\n"))
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
