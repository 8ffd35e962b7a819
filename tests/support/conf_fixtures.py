"""A conf.d that a test writes; a module of tests with it names this one in `pytest_plugins`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.conf_files import Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes files into a conf.d below the working directory; its path."""
    monkeypatch.chdir(tmp_path)
    conf_dir = tmp_path / "conf.d"
    conf_dir.mkdir()

    def write_files(**files: str) -> Path:
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (conf_dir / f"{stem}.{suffix}").write_text(text)
        return conf_dir

    return write_files
