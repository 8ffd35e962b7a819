"""Starts of reading, by the group's offsets and what is stored with them. Others commit offsets too, with their own words."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from watcher.consumer import ReadError
from watcher.consumer.delivered import Partition
from watcher.consumer.offsets import starts
from watcher.consumer.offsets.reset import Reset
from watcher.consumer.offsets.starts import NO_ID, Starts

OLD, NEW = "/abc+defghijklmnopqrs/", "Zbc/defghijklmnopqrs+w"
"""Ids of topics, as librdkafka writes them: in the usual base 64, so with slashes."""

ONE, TWO = "5L6g3nShT-eMCtK--X86sw", "eu/lkc:1"
"""Ids of clusters. Whoever formats the disks may choose any text."""

P = ("t", 0)


class Kafka:
    """A cluster with the topic `t`, and the group's offset in it."""

    def __init__(self, topic_id: str, cluster: str | None = ONE) -> None:
        self.topic_id, self.cluster = topic_id, cluster
        self.committed_there = TopicPartition(*P)
        self.fails = False

    def commit(self, offset: int, metadata: str | None) -> None:
        self.committed_there = TopicPartition(*P, offset, metadata) if metadata else TopicPartition(*P, offset)

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert [(each.topic, each.partition) for each in partitions] == [P]
        assert timeout > 0
        return [self.committed_there]

    def describe_topics(self, _: object, *, request_timeout: float) -> dict[str, Future[Any]]:
        assert request_timeout > 0
        return {"t": _answer(SimpleNamespace(topic_id=self.topic_id))}

    def describe_cluster(self, *, request_timeout: float) -> Future[Any]:
        assert request_timeout > 0
        return _answer(KafkaException() if self.fails else SimpleNamespace(cluster_id=self.cluster))


class Member:
    """A member of the group: what it was told at its assignments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reset: Reset = Reset.EARLIEST) -> None:
        self._monkeypatch = monkeypatch
        self.begun: list[tuple[Partition, int]] = []
        self.missing: list[str] = []
        self.starts = Starts(
            {},
            reset=reset,
            begins=lambda partition, offset: self.begun.append((partition, offset)),
            missing=lambda _, reason: self.missing.append(reason),
        )

    def assigned(self, kafka: Kafka) -> int | None:
        """The offset at which it is told to read; None if the group's is right."""
        self._monkeypatch.setattr(starts, "AdminClient", lambda *_, **__: kafka)
        found = self.starts.find(cast(Consumer, kafka), [TopicPartition(*P)])
        return None if found is None else found[0].offset

    def commit(self, kafka: Kafka, offset: int) -> None:
        kafka.commit(offset, self.starts.metadata_of("t"))


def _answer(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)
    return future


@pytest.mark.parametrize("reset", Reset)
@pytest.mark.parametrize(
    "metadata", ["m", "topic-id:", "topic-id:m", f"topic-id:{OLD}", OLD, f"topic-id:{ONE}/{OLD}!", "é\n{}", "/"]
)
def test_what_others_store_with_an_offset_is_not_ours(monkeypatch: pytest.MonkeyPatch, reset: Reset, metadata: str) -> None:
    member, kafka = Member(monkeypatch, reset), Kafka(NEW)
    kafka.commit(5000, metadata)
    assert member.assigned(kafka) is None
    assert (member.begun, member.missing) == ([(P, 5000)], [])


@pytest.mark.parametrize("cluster", [ONE, TWO, "", None])
@pytest.mark.parametrize(("reset", "offset"), [(Reset.EARLIEST, OFFSET_BEGINNING), (Reset.LATEST, OFFSET_END), (Reset.ERROR, None)])
def test_another_process_created_the_topic_again(
    monkeypatch: pytest.MonkeyPatch, cluster: str | None, reset: Reset, offset: int | None
) -> None:
    before, kafka = Member(monkeypatch), Kafka(OLD, cluster)
    before.assigned(kafka)
    before.commit(kafka, 7)
    same = Member(monkeypatch, reset)
    assert same.assigned(kafka) is None
    assert (same.begun, same.missing) == ([(P, 7)], [])
    kafka.topic_id = NEW
    after = Member(monkeypatch, reset)
    if offset is None:
        with pytest.raises(ReadError, match="created again"):
            after.assigned(kafka)
    else:
        assert after.assigned(kafka) == offset
        assert "created again" in after.missing[0]
    assert after.begun == []


def test_offsets_that_were_copied_to_another_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """As MirrorMaker does, with their metadata. It has translated them, so they are right there."""
    member, here, there = Member(monkeypatch), Kafka(OLD, ONE), Kafka(NEW, TWO)
    member.assigned(here)
    member.commit(here, 7)
    there.commit(5, here.committed_there.metadata)
    moved = Member(monkeypatch, Reset.LATEST)
    assert moved.assigned(there) is None
    assert (moved.begun, moved.missing) == ([(P, 5)], [])
    moved.commit(there, 6)
    there.topic_id = OLD[::-1]
    assert Member(monkeypatch, Reset.LATEST).assigned(there) == OFFSET_END


@pytest.mark.parametrize("metadata", [None, "m", f"topic-id:{TWO}/{OLD}"])
@pytest.mark.parametrize("cluster", [ONE, TWO])
def test_a_running_member_knows_what_it_has_read(monkeypatch: pytest.MonkeyPatch, metadata: str | None, cluster: str) -> None:
    """Whatever is stored with the offset, and in another cluster at the same address too."""
    member = Member(monkeypatch)
    member.assigned(Kafka(OLD, ONE))
    again = Kafka(NEW, cluster)
    again.commit(7, metadata)
    assert member.assigned(again) == OFFSET_BEGINNING


def test_a_member_that_cannot_be_told_the_ids_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    member, kafka = Member(monkeypatch), Kafka(NEW)
    kafka.fails = True
    kafka.commit(7, f"topic-id:{ONE}/{OLD}")
    assert member.assigned(kafka) is None
    assert member.starts.metadata_of("t") == ""
    kafka.fails, kafka.topic_id = False, NO_ID
    assert member.assigned(kafka) is None
    assert member.starts.metadata_of("t") == ""
    assert member.begun == [(P, 7)] * 2


def test_a_question_without_an_answer_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another member of the group has noticed that the topic is a new one; this one cannot ask."""
    member, kafka = Member(monkeypatch), Kafka(OLD)
    member.assigned(kafka)
    kafka.commit(7, f"topic-id:{ONE}/{NEW}")
    kafka.fails = True
    assert member.assigned(kafka) is None


def test_what_is_stored_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka takes 4,096 bytes, `offset.metadata.max.bytes`."""
    member = Member(monkeypatch)
    member.assigned(Kafka(OLD))
    assert member.starts.metadata_of("t") == f"topic-id:{ONE}/{OLD}"
