"""A deployment whose files are generated; a module of tests with it names this one in `pytest_plugins`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.generating import FILES, VARIABLES
from watcher.config import Deployment


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Three watchers whose settings hold secrets in every way; the current directory is beside their conf.d."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    base = tmp_path / "base"
    conf_dir = base / "conf.d"
    conf_dir.mkdir(parents=True)
    for name, text in FILES.items():
        (conf_dir / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(base)
    return Deployment.locate(conf_dir)
