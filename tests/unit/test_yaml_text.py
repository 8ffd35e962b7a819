"""YAML as it is written, read by a real parser."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from watcher.generate.yaml_text import yaml_text

texts = st.one_of(st.text(), st.sampled_from(["yes", "No", "null", "1", "1.5", "~", "a\nb\n", " a\nb\n", "a\n\nb\n", "a\u2028b\n"]))


values = st.recursive(
    st.one_of(texts, st.integers(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=20,
)


@pytest.mark.parametrize("word", ["y", "N", "yes", "off", "null", "~", "1e3", "0o7"])
def test_yaml_marks_as_text_what_kubectl_would_read_otherwise(word: str) -> None:
    assert yaml_text({"args": [word]}) == f'args:\n  - "{word}"\n'


@given(st.dictionaries(texts, values, min_size=1, max_size=4))
def test_yaml_gives_back_what_was_put_in(document: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text(document)) == document
