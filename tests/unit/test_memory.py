"""Memory that is free goes back to the operating system when a worker rests."""

from __future__ import annotations

from watcher.worker.memory import Rest


def trims(looks: str) -> list[int]:
    """After how many of the looks, each of which finds one letter done, memory is given back."""
    seen: list[str] = []
    trimmed: list[int] = []
    rest = Rest(lambda: trimmed.append(len(seen)))
    for done in looks:
        seen.append(done)
        rest.look(done)
    return trimmed


def test_not_while_it_works() -> None:
    assert trims("abcdef") == []


def test_once_when_it_rests() -> None:
    assert trims("abbbbb") == [3]


def test_again_after_more_work() -> None:
    assert trims("aabbccc") == [2, 4, 6]
