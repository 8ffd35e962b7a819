"""The shell's completion of what stands in servers and files."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from tests.support.status_reports import written
from watcher.cli import watcherctl
from watcher.config import Settings

CONF = """
mongodb_uri = "mongodb://127.0.0.1:1/{name}"
kafka_brokers = "127.0.0.1:1"
kafka_client_id = "{name}-watcher"
"""


@pytest.fixture(autouse=True)
def conf_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The watchers `shop` and `books`, of which one names its collections, and whose MongoDB does not answer."""
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "conf.d"
    directory.mkdir()
    for name in ("shop", "books"):
        (directory / f"{name}.toml").write_text(CONF.format(name=name))
    with (directory / "shop.toml").open("a") as file:
        file.write('watch_collections = ["orders", "users", "audit_*"]\n')
    return directory


def completed(*words: str, incomplete: str = "") -> list[str]:
    return [item.value for item in BashComplete(watcherctl, {}, "watcherctl", "_X").get_completions(list(words), incomplete)]


@pytest.mark.parametrize("command", [["tail"], ["verify"], ["snapshot", "start"], ["transform", "test"]])
def test_collections_that_the_settings_name(command: list[str]) -> None:
    began = time.monotonic()
    assert completed(*command, "shop", "--collection") == ["orders", "users"]
    assert completed(*command, "shop", "--collection", incomplete="us") == ["users"]
    assert time.monotonic() - began < 10


def test_collections_that_mongodb_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    def names_within(_seconds: float, watchers: list[Settings]) -> set[str]:
        return {f"of_{settings.name}" for settings in watchers}

    monkeypatch.setattr("watcher.mongodb.databases.names_within", names_within)
    assert completed("tail", "books", "--collection") == ["of_books"]
    assert completed("tail", "*o*", "--collection") == ["of_books", "of_shop", "orders", "users"]


def test_databases_that_the_worker_tells(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    names = [{"name": name} for name in ("tenant_2", "tenant_1", "other")]
    (tmp_path / "run" / "books.json").write_bytes(written(databases=names).content())
    assert completed("tail", "books", "--database", incomplete="ten") == ["tenant_1", "tenant_2"]


def test_names_after_a_name() -> None:
    assert completed("tail", "shop", incomplete="b") == ["books"]
