"""The picture of the architecture shows the directories that there are."""

from __future__ import annotations

from pathlib import Path

from tests.architecture_picture import BOXES, FILE, drawn

PACKAGE = Path(__file__).parents[2] / "watcher"


def test_the_file_is_what_the_text_gives() -> None:
    assert FILE.read_text(encoding="utf-8") == drawn()


def test_its_directories_exist() -> None:
    named = [word for box in BOXES for word in (box.name, *box.lines) if word.endswith("/") and word != "conf.d/"]
    assert named
    assert [name for name in named if not (PACKAGE / name).is_dir()] == []
