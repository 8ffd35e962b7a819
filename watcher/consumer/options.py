"""How a DatabaseChangeConsumer behaves where there is a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """The defaults lose nothing. Raises ValueError for what cannot be."""

    attempts: int | None = 5
    """How often a handler is called with the same message before `on_error`; None: until it succeeds."""

    backoff_ms: int = 500
    """How long to wait before the second attempt; doubles with each further one."""

    longest_backoff_ms: int = 30_000
    """The doubling ends here."""

    on_error: Literal["dead-letter", "stop"] = "dead-letter"
    """When the attempts are used up: put the message into `dead_letter_topic` and go on, or raise HandlerFailed."""

    on_foreign: Literal["dead-letter", "skip", "stop"] = "dead-letter"
    """What to do with what no watcher has written. "skip" where others write to the same topics."""

    dead_letter_topic: str | None = None
    """None: `<group_id>.dead-letter`."""

    ordered: bool = True
    """Whether messages of several topics are put in order by `sequence`."""

    order_wait_ms: int = 2000
    """How long a message waits for earlier ones from a partition that has gone silent."""

    buffer_bytes: int = 64 * MEBIBYTE
    """How much may be held back at once, as JSON; partitions that are ahead are not read meanwhile."""

    redelivery_window: int = 10_000
    """How many of the latest messages of each watcher are remembered, to recognise those that come again."""

    commit_every_ms: int = 1000
    """How often offsets are committed."""

    hang_after_ms: int | None = 120_000
    """When a handler counts as hanging; None: never."""

    on_hang: Literal["report", "exit"] = "report"
    """Log where it hangs, or end the process with exit code 70 as well: Python cannot end a thread."""

    def dead_letters_of(self, group_id: str) -> str:
        """The dead-letter topic of this group."""
        return self.dead_letter_topic or f"{group_id}.dead-letter"

    @property
    def has_dead_letters(self) -> bool:
        """Whether any message can go there."""
        return "dead-letter" in (self.on_error, self.on_foreign)

    def __post_init__(self) -> None:
        self._check("on_error", ("dead-letter", "stop"))
        self._check("on_foreign", ("dead-letter", "skip", "stop"))
        self._check("on_hang", ("report", "exit"))
        for name in ("attempts", "hang_after_ms", "buffer_bytes", "commit_every_ms"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        for name in ("backoff_ms", "longest_backoff_ms", "order_wait_ms", "redelivery_window"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")

    def _check(self, name: str, allowed: tuple[str, ...]) -> None:
        if getattr(self, name) not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
