"""The demo's conf.d is the project's own, with the sandbox's addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.cli.demo.run import WATCHERS, filled_in, write_conf_dir
from watcher.config import load
from watcher.sandbox.sandbox import Sandbox


def test_it_loads_and_points_to_the_sandbox(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    write_conf_dir(tmp_path / "conf.d", sandbox)
    loaded = load(tmp_path / "conf.d")
    assert loaded.faults == ()
    assert set(loaded.watchers) == set(WATCHERS)
    for name, settings in loaded.watchers.items():
        assert settings.mongodb_uri.get_secret_value() == sandbox.mongodb_uri(name)
        assert settings.snapshot_mode == "initial"
        assert settings.kafka_brokers == sandbox.kafka_brokers


def test_everything_else_stays() -> None:
    text = filled_in("dashboard", {"mongodb_uri": "mongodb://h/x"})
    assert 'mongodb_uri = "mongodb://h/x"' in text
    assert "localhost" not in text
    assert 'kafka_client_id = "dashboard-watcher"' in text


def test_a_template_without_the_key_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="sets nonsense 0 times"):
        filled_in("dashboard", {"nonsense": "x"})
