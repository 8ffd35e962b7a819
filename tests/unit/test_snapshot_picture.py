"""The picture in docs/snapshots.md is what its text gives."""

from __future__ import annotations

from tests.snapshot_picture import FILE, drawn


def test_the_file_is_what_the_text_gives() -> None:
    assert FILE.read_text(encoding="utf-8") == drawn()
