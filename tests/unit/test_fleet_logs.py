"""Logs of several workers in one order, over rotation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.fleet.logs.backwards import FIRST_PIECE_BYTES, pieces
from watcher.fleet.logs.follower import Follower
from watcher.fleet.logs.lines import LEVELS, Wanted, last_lines, parse

pytest_plugins = ["tests.support.log_fixtures"]


def entry(second: int, event: str, level: str = "info") -> str:
    return json.dumps({"ts": f"2024-01-01T12:00:{second:02}.000Z", "level": level, "event": event}) + "\n"


def events(texts: list[str]) -> list[str]:
    return [json.loads(text)["event"] if text.startswith("{") else text for text in texts]


def shown(files: dict[str, Path], count: int = 100, wanted: Wanted | None = None) -> list[str]:
    return events([line.text for line in last_lines(files, count, wanted or Wanted())])


def two_logs(directory: Path) -> dict[str, Path]:
    files = {name: directory / f"{name}.log" for name in ("a", "b")}
    files["a"].write_text(entry(1, "a1") + entry(3, "a3", "error") + "Traceback\n" + entry(5, "a5"))
    files["b"].write_text(entry(2, "b2", "debug") + entry(4, "b4"))
    return files


def test_merged_by_time_and_raw_lines_stay_in_place(tmp_path: Path) -> None:
    assert shown(two_logs(tmp_path)) == ["a1", "b2", "a3", "Traceback", "b4", "a5"]


def test_the_last_ones(tmp_path: Path) -> None:
    assert shown(two_logs(tmp_path), 2) == ["b4", "a5"]
    assert shown(two_logs(tmp_path), 0) == []


def test_level_and_since(tmp_path: Path) -> None:
    files = two_logs(tmp_path)
    assert shown(files, wanted=Wanted(level="error")) == ["a3", "Traceback"]
    assert shown(files, wanted=Wanted(since=datetime(2024, 1, 1, 12, 0, 4, tzinfo=UTC))) == ["b4", "a5"]


def test_a_log_that_is_rotated_while_it_is_read_costs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """supervisord renames the file, and opens a new one a moment later."""
    files = two_logs(tmp_path)
    there = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path == tmp_path / "gone.log" or there(path))
    assert shown({**files, "gone": tmp_path / "gone.log"}) == shown(files)


def test_rotated_files_are_read_when_needed(tmp_path: Path) -> None:
    files = two_logs(tmp_path)
    (tmp_path / "a.log.1").write_text(entry(0, "a0"))
    assert shown(files)[0] == "a0"
    assert shown({"missing": tmp_path / "missing.log"}) == []


def followed(follower: Follower) -> list[str]:
    return events([line.text for line in follower.read()])


def test_following_starts_at_the_end_and_waits_for_whole_lines(tmp_path: Path) -> None:
    files = two_logs(tmp_path)
    follower = Follower(files)
    assert followed(follower) == []
    with files["a"].open("a") as log:
        log.write(entry(8, "a8") + entry(9, "a9")[:10])
    with files["b"].open("a") as log:
        log.write(entry(7, "b7"))
    assert followed(follower) == ["b7", "a8"]
    with files["a"].open("a") as log:
        log.write(entry(9, "a9")[10:])
    assert followed(follower) == ["a9"]
    follower.close()


def test_following_goes_on_after_rotation_truncation_and_a_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    follower = Follower({"a": path})
    assert followed(follower) == []
    path.write_text(entry(1, "first"))
    assert followed(follower) == ["first"]
    with path.open("a") as log:
        log.write(entry(2, "before rotation"))
    path.rename(tmp_path / "a.log.1")
    path.write_text(entry(3, "after rotation"))
    assert followed(follower) == ["before rotation", "after rotation"]
    path.write_text(entry(4, "x"))
    assert followed(follower) == ["x"]
    follower.close()


def test_a_long_file_is_read_from_its_end_in_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    rare = entry(1, "rare", "error")
    path.write_text(rare + "".join(entry(2, f"{number} {'ä' * (number % 50)}") for number in range(5000)))
    assert path.stat().st_size > 4 * FIRST_PIECE_BYTES
    assert [text.split()[0] for text in shown({"a": path}, 3)] == ["4997", "4998", "4999"]
    assert len(shown({"a": path}, 4000)) == 4000
    assert shown({"a": path}, 1, Wanted(level="error")) == ["rare"]


def test_a_bound_on_what_is_read_leaves_older_lines_out(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for number in (1, 0):
        part = path if number == 0 else tmp_path / "a.log.1"
        part.write_text("".join(entry(2 - number, f"{number}.{line} {'x' * 1000}") for line in range(1000)))
    assert len(last_lines({"a": path}, 1500, Wanted())) == 1500
    bounded = last_lines({"a": path}, 1500, Wanted(), most_bytes=FIRST_PIECE_BYTES)
    assert 40 < len(bounded) < 70
    assert bounded == last_lines({"a": path}, len(bounded), Wanted())


def test_a_line_that_begins_where_the_piece_does_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(f"{'x' * 63}\n" * (FIRST_PIECE_BYTES // 64 + 10))
    assert len(last_lines({"a": path}, FIRST_PIECE_BYTES // 64, Wanted())) == FIRST_PIECE_BYTES // 64
    assert {line.text for line in last_lines({"a": path}, FIRST_PIECE_BYTES // 64, Wanted())} == {"x" * 63}


@pytest.mark.parametrize("cut", ['{"ts": "2024-01-01T12:00:01.000Z", "level": "info", "event":', '{"ts": "2024{"ts": 1}'])
def test_a_line_that_was_cut_has_the_time_of_the_line_before_wherever_a_piece_begins(cut: str, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(f"{entry(1, 'x' * 40_000, 'debug')}{cut}\n{entry(2, 'y' * 30_000, 'debug')}")
    assert [line.at.second for line in last_lines({"a": path}, 10, Wanted())] == [1, 1, 2]


PARTS = st.one_of(
    st.tuples(st.integers(0, 59), st.sampled_from([*LEVELS, "trace"]), st.integers(0, 40_000)).map(
        lambda drawn: entry(drawn[0], "x" * drawn[2], drawn[1])
    ),
    st.integers(1, 3000).map(lambda size: '  File "ä"\n' + "y" * size + "\n"),
    st.just("\n"),
    st.integers(1, 60).map(lambda size: entry(1, "cut", "info")[:size] + "\n"),
)


@given(st.lists(PARTS, max_size=40), st.sampled_from(LEVELS), st.integers(0, 400_000))
def test_reading_from_the_end_finds_what_reading_from_the_beginning_does(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], level: str, most: int
) -> None:
    path = tmp_path_factory.mktemp("logs") / "a.log"
    path.write_text("".join(parts))
    texts = path.read_text().removesuffix("\n").split("\n")
    wanted = Wanted(level)
    assert last_lines({"a": path}, 10**6, wanted) == [line for line in parse("a", filter(None, texts)) if line in wanted]
    read = [line.decode() for piece in reversed(list(pieces(path, most))) for line in piece]
    assert "\n".join(texts).endswith("\n".join(read))
    assert sum(map(len, read)) <= most


def test_what_is_older_than_wanted_is_not_read(tmp_path: Path, read_pieces: list[list[bytes]]) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(entry(number // 1000, f"{number} {'x' * 1000}") for number in range(20_000)))
    since = datetime(2024, 1, 1, 12, 0, 19, 500_000, tzinfo=UTC)
    assert shown({"a": path}, wanted=Wanted("error", since)) == []
    assert sum(map(len, read_pieces)) < 10_000
