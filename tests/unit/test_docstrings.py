"""Beginnings of docstrings: a noun or a verb, so that the first word says what a thing is or does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python  # rules of the source

ROOT = Path(__file__).parents[2]
DIRECTORIES = ("watcher", "benchmarks", "contract", "docs_site", "examples", "release", "tests")
RIDDLE = re.compile(r"\s*(What|Who|Whose|Whom|How|Whether|That|Which|Where|Why)\b")


def riddles(source: Path) -> Iterator[str]:
    """Place and beginning of each docstring of the file, attributes' included, that begins with a question's word."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))) if RIDDLE.match(text):
                yield f"{source.name}:{node.lineno}: {text.strip().splitlines()[0]}"


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_no_docstring_begins_with_a_question(directory: str) -> None:
    sources = [*(ROOT / directory).rglob("*.py")]
    assert sources
    assert [riddle for source in sources for riddle in riddles(source)] == []


def test_the_check_finds_them(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text('"""What it is."""\n\nLIMIT = 1\n"""Whatever."""\n\n\ndef f():\n    """\n    How it works.\n    """\n')
    assert [*riddles(source)] == ["module.py:1: What it is.", "module.py:8: How it works."]
