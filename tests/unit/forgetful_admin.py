"""An admin client of brokers that have not heard yet of a topic or of a leader."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

OFFSET = 7
TIMESTAMP_MS = 7_000


class ForgetfulAdmin:
    """Answers with the codes in `failures` one after the other, and knows every partition after that."""

    failures: Iterator[int] = iter(())

    def __init__(self, _: dict[str, Any]) -> None: ...

    def list_offsets(self, request: dict[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        """As AdminClient's; each partition has OFFSET and TIMESTAMP_MS."""
        future = Future[Any]()
        if (code := next(self.failures, None)) is None:
            future.set_result(SimpleNamespace(offset=OFFSET, timestamp=TIMESTAMP_MS))
        else:
            future.set_exception(KafkaException(KafkaError(code)))
        return dict.fromkeys(request, future)
