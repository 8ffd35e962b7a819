"""Several names, globs and `--all` for the commands that show what was delivered: tail, verify and position show."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import orjson
import pytest

from watcher.cli import run_command_line
from watcher.cli.delivery.tails import merged
from watcher.cli.delivery.verify_view import report
from watcher.config import Settings
from watcher.consumer.delivered import DeliveredMessage, Message, Tail
from watcher.consumer.errors import ReadError
from watcher.kafka.position import Saved
from watcher.position.look import Look
from watcher.verification.result import VerificationResult

SHOP = """
mongodb_uri = "mongodb://localhost:27017/{name}"
kafka_brokers = "localhost:9092"
kafka_client_id = "{name}-watcher"
"""
AWAY = ReadError("Kafka at localhost:9092 does not answer", hint="start it")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(*arguments)`: exit code, stdout and stderr, with the watchers `books`, `shop` and `away`, and the faulty `broken`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf.d").mkdir()
    for name in ("shop", "books", "away", "broken"):
        (tmp_path / "conf.d" / f"{name}.toml").write_text(SHOP.format(name=name))
    with (tmp_path / "conf.d" / "broken.toml").open("a") as file:
        file.write('batch_size = "many"\n')

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_command_line(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return run


def delivered(sequence: int, time_ms: int, **fields: Any) -> DeliveredMessage:
    message = {
        "sequence": sequence,
        "operationType": "insert",
        "database": "d",
        "collection": "users",
        "timestamp": "2026-01-01T00:00:00+00:00",
        **fields,
    }
    return DeliveredMessage(("t", 0), orjson.dumps(message), message, sequence, time_ms)


TOPICS = {
    "books": [delivered(1, 100), delivered(2, 300), delivered(3, 250, collection="orders"), delivered(4, 500)],
    "shop": [delivered(1, 200), delivered(2, 400), delivered(3, 600)],
}


class StandInReader:
    """Reads TOPICS; the Kafka of `away` does not answer. A poll brings one more message of `shop`, and then Ctrl-C."""

    answers = True

    def __init__(self, settings: Settings, _since: datetime | None = None, _topics: tuple[str, ...] = ()) -> None:
        self.name = settings.name
        self.polls = 0

    def last(
        self, count: int, wanted: Callable[[Message], bool], *, shrink: Callable[[DeliveredMessage], DeliveredMessage]
    ) -> list[DeliveredMessage]:
        if self.name == "away":
            raise AWAY
        tail = Tail(count, wanted, shrink)
        for each in TOPICS[self.name]:
            tail.add(each)
        return tail.messages()

    def all(self, wanted: Callable[[Message], bool]) -> Iterator[DeliveredMessage]:
        if self.name == "away":
            raise AWAY
        yield from (each for each in TOPICS[self.name] if wanted(each.message))

    def poll(self, _timeout_s: float) -> list[DeliveredMessage]:
        self.polls += 1
        if self.polls > 1:
            raise KeyboardInterrupt
        return [delivered(9, 900)] if self.name == "shop" else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of `books` and `shop`, and a Kafka of `away` that does not answer."""
    monkeypatch.setattr("watcher.cli.delivery.tails.MessageReader", StandInReader)


def shown(out: str) -> list[tuple[str, int]]:
    return [(line["watcher"], line["message"]["sequence"]) for line in map(json.loads, out.splitlines())]


@pytest.mark.usefixtures("topics")
class TestTail:
    def test_one_name_shows_the_messages_as_they_lie_in_kafka(self, run: Run) -> None:
        assert run("tail", "shop", "-n", "2") == (0, "".join(f"{each.text.decode()}\n" for each in TOPICS["shop"][1:]), "")

    @pytest.mark.parametrize("names", [("shop", "books"), ("*o*s", "shop"), ("[bs]*[ps]",)])
    def test_several_are_merged_by_time_with_their_names(self, names: tuple[str, ...], run: Run) -> None:
        code, out, err = run("tail", *names)
        assert (code, err) == (0, "")
        in_order = [("books", 1), ("shop", 1), ("books", 2), ("books", 3), ("shop", 2), ("books", 4), ("shop", 3)]
        assert shown(out) == in_order

    def test_the_last_ones_are_the_last_of_all(self, run: Run) -> None:
        _, out, _ = run("tail", "shop", "books", "-n", "3")
        assert shown(out) == [("shop", 2), ("books", 4), ("shop", 3)]

    def test_one_that_cannot_be_read_hides_no_other(self, run: Run) -> None:
        for options in (["-n", "1"], ["--since", "2020-01-01"]):
            code, out, err = run("tail", "--all", "--operation", "insert", *options)
            assert code == 78
            assert shown(out)[-1] == ("shop", 3)
            assert "away: Kafka at localhost:9092 does not answer\nhint: start it\n" in err
            assert "broken.toml" in err

    def test_the_exit_code_is_the_greatest(self, run: Run) -> None:
        assert run("tail", "shop", "away")[0] == 1
        assert run("tail", "away", "broken")[0] == 78

    def test_one_alone_ends_with_its_error(self, run: Run) -> None:
        assert run("tail", "away") == (1, "", "watcherctl: Kafka at localhost:9092 does not answer\nhint: start it\n")

    def test_a_glob_speaks_of_several_also_if_it_means_one(self, run: Run) -> None:
        _, out, _ = run("tail", "sh*", "-n", "1")
        assert shown(out) == [("shop", 3)]

    def test_following_several(self, run: Run) -> None:
        code, out, _ = run("tail", "shop", "books", "-n", "0", "--follow")
        assert code == 0
        assert shown(out) == [("shop", 9)]

    def test_what_is_to_be_shown_has_to_be_said(self, run: Run) -> None:
        for command in (["tail"], ["verify"], ["position", "show"], ["tail", "--all", "shop"]):
            code, _, err = run(*command)
            assert code == 2
            assert "say either names or --all" in err

    def test_where_nothing_matches_the_collections_are_named(self, run: Run) -> None:
        code, out, err = run("tail", "books", "--collection", "usres")
        assert (code, out, err) == (0, "", "no message matches; collections seen: orders, users\n")
        assert run("tail", "shop", "away", "--key", "7")[2].endswith("no message matches; collections seen: users\n")


def test_messages_of_one_watcher_keep_their_order() -> None:
    found = {"a": [delivered(1, 900), delivered(2, 100)], "b": [delivered(1, 500), delivered(2, 950)]}
    assert [(name, each.sequence) for name, each in merged(found)] == [("b", 1), ("a", 1), ("a", 2), ("b", 2)]


@pytest.fixture
def verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """`shop` is equal, `books` is not, and the Kafka of `away` does not answer."""

    class Verifier:
        def __init__(self, settings: Settings, _directory: Path, **_options: Any) -> None:
            self.name = settings.name

        def run(self) -> VerificationResult:
            if self.name == "away":
                raise AWAY
            reshaped = {"users"} if self.name == "books" else set()
            return VerificationResult(self.name, self.name, compared=Counter(users=7), reshaped=reshaped)

    monkeypatch.setattr("watcher.verification.verifier.Verifier", Verifier)


@pytest.mark.usefixtures("verifier")
class TestVerify:
    def test_several_one_below_the_other_and_a_line_about_all(self, run: Run) -> None:
        code, out, err = run("verify", "shop", "books", "away")
        assert code == 1
        assert out.splitlines()[0] == "books"
        assert "shop\n  7 documents in 1 collections, 0 messages, 0.0 s\n  sequence: no messages\n  equal\n" in out
        assert out.splitlines()[-1] == "1 of 3 equal; not equal: books; not verified: away"
        assert "away: Kafka at localhost:9092 does not answer" in err

    def test_json_of_several_is_one_document(self, run: Run) -> None:
        code, out, _ = run("verify", "--all", "--json")
        document = json.loads(out)
        assert code == document["exitCode"] == 78
        assert [each["watcher"] for each in document["watchers"]] == ["away", "books", "broken", "shop"]
        away, books, broken, shop = document["watchers"]
        assert away == {"watcher": "away", "error": str(AWAY), "hint": "start it", "exitCode": 1}
        assert (books["equal"], shop["equal"], broken["exitCode"]) == (False, True, 78)

    def test_one_alone_is_as_ever(self, run: Run) -> None:
        code, out, _ = run("verify", "shop")
        assert (code, out) == (0, "7 documents in 1 collections, 0 messages, 0.0 s\nsequence: no messages\nequal\n")
        assert json.loads(run("verify", "shop", "--json")[1])["watcher"] == "shop"

    def test_those_that_do_not_watch_the_collection_are_left_out(self, run: Run, tmp_path: Path) -> None:
        with (tmp_path / "conf.d" / "shop.toml").open("a") as file:
            file.write('watch_collections = ["users"]\n')
        code, out, err = run("verify", "shop", "books", "--collection", "orders")
        assert code == 1
        assert out.startswith("books\n")
        assert "shop: 'orders' is not watched\n" in err
        code, _, err = run("verify", "shop", "--collection", "orders")
        assert code == 2
        assert "'orders' is not watched" in err


def test_a_dropped_database_is_said_to_have_nothing_to_compare() -> None:
    said = report(VerificationResult("shop", "shop", messages=12)).splitlines()
    assert said[1] == "MongoDB has no collection that shop watches, and the topics have none either"
    assert "MongoDB has no" not in report(VerificationResult("shop", "shop", compared=Counter(users=0)))


@pytest.fixture
def positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """No watcher has a position yet, and the Kafka of `away` does not answer."""

    def look(settings: Settings, _delivered: object) -> Look:
        if settings.name == "away":
            raise AWAY
        return Look(Saved(), "", ())

    monkeypatch.setattr("watcher.position.look.look", look)
    monkeypatch.setattr("watcher.cli.delivery.position_show._ask_mongodb", lambda _timeline, seen, _prefix: (seen, None, None))


@pytest.mark.usefixtures("positions")
class TestPositionShow:
    def test_several_one_below_the_other(self, run: Run) -> None:
        code, out, err = run("position", "show", "--all")
        assert code == 78
        assert [line for line in out.splitlines() if not line.startswith(" ")] == ["books", "shop"]
        assert "away: Kafka" in err

    def test_json_of_several_is_one_document(self, run: Run) -> None:
        code, out, _ = run("position", "show", "shop", "away", "--json")
        document = json.loads(out)
        assert code == document["exitCode"] == 1
        assert [each["watcher"] for each in document["watchers"]] == ["away", "shop"]
        assert document["watchers"][1]["topic"] == "shop-watcher.position"

    def test_one_alone_is_as_ever(self, run: Run) -> None:
        assert json.loads(run("position", "show", "shop", "--json")[1])["watcher"] == "shop"
        assert run("position", "show", "away")[2].startswith("watcherctl: Kafka")
