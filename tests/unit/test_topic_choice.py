"""Choice between a collection's two possible topics: decided by the topics that exist, and so the same everywhere."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.support.doctoring import as_settings
from watcher.config.topics.name import distinct, folded
from watcher.errors import NameTaken
from watcher.kafka.topics import Topics

PLAIN, APART, OTHER = "x.order.items", "x.order_x2e_items", "x.order_items"
SETTINGS = {"mongodb_uri": "mongodb://h/shop", "kafka_brokers": "127.0.0.1:1", "kafka_client_id": "x"}


class FakeKafka(Topics):
    """Topics without a broker; as Kafka, it refuses a name that differs from another one only in `.` and `_`."""

    def __init__(self, *existing: str, unseen: Collection[str] = ()) -> None:
        super().__init__(as_settings(SETTINGS), lambda _: None)
        self.existing = {*existing}
        self.unseen = {*unseen}
        """Made by others since the last look, or not to be seen by this principal."""

    def ensure(self, names: Collection[str]) -> None:
        for name in names:
            if any(folded(name) == folded(other) and other != name for other in self.existing | self.unseen):
                raise NameTaken(f"{name} collides")
            self.existing.add(name)
            self._known.add(name)

    def config(self, _name: str) -> dict[str, str]:
        return {}

    def _existing(self) -> dict[str, dict[int, object]]:  # type: ignore[override]
        self._known = {*self.existing}
        return {name: {} for name in self.existing}


@pytest.mark.parametrize(
    ("existing", "chosen"),
    [
        ((), PLAIN),
        ((PLAIN,), PLAIN),
        ((OTHER,), APART),
        ((APART,), APART),
        ((OTHER, APART), APART),
        ((PLAIN, APART), APART),
        (("unrelated",), PLAIN),
    ],
)
def test_what_exists_decides(existing: tuple[str, ...], chosen: str) -> None:
    kafka = FakeKafka(*existing)
    assert kafka.ensure_one_of(PLAIN, APART) == chosen
    assert chosen in kafka.existing
    assert FakeKafka(*kafka.existing).ensure_one_of(PLAIN, APART) == chosen


def test_two_workers_at_once() -> None:
    kafka = FakeKafka(unseen=[OTHER])
    assert kafka.ensure_one_of(PLAIN, APART) == APART
    assert PLAIN not in kafka.existing


def test_both_names_are_taken() -> None:
    """As with a collection called `order.x2e_items` beside `order_items`: the third name has a digest, and stays."""
    kafka = FakeKafka(OTHER, "x.order.x2e_items")
    chosen = kafka.ensure_one_of(PLAIN, APART)
    assert chosen == distinct(APART, PLAIN)
    assert FakeKafka(*kafka.existing).ensure_one_of(PLAIN, APART) == chosen


def test_all_names_are_taken() -> None:
    with pytest.raises(NameTaken):
        FakeKafka(OTHER, folded(APART), folded(distinct(APART, PLAIN))).ensure_one_of(PLAIN, APART)


@pytest.mark.parametrize(
    ("config", "partitions", "kept"),
    [
        ({"cleanup.policy": "compact", "segment.bytes": "1073741824"}, 1, True),
        ({"cleanup.policy": "compact"}, 3, False),
        ({"cleanup.policy": "delete"}, 1, False),
        ({}, 1, False),
    ],
)
def test_a_position_topic_that_was_made_by_hand_is_recognised(config: dict[str, str], partitions: int, kept: bool) -> None:
    kafka = FakeKafka("other.position")
    kafka.config = lambda _name: config  # type: ignore[method-assign]
    kafka.partitions = lambda _name: dict.fromkeys(range(partitions))  # type: ignore[method-assign]
    assert (kafka.ensure_one_of("other.position", "apart") == "apart") is kept


@pytest.mark.parametrize("plain", ["x.position", "x_position", "__consumer_offsets", "__transaction.state"])
def test_what_is_for_something_else(plain: str) -> None:
    assert FakeKafka(plain).ensure_one_of(plain, "apart") == "apart"


def test_a_topic_of_the_settings_that_is_still_to_be_made() -> None:
    assert FakeKafka().ensure_one_of("database_control", "apart") == "apart"
    assert FakeKafka().ensure_one_of("database.control", "apart") == "database.control"


def test_a_topic_is_chosen_once_however_many_there_are() -> None:
    """Each choice looks at all topics. With thousands of them it would take longer than all the rest of a message."""
    choices: list[str] = []

    class Counting(FakeKafka):
        def _is_taken(self, name: str) -> bool:
            choices.append(name)
            return super()._is_taken(name)

    kafka = Counting(OTHER)
    assert [kafka.ensure_one_of(PLAIN, APART) for _ in range(3)] == [APART] * 3
    assert choices == [PLAIN]
