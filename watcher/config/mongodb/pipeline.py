"""The setting `pipeline` in its one form: each stage as MongoDB Extended JSON, wherever and however it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from watcher.config.fault import Invalid, Refused
from watcher.config.mongodb.stages import check_stage, name_of

_HINT = """for example '[{"$match": {"fullDocument.status": "paid"}}]'; dates and ids as in MongoDB Extended JSON"""


def check_pipeline(value: object) -> tuple[str, ...]:
    """Return the stages as JSON texts. Raises `Invalid` with a refusal for each stage that cannot be used."""
    passed, refusals = [], []
    for number, stage in enumerate(_stages(value), 1):
        try:
            check_stage(stage)
            passed.append(stages_text(stage))
        except Refused as refused:
            refusals.append(Refused(f"{stage_label(number, stage)}: {refused}", hint=refused.hint))
    if refusals:
        raise Invalid(refusals)
    return tuple(passed)


def stage_label(number: int, stage: object) -> str:
    """Name a stage for people: by its place, from 1, and by what it is."""
    return f"stage {number} ({name_of(stage)})" if isinstance(stage, Mapping) and stage else f"stage {number}"


def stages_text(stages: object) -> str:
    """Write stages, or one, as JSON. TOML has times, which become those of Extended JSON. Raises `Refused`."""
    return json.dumps(stages, ensure_ascii=False, default=_extended)


def _stages(value: object) -> list[object]:
    if isinstance(value, tuple):  # checked before: other settings are made of these
        value = [json.loads(stage) for stage in value]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise Refused(f"is not JSON: {error}", hint=_HINT) from None
    if not isinstance(value, list):
        raise Refused("must be a list of stages", hint="[[pipeline]] in double brackets begins one" if value else _HINT)
    return value


def _extended(value: object) -> object:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return {"$date": value.isoformat()}
    raise Refused(f"has {value}, a time without its zone", hint="for example 2024-01-01T12:00:00Z")
