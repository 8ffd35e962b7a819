from typing import Any

class _Template: ...

def template(
    places: tuple[tuple[int, bytes, int, bool], ...],
    returned: tuple[int, ...],
    deciding: int,
    cases: tuple[tuple[str, tuple[tuple[bytes, int], ...]], ...],
    /,
) -> _Template: ...
def fill(template: _Template, event: bytes, number: int, /) -> tuple[Any, ...] | None: ...
