"""The lines that faults name: of keys in TOML documents and in .env files."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.config.fault import Origin
from watcher.config.files.env_file import read_env
from watcher.config.files.source import SettingsSource
from watcher.config.files.toml_lines import key_lines
from watcher.config.settings import KEYS, TABLES

DOCUMENT = '''\
# comment = "1"
a = "# no comment"

"b c".d = [ # comment ]
  1, "]", # [
  { e = 2 },
]
f = """
g = 1
\\"""" # closes
h = \'\'\'
i = 1
'\'\'\'\'
j = 1.5
'k' = 2024-01-01T00:00:00Z
[ l . "m.n" ]
o = {p = {q = 1}, r = "}"}
[[s]]
t = 1
'''


def test_key_lines_of_every_kind_of_value() -> None:
    tomllib.loads(DOCUMENT)
    assert key_lines(DOCUMENT) == {
        ("a",): 2,
        ("b c", "d"): 4,
        ("f",): 8,
        ("h",): 11,
        ("j",): 14,
        ("k",): 15,
        ("l", "m.n"): 16,
        ("l", "m.n", "o"): 17,
        ("s",): 18,
        ("s", "t"): 19,
    }


def test_key_lines_of_a_file_from_windows() -> None:
    assert key_lines("a = 1\r\n\r\nb = 2\r\n") == {("a",): 1, ("b",): 3}


NOISE = ['[]={}#,"', "'", "\\", "a = 1", '"""', "'''", "é"]
noise = st.lists(st.sampled_from(NOISE), max_size=4).map("".join)


def basic(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def multi_line(lines: list[str]) -> str:
    return '"""\n' + "\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"""'


values = st.one_of(
    st.sampled_from(["1", "-1.5e3", "true", "2024-01-01", "[]", "{}", "[[1], [2]]", "{ a = 1, b.c = '}' }"]),
    noise.map(basic),
    st.lists(noise, max_size=3).map(multi_line),
    st.lists(noise.map(basic), max_size=3).map(lambda items: "[\n" + "".join(f"  {item}, # ]\n\n" for item in items) + "]"),
)
gaps = st.sampled_from(["", "\n", "# comment [x]\n", '   # key = "\n\n'])


@given(st.lists(st.tuples(gaps, values, st.booleans()), max_size=8))
def test_key_lines_of_any_document(statements: list[tuple[str, str, bool]]) -> None:
    document, expected = "", {}
    for number, (gap, value, quoted) in enumerate(statements):
        document += gap
        expected[(f"key{number}",)] = document.count("\n") + 1
        key = f"key{number}"
        document += f"{basic(key) if quoted else key} = {value} # after\n"
    assert {(key,) for key in tomllib.loads(document)} == expected.keys()
    assert key_lines(document) == expected


def env_source(text: str) -> SettingsSource:
    source = SettingsSource(Origin(Path("dashboard.env")), spell=str.upper)
    read_env(source, text)
    return source


plain_keys = st.lists(st.sampled_from([key.upper() for key in KEYS if key not in TABLES]), unique=True)
plain_values = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P", "S"], exclude_characters="#'\"\\"), min_size=1, max_size=12
)
env_gaps = st.sampled_from(["", "\n", "# A=1\n", "  \n\n   ", "export "])


@given(st.data(), plain_keys, st.sampled_from(["\n", "\r\n"]))
def test_env_values_are_literal_and_their_lines_right(data: st.DataObject, keys: list[str], newline: str) -> None:
    text, expected = "", {}
    for key in keys:
        value = data.draw(plain_values)
        text += data.draw(env_gaps)
        expected[key.lower()] = (value, text.count("\n") + 1)
        text += f"{key}={value}\n"
    source = env_source(text.replace("\n", newline))
    assert source.faults == []
    assert {key: (entry.value, entry.origin.line) for key, entry in source.entries.items()} == expected


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("\n\nMONGODB_URL=x\n", 3, "MONGODB_URL", "unknown key"),
        ("mongodb_uri=x\n", 1, "mongodb_uri", "unknown key"),
        ("\nPORT=3000\n", 2, "PORT", "unknown key"),
        ("BATCH_SIZE=1\n# a\nBATCH_SIZE=2\n", 3, "BATCH_SIZE", "is set twice, first in line 1"),
        ("LOG_LEVEL=info\n\nhunter2 is not a line\n", 3, "", "is not KEY=value"),
        ("LOG_LEVEL\n", 1, "", "is not KEY=value"),
        ("KAFKA=acks\n", 1, "KAFKA", "must be a JSON object"),
        ("\nSNAPSHOT_FILTER=users\n", 2, "SNAPSHOT_FILTER", "must be a JSON object"),
    ],
)
def test_faults_of_an_env_file(text: str, line: int, key: str, words: str) -> None:
    (fault,) = env_source(text).faults
    assert (fault.origin.line, fault.key, fault.text) == (line, key, words)
    assert "hunter2" not in str(fault)


def test_empty_env_value_is_not_set() -> None:
    assert env_source("WATCH_COLLECTIONS=\nBATCH_SIZE=''\nLOG_LEVEL= # info\n").entries == {}


def test_kafka_table_in_an_env_file() -> None:
    source = env_source('KAFKA={"security.protocol": "SSL", "linger.ms": 5}\n')
    assert {key: entry.value for key, entry in source.entries.items()} == {"kafka.security.protocol": "SSL", "kafka.linger.ms": 5}


def test_filters_in_an_env_file_are_queries_or_their_text() -> None:
    source = env_source("""SNAPSHOT_FILTER={"users": {"active": true}, "a.b": "{}"}\n""")
    assert {key: entry.value for key, entry in source.entries.items()} == {
        "snapshot_filter.users": '{"active": true}',
        "snapshot_filter.a.b": "{}",
    }
