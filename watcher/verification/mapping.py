"""The mapping file of `watcherctl compare`, which describes how an old watcher's messages correspond to ours."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from watcher.config.fault import why_unread
from watcher.errors import ConfigurationError

KAFKA_KEY = "$key"
"""Value of `key` that means the record's own key, instead of a path in its value."""

Operation = Literal["insert", "update", "delete"]
"""Operations in a mapping. A replace counts as an update, because Mongoose's versions differ in which of the two one and the same
call sends.
"""

PLACE = re.compile(r"\{([^{}]+)\}")
"""A path in a key expression such as `user:{documentKey._id}`. An expression without braces is a path as a whole."""

STRICT = ConfigDict(extra="forbid", frozen=True)


def _checked(expression: str) -> str:
    if set(PLACE.sub("", expression)) & set("{}"):
        raise ValueError("a path in a key stands in braces, such as user:{documentKey._id}")
    return expression


KeyExpression = Annotated[str, AfterValidator(_checked)]


class OperationField(BaseModel):
    """An operation that the message names at the path `field`, in the old watcher's own words."""

    model_config = STRICT

    field: str
    values: Mapping[str, Operation]


class TopicMapping(BaseModel):
    """One topic of the old watcher. `fields` maps paths in its messages to the paths in ours that have the same values."""

    model_config = STRICT

    collection: str
    key: KeyExpression
    operation: Operation | OperationField
    our_key: KeyExpression = "documentKey._id"
    time: str = ""
    fields: Mapping[str, str] = {}

    @property
    def operations(self) -> set[str]:
        """The operations that the topic can report."""
        return {self.operation} if isinstance(self.operation, str) else set(self.operation.values.values())


class MappingFile(BaseModel):
    """The whole file: the old topics by name."""

    model_config = STRICT

    topics: Annotated[Mapping[str, TopicMapping], Field(min_length=1)]


def load_mapping(path: Path) -> MappingFile:
    """Load the mapping from a TOML file. Raises ConfigurationError with all faults."""
    try:
        return MappingFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        reason, hint = why_unread(error)
        raise ConfigurationError(f"{path}: {reason}", hint=hint) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise ConfigurationError(f"{path}: {'; '.join(faults)}", hint="docs/verification.md describes the mapping file") from error
