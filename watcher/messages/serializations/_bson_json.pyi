from collections.abc import Callable, Sequence
from typing import Any

class _Template: ...

def template(
    message_type: type[tuple[Any, ...]],
    places: tuple[tuple[int, bytes, int, bool], ...],
    deciding: int,
    about: tuple[int, int, int, int],
    cases: tuple[tuple[str, int, int, tuple[tuple[bytes, int, int], ...]], ...],
    /,
) -> _Template: ...
def fill(
    template: _Template,
    events: Sequence[bytes],
    first: int,
    count: int,
    number: int,
    most: int,
    topic_of: Callable[[str, str, str], tuple[str, int]],
    headers_of: Callable[[str, int, str, int], tuple[Any, int]] | None,
    /,
) -> tuple[list[Any], int, bool]: ...
def avro_record(records: tuple[tuple[bytes, tuple[bytes, ...]], ...], columns: bytes, prefix: bytes, /) -> bytes | None: ...
def avro_frame(
    records: tuple[tuple[bytes, tuple[bytes, ...]], ...],
    messages: list[Any],
    first: int,
    prefixes_of: Callable[[str], tuple[bytes, bytes]],
    /,
) -> int: ...
