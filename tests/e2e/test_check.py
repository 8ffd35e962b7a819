"""`watcherctl check`, as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ONLY_READ = "no faults in the files; watcherctl doctor asks MongoDB and Kafka as well\n"
GOOD = 'mongodb_uri = "mongodb://app:hunter2@h/db"\nkafka_brokers = "h:9092"\nkafka_client_id = "{name}"\n'


def check(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "watcher", "check", *arguments]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("WATCHER_")} | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=directory, env=variables)


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """A directory with conf.d/, in which `a` is good."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text(GOOD.format(name="a"))
    return tmp_path


def test_one_line_for_each_good_watcher(deployment: Path) -> None:
    (deployment / "conf.d" / "shop.toml").write_text(GOOD.format(name="shop").replace("h/db", "h/shop"))
    done = check(deployment)
    assert (done.returncode, done.stderr) == (0, ONLY_READ)
    assert done.stdout == "a     ok  mongodb://app:***@h/db -> h:9092\nshop  ok  mongodb://app:***@h/shop -> h:9092\n"


def test_what_is_sent_twice_is_a_warning(deployment: Path) -> None:
    (deployment / "conf.d" / "shop.toml").write_text(GOOD.format(name="shop"))
    done = check(deployment)
    assert done.returncode == 0
    assert "a: shop watches its database db too, so both send its changes to the same topics\n" in done.stderr


def test_all_faults_of_all_files_at_once(deployment: Path) -> None:
    (deployment / "conf.d" / "b.toml").write_text(GOOD.format(name="b") + 'batch_sise = 5\nlog_level = "loud"\n')
    (deployment / "conf.d" / "c.env").write_text("MONGODB_URI=mongodb://app:hunter2@h\n")
    done = check(deployment)
    assert done.returncode == 78
    assert done.stdout.splitlines() == [
        "a  ok  mongodb://app:***@h/db -> h:9092",
        "conf.d/b.toml:4 batch_sise: unknown key (did you mean 'batch_size'?)",
        "conf.d/b.toml:5 log_level: must be one of debug, info, warning, error, not 'loud'",
        "conf.d/c.env KAFKA_BROKERS: is missing (for example localhost:9092)",
        "conf.d/c.env KAFKA_CLIENT_ID: is missing (for example dashboard-watcher; no two watchers may share it)",
        "conf.d/c.env:1 MONGODB_URI: names no database (put the database to watch in its path: mongodb://host:27017/<database>; "
        "for several, set watch_databases)",
    ]
    assert done.stderr == "5 faults; 1 watcher without one\n"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("directConnection=true&loadBalanced=true", "Cannot specify directConnection=true with loadBalanced=true"),
        ("readPreferenceTags=dc:a", "Read preference primary cannot be combined with tags"),
        ("tlsCAFile=/none.pem", "/none.pem"),
        ("srvMaxHosts=1", "srvMaxHosts"),
    ],
)
def test_options_of_the_uri_that_the_driver_refuses(options: str, fault: str, deployment: Path) -> None:
    file = deployment / "conf.d" / "a.toml"
    file.write_text(file.read_text().replace("/db", f"/db?{options}"))
    done = check(deployment)
    assert done.returncode == 78
    assert done.stdout.startswith("conf.d/a.toml:1 mongodb_uri: ")
    assert fault in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_options_that_are_not_used_are_no_faults(deployment: Path) -> None:
    file = deployment / "conf.d" / "a.toml"
    file.write_text(file.read_text().replace("/db", "/db?socketTimeoutMS=1&minPoolSize=200&heartbeatFrequencyMS=1&foo=1"))
    assert (check(deployment).returncode, check(deployment).stderr) == (0, ONLY_READ)


def test_a_name_leaves_the_others_out(deployment: Path) -> None:
    (deployment / "conf.d" / "b.toml").write_text("?")
    assert check(deployment, "a").returncode == 0
    assert check(deployment, "b").returncode == 78
    unknown = check(deployment, "c")
    assert (unknown.returncode, unknown.stderr) == (4, "Error: no watcher is called 'c'; there are: a, b\n")


def test_show_says_what_is_in_force_and_from_where(deployment: Path) -> None:
    (deployment / "conf.d" / "a.toml").write_text(
        GOOD.format(name="a") + 'kafka_db_changes_topic = "all"\n[kafka]\n"sasl.password" = "${PASSWORD}"\n"linger.ms" = 5\n'
    )
    (deployment / "conf.d" / "defaults.toml").write_text('log_level = "debug"\n')
    done = check(deployment, "--show", PASSWORD="hunter2")
    shown = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[1:]}
    assert shown["mongodb_uri"] == ["mongodb://app:***@h/db", "conf.d/a.toml:1"]
    assert shown["log_level"] == ["debug", "conf.d/defaults.toml:1"]
    assert shown["kafka_topic_insert"] == ["all", "conf.d/a.toml:4"]
    assert shown["kafka_topic_control"] == ["database.control", "built-in"]
    assert shown["batch_size"] == ["2000", "built-in"]
    assert shown["kafka.sasl.password"] == ["***", "conf.d/a.toml:6"]
    assert shown["kafka.linger.ms"] == ["5", "conf.d/a.toml:7"]


def test_no_secret_is_shown_in_any_form(deployment: Path) -> None:
    (deployment / "conf.d" / "a.toml").write_text(GOOD.format(name="a") + '[kafka]\n"sasl.password" = "${PASSWORD}"\n')
    (deployment / "conf.d" / "b.toml").write_text('mongodb_uri = "mongodb://app:hunter2/x@h/db"\nkafka_brokers = "u:hunter2@h:1"\n')
    (deployment / "conf.d" / "c.toml").write_text(GOOD.format(name="c").replace('"mongodb', "mongodb"))
    (deployment / "conf.d" / "d.env").write_text("MONGODB_URI mongodb://app:hunter2@h/db\n")
    for arguments in ((), ("--show",), ("--json",), ("--show", "a")):
        done = check(deployment, *arguments, PASSWORD="hunter2")
        assert "hunter2" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('"linger.msec" = 5', "conf.d/a.toml:5 kafka.linger.msec: librdkafka has no such property"),
        ('"security.protocol" = "SSLL"', "conf.d/a.toml:5 kafka.security.protocol: librdkafka says: Invalid value"),
        ('"ssl.ca.location" = "/nowhere"\n"security.protocol" = "SSL"', "conf.d/a.toml:5 kafka.ssl.ca.location: librdkafka says:"),
    ],
)
def test_librdkafka_is_asked(deployment: Path, line: str, words: str) -> None:
    (deployment / "conf.d" / "a.toml").write_text(GOOD.format(name="a") + f"[kafka]\n{line}\n")
    done = check(deployment)
    assert done.returncode == 78
    assert done.stdout.startswith(words)


def test_json(deployment: Path) -> None:
    (deployment / "conf.d" / "b.toml").write_text(GOOD.format(name="b") + "batch_sise = 5\n")
    done = check(deployment, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 78
    assert (report["version"], report["configDir"]) == (1, str(deployment / "conf.d"))
    assert report["faults"] == [
        {
            "file": str(deployment / "conf.d" / "b.toml"),
            "line": 4,
            "key": "batch_sise",
            "message": "unknown key",
            "hint": "did you mean 'batch_size'?",
        }
    ]
    a, b = report["watchers"]
    assert (a["name"], a["ok"], b) == ("a", True, {"name": "b", "ok": False})
    assert a["settings"]["kafka_brokers"] == {"value": "h:9092", "from": "conf.d/a.toml:2"}


@pytest.mark.parametrize("make", [False, True], ids=["missing", "empty"])
def test_no_watcher_at_all(tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "conf.d").mkdir()
    done = check(tmp_path, "--config", "conf.d")
    assert done.returncode == 78
    assert "`watcherctl init` writes one to start from" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_the_agent_is_checked_and_shown_with_the_rest(deployment: Path) -> None:
    (deployment / "conf.d" / "agent.toml").write_text('token = "hunter2hunter2hunter2"\nport = 9000\n')
    done = check(deployment, "--show")
    shown = done.stdout.partition("agent  ok\n")[2].split("\n")
    assert [line.split() for line in shown[1:4]] == [
        ["host", "127.0.0.1", "built-in"],
        ["port", "9000", "conf.d/agent.toml:2"],
        ["token", "***", "conf.d/agent.toml:1"],
    ]
    assert json.loads(check(deployment, "--json").stdout)["agent"]["settings"]["token"]["value"] == "***"


def test_a_fault_of_the_agent_is_a_fault(deployment: Path) -> None:
    (deployment / "conf.d" / "agent.toml").write_text('host = "0.0.0.0"\n')
    done = check(deployment)
    assert done.returncode == 78
    assert "conf.d/agent.toml:1 host: '0.0.0.0' can be reached from other hosts" in done.stdout
    assert check(deployment, "a").returncode == 0
    assert json.loads(check(deployment, "--json").stdout)["agent"] == {"name": "agent", "ok": False}
