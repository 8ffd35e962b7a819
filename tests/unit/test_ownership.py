"""Who owns a watcher, and from where its owner goes on."""

from __future__ import annotations

import pytest

from tests.support.doctoring import as_settings
from watcher.errors import ConfigurationError, NotOwner, PositionLost
from watcher.kafka.ownership import NEW_COUNT, Ownership
from watcher.kafka.position import Saved
from watcher.model import Delivered, Owner, Position

SETTINGS = as_settings(
    {"mongodb_uri": "mongodb://127.0.0.1/dashboard", "kafka_brokers": "127.0.0.1:9092", "kafka_client_id": "dashboard-watcher"}
)
OURS, ANOTHER = Owner("ours", "here", 1), Owner("another", "there", 2)
TOKEN = {"_data": "8265"}


def ownership(delivered: Delivered | None = None) -> Ownership:
    return Ownership(SETTINGS, OURS, delivered or Delivered())


def test_only_after_our_claim_is_there_a_name_to_check() -> None:
    worker = ownership()
    assert not worker.is_to_be_checked
    worker.claimed()
    assert worker.is_to_be_checked
    worker.check(Saved(owner=OURS))
    with pytest.raises(NotOwner, match="process 2 on there"):
        worker.check(Saved(owner=ANOTHER))
    with pytest.raises(PositionLost):
        worker.check(Saved())


def test_a_position_goes_on_in_our_name() -> None:
    saved = Saved(Position("dashboard", ANOTHER, TOKEN, 7), ANOTHER)
    assert ownership().position(saved) == Position("dashboard", OURS, TOKEN, 7)


def test_a_first_start_has_none() -> None:
    assert ownership().position(Saved()) == Position("dashboard", OURS)


@pytest.mark.parametrize(("delivered", "emptied"), [(Delivered(any=True), False), (Delivered(), True)])
def test_one_that_must_be_there_is_lost(delivered: Delivered, emptied: bool) -> None:
    with pytest.raises(PositionLost):
        ownership(delivered).position(Saved(emptied=emptied))


def test_another_databases_position_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="belongs to database other"):
        ownership().position(Saved(Position("other", OURS, TOKEN)))


def test_a_lost_one_counts_on_from_a_number_that_was_never_used() -> None:
    worker = ownership(Delivered(any=True, sequence=3))
    worker.delivered(NEW_COUNT - 1)
    assert worker.position_anew() == Position("dashboard", OURS, None, 2 * NEW_COUNT)
