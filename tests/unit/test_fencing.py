"""A worker whose write was refused looks whose name stands in the position topic."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.test_ownership import ANOTHER, CLAIM, DONE, OURS, REWIND, claimed, ownership
from watcher.errors import NotOwner, Outage, PositionLost, TakenOver, WatcherError
from watcher.kafka import fencing as module
from watcher.kafka.fencing import FENCED, check_writer
from watcher.kafka.ownership import Ownership
from watcher.kafka.position import Saved, Stamp

FENCED_BY_SOMEBODY = Outage("fenced", component="kafka", code="_FENCED")


class Reader:
    """Finds each of these in turn, and the last one from then on."""

    def __init__(self, *found: Stamp | WatcherError | None) -> None:
        self._found: Sequence[Stamp | WatcherError | None] = found
        self.looks = 0

    def read_so_far(self) -> Saved:
        found = self._found[min(self.looks, len(self._found) - 1)]
        self.looks += 1
        if isinstance(found, WatcherError):
            raise found
        return Saved(stamp=found)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    monkeypatch.setattr(module.time, "sleep", sleep)


def check(reader: Reader, worker: Ownership | None = None, error: Outage = FENCED_BY_SOMEBODY) -> None:
    check_writer(error, worker or claimed(), reader)  # type: ignore[arg-type]  # stand-ins


@pytest.mark.parametrize(
    ("stamp", "error"), [(CLAIM, TakenOver), (DONE, TakenOver), (Stamp(ANOTHER), NotOwner)], ids=["claim", "position", "worker"]
)
def test_the_claim_may_follow_in_a_moment(stamp: Stamp, error: type[WatcherError]) -> None:
    with pytest.raises(error):
        check(Reader(Stamp(OURS), Stamp(OURS), stamp))


def test_if_nobody_comes_it_was_a_time_out() -> None:
    reader = Reader(Stamp(OURS))
    check(reader)
    assert reader.looks == pytest.approx(10, abs=1)


@pytest.mark.parametrize("trouble", [Outage("away", component="kafka"), PositionLost("garbage"), None])
def test_what_cannot_be_read_is_left_to_the_opening(trouble: WatcherError | None) -> None:
    reader = Reader(trouble)
    check(reader)
    assert reader.looks == 1


def test_a_command_is_found_before_our_first_claim_too() -> None:
    worker = ownership()
    worker.before_claim(Saved(stamp=Stamp(ANOTHER)), 0.0)
    with pytest.raises(TakenOver):
        check(Reader(Stamp(ANOTHER), CLAIM), worker)


def test_nothing_is_read_after_other_errors_or_by_a_command() -> None:
    reader = Reader(CLAIM)
    check(reader, error=Outage("away", component="kafka", code="_TRANSPORT"))
    check(reader, worker=ownership(command=REWIND))
    assert reader.looks == 0
    assert "_TRANSPORT" not in FENCED
