"""`watcherctl apply` asks before a running watcher writes in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watcher.cli import run_command_line
from watcher.fleet.changes.config_changes import ConfigChanges
from watcher.fleet.changes.formats import FormatChange
from watcher.fleet.control import Fleet

SHOP = """
mongodb_uri = "mongodb://localhost:27017/shop"
kafka_brokers = "localhost:9092"
kafka_client_id = "shop-watcher"
"""


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bool]:
    """A fleet whose watcher `shop` is to write another envelope; holds `dry_run` of each call."""
    calls: list[bool] = []

    def apply(self: Fleet, *_: Any, dry_run: bool = False) -> ConfigChanges:
        calls.append(dry_run)
        return ConfigChanges((), ("shop",), (), (), formats={"shop": [FormatChange("envelope", "both")]})

    monkeypatch.setattr(Fleet, "apply", apply)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "shop.toml").write_text(SHOP)
    return calls


@pytest.mark.parametrize(
    ("arguments", "code", "calls"),
    [
        ([], 2, [True]),  # nobody to ask
        (["--dry-run"], 0, [True]),
        (["--yes"], 0, [True, False]),
    ],
)
def test_apply_asks(
    arguments: list[str], code: int, calls: list[bool], applied: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["apply", *arguments]) == code
    assert applied == calls
    assert "shop: envelope changes: both\n" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code", "calls"), [(True, 0, [True, False]), (False, 1, [True])])
def test_what_is_answered(answer: bool, code: int, calls: list[bool], applied: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.cli.fleet.control.agreed", lambda: answer)
    assert run_command_line(["apply"]) == code
    assert applied == calls
