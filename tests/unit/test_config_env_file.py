"""`.env` files: which forms there are, and that every value is literal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.config.fault import Origin
from watcher.config.files.env_file import read_env
from watcher.config.files.source import SettingsSource


def read(text: str) -> SettingsSource:
    source = SettingsSource(Origin(Path("a.env")), spell=str.upper)
    read_env(source, text)
    return source


def values(text: str) -> dict[str, str]:
    source = read(text)
    assert source.faults == []
    return {key: entry.value for key, entry in source.entries.items()}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("plain", "plain"),
        ("  blanks around  ", "blanks around"),
        ("a=b=c", "a=b=c"),
        ("a#b", "a#b"),
        ("#b", "#b"),
        ("a # comment", "a"),
        ("   # comment", None),
        ("", None),
        ('""', None),
        ('it\'s "so"', 'it\'s "so"'),
        (r"a\nb\\c", r"a\nb\\c"),
        ("$HOME ${HOME} %d `id`", "$HOME ${HOME} %d `id`"),
        (r'"a\nb\tc\\d\u0041"', r"a\nb\tc\\d\u0041"),
        (r"'a\nb\\c'", r"a\nb\\c"),
        ('"C:\\dir\\"', "C:\\dir\\"),
        ("'C:\\dir\\'", "C:\\dir\\"),
        ('" kept "', " kept "),
        ('"a # b" # comment', "a # b"),
        ("'say \"x\"'# comment", 'say "x"'),
        ('"it\'s"', "it's"),
        ("\t'x'\t", "x"),
        ("'two\nlines'", "two\nlines"),
    ],
)
def test_values_are_literal(written: str, value: str | None) -> None:
    assert values(f"LOG_LEVEL={written}\nDELIVERY=x").get("log_level") == value


@given(value=st.text(st.characters(exclude_characters="\"'\r\n", codec="utf-8"), min_size=1), quote=st.sampled_from("'\""))
def test_whatever_stands_in_quotes_is_the_value(value: str, quote: str) -> None:
    assert values(f"LOG_LEVEL={quote}{value}{quote}\n") == {"log_level": value}


@pytest.mark.parametrize("line", ["export LOG_LEVEL=x", "  LOG_LEVEL = x", "\tLOG_LEVEL= x ", "export\tLOG_LEVEL='x'"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_forms_of_a_line(line: str, newline: str) -> None:
    assert values(newline.join(["# a comment with an = sign", "", line, "  # another", "BATCH_SIZE=1"])) == {
        "log_level": "x",
        "batch_size": "1",
    }


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("LOG_LEVEL", [1]),
        ("=x\n: y\nLOG LEVEL=x", [1, 2, 3]),
        ("\nLOG_LEVEL='x\nBATCH_SIZE=1", [2]),
        ("LOG_LEVEL='two\nlines'\n'", [3]),
        ('KAFKA="{\\"a\\": 1}"', [1]),
        ("LOG_LEVEL='x' y", [1]),
    ],
)
def test_what_is_none_of_them_is_a_fault_that_repeats_nothing(text: str, lines: list[int]) -> None:
    faults = read(text).faults
    assert [(fault.origin.line, fault.text) for fault in faults] == [(line, "is not KEY=value") for line in lines]


def test_an_open_quote_hides_no_other_key() -> None:
    assert read("LOG_LEVEL='x\nBATCH_SIZE=1").entries.keys() == {"batch_size"}


def test_escapes_that_other_readers_take_are_told_what_to_do() -> None:
    (fault,) = read('KAFKA="{\\"linger.ms\\": 1}"').faults
    assert "literal" in fault.hint
    assert values("KAFKA='{\"linger.ms\": 1}'") == {"kafka.linger.ms": 1}


def test_lines_after_a_value_of_several_lines() -> None:
    source = read("LOG_LEVEL='a\nb\nc'\nBATCH_SIZE=1\nBATCH_SIZE=2")
    assert source.entries["batch_size"].origin.line == 4
    assert [(fault.origin.line, fault.text) for fault in source.faults] == [(5, "is set twice, first in line 4")]
