"""librdkafka's auto.offset.reset: the place to read from if the group has no offset, or one that Kafka no longer has."""

from __future__ import annotations

from enum import Enum
from typing import Self


class Reset(Enum):
    """The three settings. The values are librdkafka's names for each, from its CONFIGURATION.md."""

    EARLIEST = ("earliest", "smallest", "beginning")
    LATEST = ("latest", "largest", "end")
    ERROR = ("error",)

    @classmethod
    def of(cls, name: object) -> Self:
        """Return the setting of this name, whatever its case. Raises ValueError."""
        for each in cls:
            if str(name).lower() in each.value:
                return each
        names = ", ".join(name for each in cls for name in each.value)
        raise ValueError(f"auto.offset.reset must be one of {names}, not {name!r}")
