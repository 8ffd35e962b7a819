"""doctor's checks of conf.d."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.doctoring import check_fix, look
from watcher.config import Deployment, load
from watcher.config.agent_settings import load_agent
from watcher.doctor.check import Finding, Outcome
from watcher.doctor.configuration import CHECKS, Here

GOOD = 'mongodb_uri = "mongodb://h/db"\nkafka_brokers = "h:9092"\nkafka_client_id = "{name}"\n'
LOGIN = GOOD.replace("//h", "//app:hunter2@h")


@pytest.fixture
def conf_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf.d").mkdir()
    return tmp_path / "conf.d"


def examined(conf_dir: Path, *names: str, environment: Mapping[str, str] | None = None) -> dict[str, Finding]:
    loaded = load(conf_dir, environment, ask_drivers=True)
    here = Here(Deployment.locate(conf_dir), loaded, names or loaded.names, None if names else load_agent(conf_dir, environment))
    return look(CHECKS, here)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.write_text(text)
    path.chmod(mode)


def test_nothing_is_there(conf_dir: Path) -> None:
    conf_dir.rmdir()
    found = examined(conf_dir)
    check_fix(found["configuration.faults"], Outcome.FAILED, "conf.d: cannot be read", "`watcherctl init`")
    assert found["configuration.secrets"].outcome is Outcome.NOT_CHECKED


def test_all_is_well(conf_dir: Path) -> None:
    write(conf_dir / "a.toml", GOOD.format(name="a"))
    found = examined(conf_dir)
    assert {finding.outcome for finding in found.values()} == {Outcome.OK}
    assert found["configuration.faults"].text == "1 watcher in conf.d, without a fault"


def test_a_database_that_two_watchers_watch(conf_dir: Path) -> None:
    write(conf_dir / "a.toml", GOOD.format(name="a"))
    all_of_it = GOOD.replace("//h/db", "//h/").format(name="several") + 'watch_databases = ["d*"]\n'
    write(conf_dir / "several.toml", all_of_it)
    text = "a: several watches its database db too, so both send its changes"
    check_fix(examined(conf_dir)["configuration.scopes"], Outcome.WARNING, text, 'in several: exclude_databases = ["db"]')
    check_fix(examined(conf_dir, "several")["configuration.scopes"], Outcome.WARNING, text)
    for other in ('exclude_databases = ["db"]', 'exclude_collections = ["db.*"]'):
        write(conf_dir / "several.toml", f"{all_of_it}{other}\n")
        assert examined(conf_dir)["configuration.scopes"].outcome is Outcome.OK
    write(conf_dir / "several.toml", all_of_it.replace("//h/", "//elsewhere/"))
    assert examined(conf_dir)["configuration.scopes"].outcome is Outcome.OK


def test_every_fault_is_shown_with_its_line(conf_dir: Path) -> None:
    write(conf_dir / "a.toml", GOOD.format(name="a") + 'batch_sise = 5\nlog_level = "loud"\n')
    check_fix(examined(conf_dir)["configuration.faults"], Outcome.FAILED, "a.toml:4 batch_sise", "a.toml:5", "`watcherctl check`")


def test_librdkafka_is_asked(conf_dir: Path) -> None:
    write(conf_dir / "a.toml", GOOD.format(name="a") + '[kafka]\n"linger.msec" = 5\n')
    check_fix(examined(conf_dir)["configuration.faults"], Outcome.FAILED, "a.toml:5 kafka.linger.msec", "'linger.ms'")


def test_two_watchers_with_one_client_id(conf_dir: Path) -> None:
    for name in ("a", "b", "c"):
        write(conf_dir / f"{name}.toml", GOOD.format(name="same" if name < "c" else name))
    check_fix(examined(conf_dir)["configuration.client-ids"], Outcome.FAILED, "'same' is used by a and b", 'kafka_client_id = "b-')
    assert examined(conf_dir, "c")["configuration.client-ids"].outcome is Outcome.OK


@pytest.mark.parametrize(
    "secret", [LOGIN.format(name="a"), GOOD.format(name="a") + '[kafka]\n"sasl.password" = "hunter2"\n'], ids=["uri", "kafka"]
)
def test_secrets_that_all_can_read(secret: str, conf_dir: Path) -> None:
    path = conf_dir / "a.toml"
    write(path, secret)
    check_fix(
        examined(conf_dir)["configuration.secrets"], Outcome.WARNING, "conf.d/a.toml holds a secret", "chmod o= conf.d/a.toml"
    )
    path.chmod(0o640)
    assert examined(conf_dir)["configuration.secrets"].outcome is Outcome.OK


def test_secrets_in_other_files(conf_dir: Path, tmp_path: Path) -> None:
    write(tmp_path / "uri", "mongodb://app:hunter2@h/db\n")
    write(tmp_path / "key.pem", "")
    text = GOOD.format(name="a").replace('mongodb_uri = "mongodb://h/db"', 'mongodb_uri_file = "../uri"')
    write(conf_dir / "a.toml", text + f'[kafka]\n"ssl.key.location" = "{tmp_path / "key.pem"}"\n', 0o600)
    loaded = load(conf_dir)  # librdkafka would refuse the empty key
    found = look(CHECKS, Here(Deployment.locate(conf_dir), loaded, loaded.names))["configuration.secrets"]
    check_fix(found, Outcome.WARNING, "hold secrets", "key.pem", "uri")
    assert "a.toml" not in found.text


def test_a_variable_is_no_secret(conf_dir: Path) -> None:
    write(conf_dir / "a.toml", GOOD.format(name="a").replace("//h", "//app:${PASSWORD}@h"))
    found = examined(conf_dir, environment={"PASSWORD": "hunter2"})
    assert found["configuration.secrets"].text == "no file holds one"


def test_the_agents_settings_count_with_the_whole(conf_dir: Path) -> None:
    write(conf_dir / "a.toml", GOOD.format(name="a"))
    write(conf_dir / "agent.toml", 'token = "hunter2-hunter2-hunter2"\n')
    check_fix(examined(conf_dir)["configuration.secrets"], Outcome.WARNING, "conf.d/agent.toml", "chmod o=")
    write(conf_dir / "agent.toml", "prot = 1\n")
    check_fix(examined(conf_dir)["configuration.faults"], Outcome.FAILED, "agent.toml:1 prot", "did you mean 'port'?")
    assert examined(conf_dir, "a")["configuration.faults"].outcome is Outcome.OK
