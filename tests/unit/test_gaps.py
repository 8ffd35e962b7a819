"""One gap an hour is a misfortune, a second one a fault."""

from __future__ import annotations

import pytest

from watcher.log import iso
from watcher.stream import gaps as module
from watcher.stream.gaps import GAP_SECONDS, Gaps

NOW = 1_700_000_000.0


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "time", lambda: NOW)


@pytest.mark.parametrize(
    ("last_at", "allowed"),
    [
        pytest.param(None, True, id="never"),
        pytest.param(iso(NOW - 1), False, id="a second ago"),
        pytest.param(iso(NOW - GAP_SECONDS + 1), False, id="not quite an hour ago"),
        pytest.param(iso(NOW - GAP_SECONDS), True, id="an hour ago"),
        pytest.param(iso(NOW + 10_000), True, id="in the future, by a clock that was wrong"),
        pytest.param("yesterday", True, id="not a time"),
        pytest.param(7, True, id="not even text"),
    ],
)
def test_when_another_gap_is_allowed(last_at: str | None, allowed: bool) -> None:
    assert Gaps(last_at).allowed == allowed


@pytest.mark.parametrize("known", [None, "yesterday", iso(NOW - 10)])
def test_the_later_of_two_gaps_counts(known: str | None) -> None:
    for first, second in ((known, iso(NOW - 1)), (iso(NOW - 1), known)):
        gaps = Gaps(first)
        gaps.learn(second)
        assert (gaps.last_at, gaps.allowed, gaps.total) == (iso(NOW - 1), False, 0)


def test_counting() -> None:
    gaps = Gaps(None)
    gaps.count(0)
    assert (gaps.total, gaps.last_at, gaps.allowed) == (0, None, True)
    gaps.count(1)
    assert (gaps.total, gaps.last_at, gaps.allowed) == (1, iso(NOW), False)
