"""The configurations of sinks in docs/formats.md, as tests run them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).parents[2] / "docs"
SECTION = "## What each sink needs\n"
SCHEMAS = {f"{part}.converter.schema.content": DOCS / f"connect.debezium.{part}.json" for part in ("key", "value")}
"""The texts of these files, which the page's command puts into the configuration of a sink."""


class SinkExample(NamedTuple):
    """The settings of a watcher, and the properties of the sink that reads its messages."""

    settings: dict[str, Any]
    properties: dict[str, str]


def sink_example(title: str, names: Mapping[str, str]) -> SinkExample:
    """The example under the heading `title`; `names` replace those on the page, one after the other."""
    section = (DOCS / "formats.md").read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    common, *examples = re.split(r"^### ", section, flags=re.MULTILINE)
    (text,) = [example for example in examples if example.startswith(f"{title}\n")]
    for on_page, replacement in names.items():
        common, text = common.replace(on_page, replacement), text.replace(on_page, replacement)
    settings = tomllib.loads(_block(common, "toml")) | tomllib.loads(_block(text, "toml"))
    schemas = {name: path.read_text(encoding="utf-8") for name, path in SCHEMAS.items() if name in text}
    return SinkExample(settings, json.loads(_block(text, "json")) | schemas)


def _block(text: str, language: str) -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return str(block)
