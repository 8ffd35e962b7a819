"""conf.d/agent.toml: every fault at once, and an agent that strangers can reach only with a token."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from watcher.config import load
from watcher.config.agent_settings import AGENT_KEYS, AgentSettings, LoadedAgent, load_agent

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "configuration.md"
STARTER = ROOT / "watcher" / "starter" / "conf.d" / "agent.toml"
TOKEN = "0123456789abcdef"


def loaded(conf_dir: Path, text: str, **environment: str) -> LoadedAgent:
    (conf_dir / "agent.toml").write_text(text)
    return load_agent(conf_dir, environment)


def faults(conf_dir: Path, text: str) -> list[str]:
    found = loaded(conf_dir, text)
    assert found.settings is None
    return [str(fault).removeprefix(f"{conf_dir}/") for fault in found.faults]


def test_without_a_file_it_is_on_for_this_host_alone(tmp_path: Path) -> None:
    settings = load_agent(tmp_path).settings
    assert settings == AgentSettings()
    assert settings.enabled
    assert settings.is_loopback
    assert settings.token is None
    assert settings.restart_hung_after_seconds == 0


def test_the_file_is_no_watcher(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("enabled = false\n")
    (tmp_path / "a.toml").write_text("")
    assert load(tmp_path, {}).names == ("a",)
    assert load(tmp_path, {}).general == ()


def test_an_env_file_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "agent.env").write_text("")
    assert "agent.toml" in load(tmp_path, {}).general[0].hint


def test_values_and_where_they_are_from(tmp_path: Path) -> None:
    found = loaded(tmp_path, 'port = 9000\ntoken = "${TOKEN}"\nrestart_hung_after_seconds = 60\nenabled = "false"\n', TOKEN=TOKEN)
    assert found.settings
    assert found.settings.token
    assert found.settings.token.get_secret_value() == TOKEN
    assert (found.settings.port, found.settings.restart_hung_after_seconds, found.settings.enabled) == (9000, 60, False)
    shown = {key: (value, str(origin)) for key, value, origin in found.values_in_force()}
    assert shown["token"] == ("***", f"{tmp_path}/agent.toml:2")
    assert shown["host"] == ("127.0.0.1", "built-in")


def test_token_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{TOKEN}\n")
    settings = loaded(tmp_path, 'token_file = "secret"\nhost = "0.0.0.0"\n').settings
    assert settings
    assert settings.token
    assert settings.token.get_secret_value() == TOKEN


def test_all_faults_at_once_with_file_line_and_suggestion(tmp_path: Path) -> None:
    text = 'enabled = "perhaps"\nhots = "x"\nport = 70000\ntoken = "short"\nrestart_hung_after_seconds = 5\n'
    assert faults(tmp_path, text) == [
        "agent.toml:1 enabled: must be true or false",
        "agent.toml:2 hots: unknown key (did you mean 'host'?)",
        "agent.toml:3 port: must be at most 65535, not 70000",
        "agent.toml:4 token: must be 16 or more printable ASCII characters without a space (`openssl rand -hex 16` makes one)",
        "agent.toml:5 restart_hung_after_seconds: must be 0, which is off, or at least 30",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_off_the_loopback_only_with_a_token(host: str, tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, f'host = "{host}"\n')
    assert fault.startswith(f"agent.toml:1 host: '{host}' can be reached from other hosts, and there is no token")
    assert loaded(tmp_path, f'host = "{host}"\ntoken = "{TOKEN}"\n').settings


def test_off_the_loopback_nobody_reads_without_it(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, f'host = "0.0.0.0"\ntoken = "{TOKEN}"\nread_without_token = true\n')
    assert fault.startswith("agent.toml:3 read_without_token: '0.0.0.0' can be reached from other hosts")
    assert loaded(tmp_path, f'token = "{TOKEN}"\nread_without_token = true\n').settings


def test_who_may_read_without_the_token() -> None:
    assert AgentSettings().reading_is_open
    assert not AgentSettings(token=TOKEN).reading_is_open
    assert AgentSettings(token=TOKEN, read_without_token=True).reading_is_open
    assert not AgentSettings(host="::", token=TOKEN).reading_is_open


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_the_loopback_without_one(host: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, f'host = "{host}"\n').settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('host = "0.0.0.0"\ntoken_file = "none"\n', "cannot read none"),
        ('host = "0.0.0.0"\ntokne = "x"\n', "did you mean 'token'?"),
        ('host = "0.0.0.0"\ntoken = "${NO}"\n', "NO is not set"),
        ('token = "0123456789abcdef"\ntoken_file = "none"\n', "is set beside token"),
        ("host = ''\n", "name or address"),
        ("port = 'x'\n", "whole number"),
        ("port =\n", "not valid TOML"),
    ],
)
def test_one_mistake_is_one_fault(text: str, words: str, tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, text)
    assert words in fault


def test_no_fault_tells_the_token(tmp_path: Path) -> None:
    assert "hunter2" not in "".join(faults(tmp_path, 'token = "hunter2"\n'))


def test_keys() -> None:
    reading = ("token", "token_file", "read_without_token")
    wanted = ("enabled", "host", "port", *reading, "restart_hung_after_seconds", "group")
    assert wanted == AGENT_KEYS


def test_the_documentation_lists_every_key_with_its_default() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("\n## The agent\n")[2].partition("\n## ")[0]
    defaults = dict(re.findall(r"^\| `(\w+)` \|(?: `(.*?)`)? \|", section, re.MULTILINE))
    built_in = asdict(AgentSettings())
    assert list(defaults) == list(AGENT_KEYS)
    for key, shown in defaults.items():
        value = built_in.get(key)
        assert shown == ("" if value is None else str(value).lower())


def test_the_starter_file_sets_nothing_and_names_every_key() -> None:
    text = STARTER.read_text(encoding="utf-8")
    assert load_agent(STARTER.parent) == LoadedAgent(AgentSettings())
    assert tuple(re.findall(r"^# (\w+) = ", text, re.MULTILINE)) == AGENT_KEYS
