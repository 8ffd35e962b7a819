"""Writes docs/message.schema.json and docs/asyncapi.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from contract.documents import asyncapi, json_schema

DOCS = Path(__file__).parents[1] / "docs"
FILES: Mapping[str, Callable[[], str]] = {"message.schema.json": json_schema, "asyncapi.yaml": asyncapi}

if __name__ == "__main__":
    for name, text in FILES.items():
        (DOCS / name).write_text(text(), encoding="utf-8")
