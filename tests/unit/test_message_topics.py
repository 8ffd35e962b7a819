"""Topic names: legal for Kafka, different for different collections, and readable back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.config.topics.name import escape, escape_apart, folded, topic_name

LEGAL = re.compile(r"[A-Za-z0-9._-]*")
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.text("_x4é1", max_size=12)


def unescape(text: str) -> str:
    """The inverse, as docs/message-format.md gives it to consumers."""
    return re.sub(r"_x([0-9a-f]+)_", lambda match: chr(int(match[1], 16)), text)


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("users", "users"),
        ("page_views", "page_views"),
        ("fs.files", "fs.files"),
        ("a-b", "a-b"),
        ("orders 2024", "orders_x20_2024"),
        ("$cmd", "_x24_cmd"),
        ("größe", "gr_xf6__xdf_e"),
        ("a_x", "a_x5f_x"),
        ("_x20_", "_x5f_x20_"),
        ("😀", "_x1f600_"),
    ],
)
def test_escape(name: str, escaped: str) -> None:
    assert escape(name) == escaped


@given(names)
def test_escaped_names_are_legal_and_read_back(name: str) -> None:
    assert LEGAL.fullmatch(escape(name))
    assert unescape(escape(name)) == name


def test_placeholders() -> None:
    assert topic_name("{database}.{collection}.{operation}", "insert", "shop", "orders") == "shop.orders.insert"


def test_names_are_not_templates() -> None:
    assert topic_name("{database}.{collection}", "insert", "{operation}", "{database}") == "_x7b_operation_x7d_._x7b_database_x7d_"


def test_the_longest_name_that_kafka_takes() -> None:
    assert topic_name("{collection}", "insert", "shop", "c" * 249) == "c" * 249


def test_longer_names_stay_legal_and_different() -> None:
    topics = {topic_name("{collection}", "insert", "shop", "ö" * 100 + end) for end in ("a", "b", "c")}
    assert len(topics) == 3
    assert all(len(topic) == 249 and LEGAL.fullmatch(topic) for topic in topics)


@pytest.mark.parametrize(
    ("name", "apart"),
    [
        ("order.items", "order_x2e_items"),
        ("order_items", "order_x5f_items"),
        ("a_b.c", "a_x5f_b_x2e_c"),
        ("users", "_x75_sers"),
        ("a_x", "_x61__x5f_x"),
        ("größe", "_x67_r_xf6__xdf_e"),
    ],
)
def test_escape_apart(name: str, apart: str) -> None:
    assert escape_apart(name) == apart


@given(names.filter(lambda name: re.search("[A-Za-z0-9-]", name) is not None))
def test_names_apart_are_others_and_read_back(name: str) -> None:
    apart = escape_apart(name)
    assert apart != escape(name)
    assert LEGAL.fullmatch(apart)
    assert unescape(apart) == name


@given(st.sets(st.text("._ax2e", min_size=1, max_size=6), min_size=2))
def test_of_names_apart_kafka_takes_no_two_for_one(collections: set[str]) -> None:
    topics = {topic_name("t.{collection}", "insert", "shop", name, apart=True) for name in collections}
    assert len({folded(topic) for topic in topics}) == len(collections)


@pytest.mark.parametrize(
    ("collection", "topic"),
    [
        ("tmp.agg_out.8c5e92b5-4431-48d8-a2c8-2c2f77042f28", "t.tmp.agg_out"),
        ("tmp.agg_out.36", "t.tmp.agg_out"),
        ("tmp.mr.orders_0", "t.tmp.mr"),
        ("tmp6sJ6g.convertToCapped.orders", "t.tmp.convertToCapped"),
        ("tmpHAvDT.renameCollection", "t.tmp.renameCollection"),
        ("tmpHAvDT.create", "t.tmp.create"),
        ("tmpHAvDT.rename", "t.tmp.rename"),
        ("tmp", "t.tmp"),
        ("tmp.orders", "t.tmp.orders"),
        ("tmp_uploads.rename", "t.tmp_uploads.rename"),
    ],
)
def test_temporary_collections_of_mongodb_share_a_topic(collection: str, topic: str) -> None:
    assert topic_name("t.{collection}", "insert", "shop", collection) == topic
