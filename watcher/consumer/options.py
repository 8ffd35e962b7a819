"""Options of a DatabaseChangeConsumer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from watcher.decoding.places import USUAL_TEMPLATE, TopicPlaces

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """Options of a consumer. With the defaults no message is lost. Raises ValueError for an impossible value."""

    attempts: int | None = 5
    """Attempts for the same message before `on_error` applies. None: until the handler succeeds."""

    backoff_ms: int = 500
    """Wait before the second attempt, in milliseconds. It doubles with each further one."""

    longest_backoff_ms: int = 30_000
    """Longest wait between two attempts, in milliseconds."""

    on_error: Literal["dead-letter", "stop"] = "dead-letter"
    """Action when the attempts are used up: put the message into `dead_letter_topic` and go on, or raise HandlerFailed."""

    on_foreign: Literal["dead-letter", "skip", "stop"] = "dead-letter"
    """Action for a record that no watcher has written. Use "skip" if others write to the same topics."""

    dead_letter_topic: str | None = None
    """The dead-letter topic. None: `<group_id>.dead-letter`."""

    topic_template: str = USUAL_TEMPLATE
    """Form of the topics' names, as in the watcher's settings. Nothing else says where a document of the envelope `document` is
    from.
    """

    schema_registry: Mapping[str, Any] | None = None
    """Properties of the schema registry, as in the watcher's `[schema_registry]`, for messages in Avro: `{"url": "http://…"}`."""

    ordered: bool = True
    """If True, messages of several topics are put in order by `sequence`."""

    order_wait_ms: int = 2000
    """Longest wait of a message for earlier ones from a partition that has gone silent, in milliseconds."""

    buffer_bytes: int = 64 * MEBIBYTE
    """Limit for messages that are held back at once, in bytes of JSON. Partitions that are ahead are not read meanwhile."""

    redelivery_window: int = 10_000
    """Number of each watcher's latest messages that are remembered, to recognise those that come again."""

    commit_every_ms: int = 1000
    """Interval between commits of offsets, in milliseconds."""

    hang_after_ms: int | None = 120_000
    """Time after which a handler counts as hanging, in milliseconds. None: never."""

    on_hang: Literal["report", "exit"] = "report"
    """Action for a hanging handler: log where it hangs ("report"), and with "exit" end the process as well, with exit code 70.
    Python cannot end a thread.
    """

    def dead_letters_of(self, group_id: str) -> str:
        """Return the dead-letter topic of this group."""
        return self.dead_letter_topic or f"{group_id}.dead-letter"

    @property
    def has_dead_letters(self) -> bool:
        """True if any message can go to the dead-letter topic."""
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
        try:
            TopicPlaces(self.topic_template)
        except ValueError as error:
            raise ValueError(f"topic_template: {error}") from None
        if self.schema_registry is not None:
            object.__setattr__(self, "schema_registry", _checked_registry(self.schema_registry))

    def _check(self, name: str, allowed: tuple[str, ...]) -> None:
        if getattr(self, name) not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")


def _checked_registry(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the properties of a schema registry in their types. Raises ValueError."""
    from watcher.config.fault import Invalid  # here, because most consumers never need it
    from watcher.config.schema_registry import check_registry

    try:
        checked = check_registry(properties)
    except Invalid as invalid:
        raise ValueError(f"schema_registry: {invalid}") from None
    if "url" not in checked:
        raise ValueError("schema_registry needs a url")
    return checked
