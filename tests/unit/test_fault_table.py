"""The fault matrix' table, and how it gets into a document."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.fault_table import Counts, Row, fault_named_in, publish, row_number, table

FAULTS = Path(__file__).parents[1] / "faults"
MODULES = sorted(FAULTS.glob("test_*.py"))


def test_counts_of_several_tests_are_added_up() -> None:
    total = Counts(1, 2, 3, [0.5], 80.0, ["a"]) + Counts(10, 20, 30, [1.5], 60.0, ["a", "b"])
    assert total == Counts(11, 22, 33, [0.5, 1.5], 80.0, ["a", "b"])


def test_one_failure_fails_the_row() -> None:
    assert Row(1, "x", ["passed", "failed", "skipped"]).result == "failed"
    assert Row(1, "x", ["passed", "skipped"]).result == "skipped"
    assert Row(1, "x").result == "not run"


def test_a_row_shows_what_was_counted_and_nothing_else() -> None:
    counts = Counts(1200, 50, 1201, [1.0, 3.0, 2.0], 81.4)
    assert Row(1, "kill -9", ["passed"], counts, 12.3).cells() == (
        *("1", "kill -9", "passed", "1,200", "50", "1,201", "2.0 s, at most 3.0 s", "81 MB", "12 s", ""),
    )
    assert Row(7, "two", ["passed"]).cells() == ("7", "two", "passed", "", "", "", "", "", "0 s", "")


def test_the_table_is_sorted_and_lines_up() -> None:
    lines = table([Row(12, "a longer name"), Row(3, "b")]).splitlines()
    assert [line.split("|")[1].strip(" -") for line in lines] == ["#", "", "3", "12"]
    assert len({len(line) for line in lines}) == 1


def test_publishing_twice_replaces_the_table(tmp_path: Path) -> None:
    document = tmp_path / "doc.md"
    document.write_text("before\n<!-- x: made by the tests -->\n<!-- end of x -->\nafter\n")
    for outcome in ("failed", "passed"):
        publish(document, "x", {"seed": "1"}, [Row(1, "kill", [outcome])])
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("<!-- end of x -->\nafter\n")
    assert "* seed: 1" in text
    assert "passed" in text
    assert "failed" not in text


def test_a_document_without_a_place_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "doc.md"
    document.write_text("nothing here\n")
    with pytest.raises(ValueError, match="no place for x"):
        publish(document, "x", {}, [])
    assert document.read_text() == "nothing here\n"


def test_the_row_is_in_the_file_name_and_its_fault_in_the_first_line() -> None:
    assert row_number("test_05_zombie.py") == 5
    assert row_number("test_oracle.py") is None
    assert fault_named_in("Row 5: a zombie wakes up.\n\nGoal: …") == "a zombie wakes up"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_each_row_says_its_goal_and_its_method(module: Path) -> None:
    text = ast.get_docstring(ast.parse(module.read_text())) or ""
    assert text.startswith(f"Row {row_number(module.name)}: ")
    assert "\nGoal: " in text
    assert "\nMethod: " in text


def test_no_number_has_two_faults() -> None:
    """A row may have several modules, as long as they name the same fault."""
    faults = {
        (row_number(module.name), fault_named_in(ast.get_docstring(ast.parse(module.read_text())) or "")) for module in MODULES
    }
    assert len(faults) == len({number for number, _ in faults})
