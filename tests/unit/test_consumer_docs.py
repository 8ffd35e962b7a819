"""docs/consumer.md says what the code does."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

from watcher.consumer import Change, ConsumerOptions, DatabaseChangeConsumer
from watcher.consumer.delivery.dispatcher import ConsumerCounts

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "consumer.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_option_is_there_with_its_default() -> None:
    documented = {name.strip("`"): default.strip("`") for name, default, _ in rows("Options")}
    options = {each.name: each.default for each in dataclasses.fields(ConsumerOptions)}
    assert documented == {name: json.dumps(value) if isinstance(value, str) else str(value) for name, value in options.items()}


def test_every_test_that_is_named_exists() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("*/test_consumer*.py"))
    named = re.findall(r"`(test_\w+)`", TEXT)
    assert len(named) > 10
    assert [name for name in named if f"def {name}(" not in tests] == []


def test_every_field_and_count_is_named() -> None:
    fields = {each.name for each in dataclasses.fields(Change)} | {
        name for name in vars(Change) if isinstance(vars(Change)[name], property)
    }
    counts = {each.name for each in dataclasses.fields(ConsumerCounts)}
    assert [name for name in sorted(fields | counts) if f"`{name}`" not in TEXT and f"`change.{name}`" not in TEXT] == []


def test_the_first_example_runs() -> None:
    code = TEXT.partition("```python\n")[2].partition("```")[0]
    namespace: dict[str, object] = {}
    exec(code.replace("consumer.run()\n", ""), namespace)
    assert isinstance(namespace["consumer"], DatabaseChangeConsumer)
