"""`watcherctl sandbox` before it starts anything."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from watcher.cli import run_command_line
from watcher.cli.demo.sandbox import _run


@pytest.mark.parametrize("options", [["--mongodb-port", "9092"], ["--mongodb-port", "4000", "--kafka-port", "4000"]])
def test_two_servers_cannot_have_one_port(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["sandbox", *options]) == 2
    port = options[-1]
    assert f"MongoDB and Kafka cannot both have port {port}: choose another --mongodb-port or" in capsys.readouterr().err


class Running:
    """Servers that are said to run."""

    def __init__(self, mongodb_port: int, kafka_port: int) -> None:
        self.mongodb = SimpleNamespace(nodes=[SimpleNamespace(port=mongodb_port, running=True)])
        self.kafka = SimpleNamespace(port=kafka_port, running=True, limits="")
        self.kafka_brokers = f"127.0.0.1:{kafka_port}"

    def mongodb_uri(self, name: str) -> str:
        return f"mongodb://127.0.0.1/{name}"


@pytest.mark.parametrize(("kafka_port", "is_usual"), [(9092, True), (9093, False)])
def test_who_has_the_usual_conf_d_need_not_change_it(
    kafka_port: int, is_usual: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("watcher.cli.demo.servers.start_servers", lambda *_: None)
    interruption = SimpleNamespace(arrived=True, ends_block=nullcontext, check=lambda: None)
    _run(Running(27017, kafka_port), interruption)  # type: ignore[arg-type]  # stand-ins
    assert ("conf.d of watcherctl init looks there already" in capsys.readouterr().err) is is_usual
