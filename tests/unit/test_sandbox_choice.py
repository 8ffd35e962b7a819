"""Choice of the tests' broker: a missing Apache Kafka never goes unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import apache_kafka
from tests.support.apache_kafka import choose_broker, obtain
from watcher.sandbox import kafka
from watcher.sandbox.binaries import KafkaHome
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.kafka import ApacheKafka, NoidaBroker

# Copies two jars by name, as mvn would, to the directory it is told.
MVN = """#!/bin/sh
for argument; do case $argument in -DoutputDirectory=*) libs=${argument#*=};; esac; done
/bin/mkdir -p "$libs" && : > "$libs/kafka_2.13-4.2.1.jar" && : > "$libs/kafka-clients-4.2.1.jar"
"""


@pytest.fixture(autouse=True)
def bin_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing on it, and an empty cache."""
    for name in ("KAFKA_HOME", "JAVA_HOME", "REQUIRE_APACHE_KAFKA"):
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(apache_kafka, "ROOT", tmp_path)
    return directory


def install(directory: Path, name: str, script: str = "#!/bin/sh\n") -> None:
    program = directory / name
    program.write_text(script)
    program.chmod(0o755)


def test_without_maven_noida_stands_in_and_the_remark_says_why(tmp_path: Path) -> None:
    broker, remark = choose_broker(tmp_path)

    assert isinstance(broker, NoidaBroker)
    assert remark == " (Apache Kafka: mvn not found)"


def test_a_required_apache_kafka_is_never_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REQUIRE_APACHE_KAFKA", "1")

    with pytest.raises(SandboxError, match="mvn not found"):
        choose_broker(tmp_path)


def test_the_jars_are_obtained_once(bin_directory: Path, tmp_path: Path) -> None:
    install(bin_directory, "java")
    install(bin_directory, "mvn", MVN)
    assert obtain().libs == tmp_path / ".cache" / "kafka-4.2.1" / "libs"

    install(bin_directory, "mvn", "#!/bin/sh\nexit 1\n")
    broker, remark = choose_broker(tmp_path)

    assert isinstance(broker, ApacheKafka)
    assert (broker.description, remark) == ("Apache Kafka 4.2.1 (KRaft)", "")


def test_classes_that_are_kept_are_used(bin_directory: Path, tmp_path: Path) -> None:
    install(bin_directory, "java")
    install(bin_directory, "mvn", MVN)
    home = obtain()
    option = f"-XX:SharedArchiveFile={home.libs.parent / 'classes.jsa'}"
    assert option not in ApacheKafka(tmp_path, home=home).command()

    (home.libs.parent / "classes.jsa").touch()

    assert option in ApacheKafka(tmp_path, home=obtain()).command()


def test_half_a_download_is_not_taken_for_a_whole_one(bin_directory: Path, tmp_path: Path) -> None:
    install(bin_directory, "java")
    install(bin_directory, "mvn", MVN + "echo no route to the repository; exit 1\n")

    with pytest.raises(SandboxError, match="could not get the jars") as raised:
        obtain()

    assert "no route" in raised.value.hint
    assert not (tmp_path / ".cache" / "kafka-4.2.1").exists()


@pytest.mark.parametrize("java", [True, False], ids=["apache", "noida"])
def test_a_port_can_be_asked_for(java: bool, bin_directory: Path, tmp_path: Path) -> None:
    if java:
        install(bin_directory, "java")
        install(bin_directory, "mvn", MVN)

    assert choose_broker(tmp_path, 9092)[0].port == 9092


def test_storage_that_is_not_formatted_in_time(bin_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(bin_directory, "java", "#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(kafka, "FORMAT_TIMEOUT_S", 0.1)
    with pytest.raises(SandboxError, match="could not be formatted within") as caught:
        ApacheKafka(tmp_path, home=KafkaHome(bin_directory / "java", tmp_path)).start()
    assert "too busy" in caught.value.hint
