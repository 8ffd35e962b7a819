"""The pure parts of the benchmarks: figures, turns, tables, and that the peers' settings can be read."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from benchmarks import bench, catchup, compression, formats, parts, report, snapshot, snapshot_latency, takeover, transactions
from benchmarks.figures import CONTROL, off_turns, percentiles, summary, with_ratios
from benchmarks.load import SIZES, looked_up_in_vain, number_of_events, operations
from benchmarks.peers import COPYING_PEERS, PEERS
from benchmarks.peers.kafka_connect import HERE, properties
from benchmarks.results import Result, read
from benchmarks.runs import Attempts
from tests.support import maven

pytestmark = pytest.mark.one_python  # no part of the product

ROOT = Path(__file__).parents[2]


MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks").rglob("*.py")
    if path.name != "__init__.py"
)


class Someone:
    def __init__(self, name: str) -> None:
        self.name = name


@pytest.mark.parametrize("module", MODULES)
def test_every_module_can_be_imported(module: str) -> None:
    importlib.import_module(module)


def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() -> None:
    assert percentiles(range(1, 1001)) == {"p50": 500, "p95": 950, "p99": 990, "p99.9": 999}
    assert percentiles([7.0]) == {"p50": 7, "p95": 7, "p99": 7, "p99.9": 7}


def test_a_summary_has_median_and_spread_of_the_runs_in_which_there_is_a_figure() -> None:
    runs = [{"a": {"speed": 1.0}, "b": {"speed": 9.0}}, {"a": {"speed": 3.0}}, {"a": {"speed": 2.0, "memory": 5.0}}]

    assert summary(runs) == {
        "a": {
            "speed": {"median": 2.0, "lowest": 1.0, "highest": 3.0, "runs": 3},
            "memory": {"median": 5.0, "lowest": 5.0, "highest": 5.0, "runs": 1},
        },
        "b": {"speed": {"median": 9.0, "lowest": 9.0, "highest": 9.0, "runs": 1}},
    }


def test_ratios_are_those_of_one_run_and_left_out_where_there_is_nothing_to_divide() -> None:
    run = {"ours": {"speed": 6.0}, "theirs": {"speed": 2.0}, "idle": {"speed": 0.0}, "drain": {}}

    assert with_ratios(run, "ours", {"speed": "times"}) == {
        "ours": {"speed": 6.0, "times": 1.0},
        "theirs": {"speed": 2.0, "times": 3.0},
        "idle": {"speed": 0.0},
        "drain": {},
    }
    assert with_ratios({"theirs": {"speed": 2.0}}, "ours", {"speed": "times"}) == {"theirs": {"speed": 2.0}}


def test_a_turn_whose_control_is_off_is_named() -> None:
    runs = [{"drain": {"events/s": 9.0}, "a": {CONTROL: 10.0}, "b": {CONTROL: cpu}} for cpu in (8.0, 11.0, 8.1)]

    assert off_turns(runs) == ["b, run 2: mongod took 1.4 times the processor time an event of the median run"]
    assert off_turns(runs[1:2]) == []
    assert f"mongod {catchup.CPU}" == CONTROL


def test_shares_of_a_copy_are_those_of_one_run_and_left_out_where_their_base_has_failed() -> None:
    run = {snapshot.FIND: {snapshot.SPEED: 100.0}, snapshot.CATCH_UP: {snapshot.SPEED: 50.0}, "ours": {snapshot.SPEED: 60.0}}

    assert snapshot.with_shares(run) == {
        snapshot.FIND: {snapshot.SPEED: 100.0},
        snapshot.CATCH_UP: {snapshot.SPEED: 50.0, snapshot.OF_FIND: 0.5, snapshot.OF_CATCH_UP: 1.0},
        "ours": {snapshot.SPEED: 60.0, snapshot.OF_FIND: 0.6, snapshot.OF_CATCH_UP: 1.2},
    }
    del run[snapshot.CATCH_UP]
    assert snapshot.OF_CATCH_UP not in snapshot.with_shares(run)["ours"]


def test_the_latency_during_a_snapshot_is_compared_within_a_run_that_has_both() -> None:
    without, during = {"p99": 10.0}, {"p99": 15.0}
    run = {snapshot_latency.WITHOUT: without, snapshot_latency.DURING: during}

    assert snapshot_latency.with_ratio(run) == {
        snapshot_latency.WITHOUT: without,
        snapshot_latency.DURING: {"p99": 15.0, snapshot_latency.RATIO: 1.5},
    }
    assert snapshot_latency.with_ratio({snapshot_latency.DURING: during}) == {snapshot_latency.DURING: during}


def test_the_longest_pause_is_one_that_ends_after_the_fault() -> None:
    assert takeover.longest_pause([1.0, 9.0, 9.5, 13.5, 14.0], since=9.2) == 4.0
    assert takeover.longest_pause([14.0, 1.0, 9.0], since=8.0) == 8.0


def test_another_one_begins_each_run_and_who_has_failed_takes_no_further_part() -> None:
    attempts, all_of_them = Attempts(), [Someone(name) for name in "abc"]
    turns = []

    for number in attempts.numbers(3):
        for each in attempts.in_turn(all_of_them):
            with attempts.of(each.name):
                turns.append(f"{number}{each.name}")
                if each.name == "b":
                    raise SystemExit("no more")

    assert turns == ["0a", "0b", "0c", "1c", "1a", "2c", "2a"]
    assert attempts.failed == {"b": "no more"}


def test_a_signal_is_nobodys_failure() -> None:
    attempts = Attempts()

    with pytest.raises(SystemExit), attempts.of("a"):
        raise SystemExit(143)

    assert attempts.failed == {}


def test_the_first_run_is_always_done_and_none_that_would_be_late() -> None:
    assert [*Attempts(until=0.0).numbers(3)] == [0]


def test_the_parts_share_the_minutes() -> None:
    ends = bench.ends(["catchup", "latency"], 14, 100.0)

    assert ends == {"catchup": pytest.approx(580.0), "latency": pytest.approx(940.0)}
    assert bench.ends(["catchup"], None, 100.0) == {"catchup": None}


def test_the_mix_is_the_same_each_time_and_tells_which_lookups_are_in_vain() -> None:
    documents: set[int] = set()
    updated = []
    for one in operations(200, 100, mix=True):
        kind = type(one).__name__
        if kind == "InsertOne":
            documents.add(one._doc["_id"])
        elif kind == "DeleteOne":
            documents.remove(one._filter["_id"])
        else:
            assert one._filter["_id"] in documents, "an update of a document that is not there is no event"
            updated.append(one._filter["_id"])

    # The size of the documents has a part in the random numbers, so those of the small ones are asked for.
    small = [one._filter["_id"] for one in operations(200, 300, mix=True) if type(one).__name__ == "UpdateOne"]
    assert (len(documents), len(updated)) == (80, 80)
    assert looked_up_in_vain(200, "small") == sum(1 for identity in small if identity < 20) > 0


def test_events_of_a_reply_are_counted_without_decoding_them() -> None:
    from bson import encode

    for events in (0, 1, 12):
        assert number_of_events(encode({"nextBatch": [{"n": n} for n in range(events)], "id": 1})) == events


@pytest.mark.parametrize("path", sorted((HERE / "settings").glob("*.properties")), ids=lambda path: path.stem)
def test_the_settings_of_a_peer_can_be_read(path: Path) -> None:
    settings = properties(path.stem)

    assert settings
    assert all(key == key.strip() and value == value.strip() and value for key, value in settings.items())


def test_mq_bridges_settings_are_a_route() -> None:
    route = json.loads((HERE / "settings" / "mq-bridge.json").read_text())

    assert set(route["input"]) == {"mongodb"}
    assert set(route["output"]) == {"kafka"}


def test_the_jars_have_versions() -> None:
    poms = HERE / "poms"

    assert maven.version(poms / "connect.xml", "org.apache.kafka") == maven.version(
        ROOT / "tests" / "kafka" / "pom.xml", "org.apache.kafka"
    ), "Kafka Connect and the broker are of one release"
    assert maven.version(poms / "debezium.xml", "io.debezium")
    assert maven.version(poms / "mongodb-connector.xml", "org.mongodb.kafka")


def test_the_peers_have_different_names() -> None:
    assert len({peer.name for peer in PEERS.values()}) == len(PEERS)


def test_a_peer_that_copies_is_the_one_that_follows_but_announces_no_end() -> None:
    assert {name: peer.name for name, peer in COPYING_PEERS.items()} == {name: PEERS[name].name for name in COPYING_PEERS}
    assert not any(peer.announces_end for peer in COPYING_PEERS.values())
    assert all(PEERS[name].announces_end for name in COPYING_PEERS)


@pytest.mark.parametrize(("value", "text"), [(41_283.7, "41,300"), (123.6, "124"), (13.42, "13.4"), (0.7561, "0.756"), (2.0, "2")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert report.number(value) == text


def result(**changes: object) -> Result:
    figures = {"events/s": {"median": 40_000.0, "lowest": 39_000.0, "highest": 41_000.0, "runs": 3}}
    return Result(**{"part": "p", "title": "A title", "figures": {"ours": figures}, "conditions": {"Kafka": "4"}, **changes})  # type: ignore[arg-type]


def test_a_table_has_figures_spread_conditions_and_who_is_missing() -> None:
    one = {"lag": {"median": 1.5, "lowest": 1.5, "highest": 1.5, "runs": 1}}
    figures = {**result().figures, "theirs": one}

    text = report.table(
        result(figures=figures, absent={"Debezium": "mvn not\nfound"}, failed={"mq-bridge": "late"}, off=["ours, run 2"]), {}
    )

    assert text.splitlines() == [
        "**A title**, median of 3 runs (lowest-highest).",
        "",
        "|  | events/s | lag |",
        "| --- | ---: | ---: |",
        "| ours | 40,000 (39,000-41,000) |  |",
        "| theirs |  | 1.5 |",
        "",
        "* Debezium is absent: mvn not found",
        "* mq-bridge has failed: late",
        "* ours, run 2",
        "",
        "<sub>Kafka: 4.</sub>",
    ]


def test_only_what_is_between_markers_is_written_and_only_where_there_is_a_result() -> None:
    page = "a\n<!-- benchmarks: p -->\nold\n<!-- /benchmarks -->\nb\n<!-- benchmarks: q -->\nkept\n<!-- /benchmarks -->\n"

    text = report.written(page, {"p": result()})

    assert "old" not in text
    assert text.startswith("a\n<!-- benchmarks: p -->\n**A title**")
    assert text.endswith("b\n<!-- benchmarks: q -->\nkept\n<!-- /benchmarks -->\n")
    assert report.written(text, {"p": result()}) == text


def test_a_page_says_once_what_its_tables_have_in_common_and_each_table_what_it_has_not() -> None:
    place = "<!-- benchmarks: {} -->\n<!-- /benchmarks -->\n"
    results = {
        part: result(part=part, conditions={"measured": part, "Kafka": kafka, "MongoDB": "6"})
        for part, kafka in (("p", "4"), ("q", "4"), ("r", "3"), ("elsewhere", "2"))
    }

    text = report.written("".join(place.format(part) for part in ("conditions", "p", "q", "r")), results)

    assert "<!-- benchmarks: conditions -->\nKafka: 4; MongoDB: 6.\n<!-- /benchmarks -->" in text
    assert [line for line in text.splitlines() if line.startswith("<sub>")] == [
        "<sub>measured: p.</sub>",
        "<sub>measured: q.</sub>",
        "<sub>measured: r; Kafka: 3.</sub>",
    ]
    assert report.written(text, results) == text


def test_a_result_is_read_as_it_was_written_and_replaces_only_its_own_part(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    for each in (result(part="q"), result(title="An older one"), result()):
        each.write(file)

    assert read(file) == {"p": result(), "q": result(part="q")}


def test_every_table_has_its_place_and_the_pages_hold_what_was_measured() -> None:
    text = "".join(page.read_text() for page in report.PAGES)
    places = set(report.MARKED.findall(text) and [match["part"] for match in report.MARKED.finditer(text)])
    tables = {f"catchup-{case}" for case in parts.CASES} | {f"latency-{rate:g}" for rate in parts.RATES}
    tables |= {f"snapshot-{size}" for size in SIZES} | {"snapshot-latency"} | {f"formats-{size}" for size, _ in formats.CASES}
    tables |= {f"compression-{size}" for size, _ in compression.CASES}

    assert places == tables | {"conditions", "databases", "databases-new", "fleet", "growth", "options", "streams", "takeover"}
    for page in report.PAGES:
        assert report.written(page.read_text(), read()) == page.read_text(), "python -m benchmarks.report"


def test_only_the_messages_of_a_tasks_own_topics_count_as_stored(tmp_path: Path) -> None:
    for name, size in (
        ("a.shop.documents-0/0.log", 100),
        ("a.shop.documents-0/0.index", 7),
        ("a.shop.end-0/0.log", 20),
        ("b.shop.end-0/0.log", 1),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))

    assert compression.stored_bytes(tmp_path, "a.shop") == 120


def test_compression_is_compared_with_none_within_a_run_if_that_did_not_fail() -> None:
    lz4 = {"bytes an event": 30.0, "events/s": 80.0}

    run = compression.beside_none({"none": {"bytes an event": 100.0, "events/s": 160.0}, "lz4": lz4})

    assert run["lz4"] == {**lz4, "of none's bytes": 0.3, "of none's events/s": 0.5}
    assert compression.beside_none({"lz4": lz4}) == {"lz4": lz4}


def test_formats_are_compared_with_generic_and_with_their_peer_within_a_run() -> None:
    cost = {"CPU s/million": 5.0, "events/s": 60.0}

    run = formats.beside_others(
        {"generic": {**cost, "CPU s/million": 4.0}, "debezium": cost, "Debezium": {**cost, "events/s": 15.0}}
    )

    assert run["debezium"] == {**cost, "of generic's CPU": 1.25, "of the peer's events/s": 4.0}
    assert "of the peer's events/s" not in run["generic"]
    assert formats.beside_others({"mongodb": cost}) == {"mongodb": cost}


def test_requests_are_counted_by_the_transactions_that_they_ended() -> None:
    assert transactions.per_transaction({"AddPartitionsToTxn": 103, "EndTxn": 100, "Fetch": 0}) == {
        "AddPartitionsToTxn": 1.03,
        "EndTxn": 1,
    }
    assert transactions.per_transaction({"Produce": 3}) == {}


def test_the_plots_are_drawn_from_the_results(tmp_path: Path) -> None:
    latency = {"ours": {f"p{share}": {"median": 1.0, "lowest": 1.0, "highest": 1.0, "runs": 3} for share in (50, 99)}}

    shares = {"ours": {"of the drain": {"median": 0.8, "lowest": 0.8, "highest": 0.8, "runs": 1}}}

    report.draw({"catchup-small-inserts": result(figures=shares), "latency-200": result(figures=latency)}, tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["catchup.svg", "latency.svg"]
