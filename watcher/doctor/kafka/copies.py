"""Checks the number of a topic's copies, and that they are in sync."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka.admin import TopicMetadata

from watcher.doctor.check import Finding, failed, ok, warning


def judge_copies(found: Mapping[str, TopicMetadata], broker_count: int, least: Mapping[str, int]) -> Finding:
    """Judge the copies of topics. `least` is the number of in-sync copies that each topic needs to accept a write
    (min.insync.replicas).
    """
    down = [name for name, topic in found.items() if any(p.leader < 0 for p in topic.partitions.values())]
    if down:
        return failed(f"{', '.join(down)}: a partition has no leader", "bring back the brokers that hold it")
    short = [name for name in found if _in_step(found[name]) < least.get(name, 1)]
    if short:
        name = short[0]
        text = f"{', '.join(short)}: {_in_step(found[name])} in step, and min.insync.replicas is {least[name]}: no write is taken"
        return failed(text, "bring back the brokers that hold the others, or lower min.insync.replicas")
    lagging = [name for name, topic in found.items() if any(len(p.isrs) < len(p.replicas) for p in topic.partitions.values())]
    if lagging:
        return warning(f"{', '.join(lagging)}: some copies are not in step", "bring back the brokers that hold them")
    single = [name for name in found if _copies(found[name]) == 1]
    if single and broker_count > 1:
        fix = "topic_replication_factor = 3, before the topics are created; later kafka-reassign-partitions.sh"
        return warning(f"{', '.join(single)}: only one copy, and {broker_count} brokers", fix)
    copies = min(map(_copies, found.values()))
    return ok("one copy, on the only broker" if copies == 1 else f"{copies} copies, all in step")


def _in_step(topic: TopicMetadata) -> int:
    return min(len(partition.isrs) for partition in topic.partitions.values())


def _copies(topic: TopicMetadata) -> int:
    return min(len(partition.replicas) for partition in topic.partitions.values())
