"""Search for the sandbox's programs, and what it says when there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.sandbox import binaries
from watcher.sandbox.binaries import apache_kafka_in, find_apache_kafka, find_mongod, find_noida
from watcher.sandbox.errors import SandboxError


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MONGOD", "KAFKA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda _: None)


@pytest.fixture
def kafka_home(tmp_path: Path) -> Path:
    libs = tmp_path / "kafka" / "libs"
    libs.mkdir(parents=True)
    for jar in ("kafka_2.13-4.2.1.jar", "kafka-clients-4.2.1.jar"):
        (libs / jar).touch()
    return libs.parent


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def test_the_environment_names_mongod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = program(tmp_path / "my-mongod")
    program(tmp_path / "bin" / "mongod")
    monkeypatch.setenv("MONGOD", str(named))

    assert find_mongod() == named


def test_mongod_is_found_on_path(tmp_path: Path) -> None:
    on_path = program(tmp_path / "bin" / "mongod")

    assert find_mongod() == on_path


def test_a_wrong_name_is_not_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "mongod")
    monkeypatch.setenv("MONGOD", str(tmp_path / "nowhere"))

    with pytest.raises(SandboxError, match=r"nowhere \(from \$MONGOD\)"):
        find_mongod()


@pytest.mark.parametrize("find", [find_mongod, find_noida])
def test_a_missing_program_is_hinted_at_with_the_extra(find: object) -> None:
    with pytest.raises(SandboxError, match="not installed") as raised:
        find()  # type: ignore[operator]

    assert "in a checkout, pip install '.[sandbox]'" in raised.value.hint


def test_no_apache_kafka_unless_it_is_named() -> None:
    assert find_apache_kafka() is None


def test_kafka_home_with_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kafka_home: Path) -> None:
    java = program(tmp_path / "bin" / "java")
    monkeypatch.setenv("KAFKA_HOME", str(kafka_home))

    home = find_apache_kafka()

    assert home is not None
    assert (home.java, home.version) == (java, "4.2.1")


def test_kafka_home_without_java(kafka_home: Path) -> None:
    with pytest.raises(SandboxError, match="no java on PATH"):
        apache_kafka_in(kafka_home)


def test_kafka_home_without_jars(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"holds no kafka_2\*\.jar"):
        apache_kafka_in(tmp_path)
