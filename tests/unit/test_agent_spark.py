"""The sparklines: all on one scale, with gaps where nothing is known."""

from __future__ import annotations

import re

import pytest

from watcher.agent.page.spark import SPARK_HEIGHT, SPARK_STEPS, spark, spark_top


def points(path: str) -> list[tuple[str, int, int]]:
    return [(kind, int(step), int(height)) for kind, step, height in re.findall(r"([ML])(\d+),(\d+)", path)]


@pytest.mark.parametrize(
    ("highest", "top"), [(0.0, 1), (1.0, 1), (1.1, 2), (4.0, 5), (5.1, 10), (10.0, 10), (1000.0, 1000), (1001.0, 2000)]
)
def test_the_scale_ends_at_a_round_number_above_all_watchers(highest: float, top: float) -> None:
    assert spark_top([[0.0, None], [highest, 0.5]]) == top


def test_of_nothing_known_there_is_no_line() -> None:
    assert spark([*[None] * SPARK_STEPS], 1.0).path == ""
    assert spark([], spark_top([[]])).words == "events per second: nothing known"


def test_the_same_rate_has_the_same_height_in_every_row() -> None:
    quiet, busy = spark([0.0, 10.0], 1000.0), spark([10.0, 1000.0], 1000.0)
    (_, (_, _, low)), ((_, _, same), (_, _, high)) = points(quiet.path), points(busy.path)
    assert low == same
    assert 0 < high < low < points(quiet.path)[0][2] < SPARK_HEIGHT
    assert low < SPARK_HEIGHT * 0.75  # a hundredth of the busiest is still seen


def test_what_is_not_known_is_a_gap() -> None:
    drawn = points(spark([0.0, 5.0, None, 7.0, None, 9.0, 1.0], 10.0).path)
    first = SPARK_STEPS - 7
    assert [(kind, step - first) for kind, step, _ in drawn] == [("M", 0), ("L", 1), ("M", 3), ("M", 5), ("L", 6)]
    assert "h0M" in spark([5.0, None, 5.0], 10.0).path  # one known rate alone is a dot


def test_a_level_stretch_takes_two_points() -> None:
    assert [step for _, step, _ in points(spark([*[3.0] * SPARK_STEPS], 5.0).path)] == [0, SPARK_STEPS - 1]


def test_the_words_say_what_is_drawn() -> None:
    assert spark([2.5, 1200.0], 2000.0).words == "events per second, last 5 minutes: now 1\u202f200, highest 1\u202f200"
    assert spark([40.0, None], 50.0).words == "events per second, last 5 minutes: highest 40.0"  # it is not known how many now
    assert spark([0.0, 40.0, 10.0, None], 50.0, is_live=False).words == "events per second, last 5 minutes: highest 40.0"
