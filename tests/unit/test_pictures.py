"""The pictures in docs/snapshots.md and docs/high-availability.md are what their texts give."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests import snapshot_picture, takeover_picture


@pytest.mark.parametrize("picture", [snapshot_picture, takeover_picture], ids=lambda picture: picture.FILE.stem)
def test_the_file_is_what_the_text_gives(picture: ModuleType) -> None:
    assert picture.FILE.read_text(encoding="utf-8") == picture.drawn()
