"""The cluster of the tests finds coordinators as Kafka does."""

from __future__ import annotations

import pytest

from tests.support.kafka_cluster import partition_of


@pytest.mark.parametrize(("name", "java_hash"), [("", 0), ("hello", 99_162_322), ("polygenelubricants", -(2**31))])
def test_a_name_has_the_partition_that_java_gives_it(name: str, java_hash: int) -> None:
    assert partition_of(name, 2**31) == java_hash % 2**31
    assert partition_of(name, 50) == java_hash % 2**31 % 50
