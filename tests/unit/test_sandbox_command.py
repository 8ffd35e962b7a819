"""`watcherctl sandbox` before it starts anything."""

from __future__ import annotations

import pytest

from watcher.cli import run_command_line


@pytest.mark.parametrize("options", [["--mongodb-port", "9092"], ["--mongodb-port", "4000", "--kafka-port", "4000"]])
def test_two_servers_cannot_have_one_port(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["sandbox", *options]) == 2
    port = options[-1]
    assert f"MongoDB and Kafka cannot both have port {port}: choose another --mongodb-port or" in capsys.readouterr().err
