"""The overview of the fleet as the server renders it: the strip, and the choice of rows by the URL."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent_page import NOW, Elements, Page, names_in_order, row
from watcher.agent.page import pages
from watcher.agent.page.row_choice import COLUMNS, RowChoice
from watcher.agent.view.fleet_view import FleetView
from watcher.agent.view.once import MOST_KEPT, OncePerSurvey
from watcher.fleet.status import Row, WatcherState
from watcher.fleet.survey import Survey


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path)


def streaming(name: str, **changes: Any) -> Row:
    return row(name, WatcherState.STREAMING, **{"oplogFull": True, **changes})


def words(page: Page, path: str = "/") -> str:
    return " ".join(Elements(page.get(path).text).text.split())


def figure(page: Page, title: str, path: str = "/") -> str:
    """The words under a title in the strip."""
    found = re.search(rf"<dt>{title}</dt><dd>(.*?)</dd>", page.get(path).text)
    assert found
    return " ".join(Elements(found[1]).text.split())


def chosen(page: Page, path: str) -> list[str]:
    """The addresses of the links that are marked as the present choice."""
    return [link["href"] for link in Elements(page.get(path).text).of("a") if link.get("aria-current") == "true"]


def test_states_are_counted_and_lead_to_their_watchers(page: Page) -> None:
    page.show(
        streaming("a"),
        streaming("b"),
        row("c", WatcherState.FAILED),
        row("d", WatcherState.NOT_STARTED),
        row("e", WatcherState.WAITING),
    )
    assert "5 all 2 streaming 1 waiting 1 failed 0 standby 0 stopped 1 not started" in words(page)
    links = [link["href"] for link in Elements(page.get().text).of("a") if "state=" in link["href"]]
    assert links == ["/?state=streaming", "/?state=waiting", "/?state=failed", "/?state=not_started"]
    assert names_in_order(page.get("/?state=not_started").text) == ["d"]
    assert names_in_order(page.get("/?state=streaming").text) == ["a", "b"]
    assert "5 all 2 streaming" in words(page, "/?state=failed")


def test_the_page_is_made_once_for_all_who_look(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[RowChoice] = []
    whole = pages._fleet

    def make(view: FleetView, survey: Survey, choice: RowChoice, doubt: str) -> bytes:
        made.append(choice)
        return whole(view, survey, choice, doubt)

    monkeypatch.setattr(pages, "_fleet", make)
    page.show(streaming("a"), row("c", WatcherState.FAILED))
    with ThreadPoolExecutor(8) as lookers:
        first, *others = lookers.map(lambda _: page.get("/").text, range(8))
    assert set(others) == {first}
    assert names_in_order(page.get("/?state=failed").text) == ["c"]
    assert made == [RowChoice(), RowChoice(state=WatcherState.FAILED)]
    page.show(streaming("a"))
    assert names_in_order(page.get("/").text) == ["a"]


def test_the_chosen_state_leads_back_to_all(page: Page) -> None:
    page.show(streaming("a"), row("c", WatcherState.FAILED))
    assert chosen(page, "/") == ["/"]
    found = re.search(r'<a href="(\S+)" data-in-place aria-current="true">.*?<b>1</b> failed', page.get("/?state=failed").text)
    assert found
    assert found[1] == "/"
    assert len(chosen(page, "/?state=failed")) == 1


def test_a_chosen_state_that_has_gone_stays_to_be_left(page: Page) -> None:
    page.show(streaming("a"))
    assert "No watcher is backing off now." in words(page, "/?state=backing_off")
    assert "0 backing off" in words(page, "/?state=backing_off")
    assert "table" not in {tag for tag, _ in Elements(page.get("/?state=backing_off").text).all}


@pytest.mark.parametrize("query", ["state=none-such", "state=", "state=failed%00", "nothing=at-all"])
def test_a_choice_without_sense_is_left_out(page: Page, query: str) -> None:
    page.show(streaming("a"), row("c", WatcherState.FAILED))
    assert names_in_order(page.get(f"/?{query}").text) == ["c", "a"]


def test_totals_are_of_all_with_the_watcher_that_is_worst_off(page: Page) -> None:
    page.show(
        streaming("a", eventsPerSecond=1200.4, lagSeconds=3.0, headroomSeconds=90_000),
        streaming("b", eventsPerSecond=34.2, lagSeconds=182.0, headroomSeconds=7200),
        row("c", WatcherState.STOPPED, eventsPerSecond=99.0, lagSeconds=999.0, headroomSeconds=8000, oplogFull=True),
    )
    for path in ("/", "/?state=stopped"):
        assert figure(page, "Events/s of all", path) == "1 235"
        assert figure(page, "Worst lag", path) == "3m2s b"
        assert figure(page, "Least headroom", path) == "2h b"


def test_a_headroom_that_is_a_minimum_comes_after_what_is_known(page: Page) -> None:
    page.show(streaming("a", headroomSeconds=90_000), streaming("b", headroomSeconds=30, oplogFull=False))
    assert figure(page, "Least headroom") == "1d1h a"
    page.show(streaming("b", headroomSeconds=30, oplogFull=False))
    assert figure(page, "Least headroom") == "more than 30s b"


def test_of_a_fleet_that_rests_nothing_is_known(page: Page) -> None:
    page.show(row("a", WatcherState.DISABLED, headroomSeconds=10))
    assert [figure(page, title) for title in ("Events/s of all", "Worst lag", "Least headroom")] == ["0.0", "-", "-"]


@pytest.fixture
def four(page: Page) -> Page:
    """Watchers whose order differs by each column."""
    page.show(
        streaming(
            "a", lagSeconds=1.0, headroomSeconds=900, eventsPerSecond=5.0, lastEventAt=NOW - timedelta(minutes=4), restarts=2
        ),
        streaming(
            "b", lagSeconds=9.0, headroomSeconds=300, eventsPerSecond=7.0, lastEventAt=NOW - timedelta(minutes=1), restarts=0
        ),
        streaming(
            "c", lagSeconds=4.0, headroomSeconds=500, eventsPerSecond=1.0, lastEventAt=NOW - timedelta(minutes=2), restarts=9
        ),
        row("D", WatcherState.FAILED, lagSeconds=50.0, eventsPerSecond=90.0, restarts=1),
    )
    return page


@pytest.mark.parametrize(
    ("key", "rising", "falling"),
    [
        ("name", "abcD", "Dcba"),
        ("state", "Dabc", "cbaD"),
        ("lag", "acbD", "bcaD"),
        ("headroom", "bcaD", "acbD"),
        ("rate", "cabD", "bacD"),
        ("event", "acbD", "bcaD"),
        ("restarts", "bDac", "caDb"),
    ],
)
def test_the_table_is_sorted_by_each_column_in_both_directions(four: Page, key: str, rising: str, falling: str) -> None:
    assert "".join(names_in_order(four.get(f"/?sort={key}").text)) == rising
    assert "".join(names_in_order(four.get(f"/?sort=-{key}").text)) == falling


def test_a_heading_sorts_by_its_column_and_then_the_other_way_round(four: Page) -> None:
    for key, column in COLUMNS.items():
        first = heading(four, "/?sort=state" if key != "state" else "/?sort=name", key)
        assert "aria-sort" not in first
        second = heading(four, first["href"], key)
        third = heading(four, second["href"], key)
        expected = ["descending", "ascending"] if column.falls else ["ascending", "descending"]
        assert [second["aria-sort"], third["aria-sort"]] == expected
        marked = [head for head in Elements(four.get(second["href"]).text).of("th") if "aria-sort" in head]
        assert len(marked) == 1


def heading(page: Page, path: str, key: str) -> dict[str, str]:
    """The attributes of a column's heading and of the link in it."""
    elements = Elements(page.get(path).text).all
    (place,) = (number for number, (_, attributes) in enumerate(elements) if attributes.get("id") == f"by-{key}")
    return elements[place][1] | elements[place + 1][1]


def test_the_order_stays_when_rows_are_chosen_and_the_choice_when_they_are_sorted(four: Page) -> None:
    links = {link["href"] for link in Elements(four.get("/?state=streaming&q=a&sort=-lag").text).of("a")}
    assert {"/?state=failed&sort=-lag", "/?state=streaming&q=a&sort=lag", "/?state=streaming&q=a", "/?sort=-lag"} <= links
    fields = Elements(four.get("/?state=streaming&q=a&sort=-lag").text).of("input")
    assert {(field["name"], field["value"]) for field in fields if field.get("type") == "hidden"} == {
        ("state", "streaming"),
        ("sort", "-lag"),
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [("shop", ["shop_eu", "shop_us"]), ("EU+shop", ["shop_eu"]), ("warehouse", ["crm"]), ("%20", ["crm", "shop_eu", "shop_us"])],
)
def test_text_is_looked_for_in_names_and_databases(page: Page, text: str, found: list[str]) -> None:
    page.show(*(streaming(name, database="Warehouse" if name == "crm" else name) for name in ("crm", "shop_eu", "shop_us")))
    assert names_in_order(page.get(f"/?q={text}").text) == found
    assert (f"{len(found)} of 3 watchers shown" in words(page, f"/?q={text}")) == (len(found) < 3)


def test_hostile_text_is_only_ever_text(page: Page) -> None:
    page.show(streaming("a"))
    answer = page.get("/?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E%E2%80%AE&sort=-%22%3E%3Cb%3E")
    assert Elements(answer.text).of("img") == []
    assert [field["value"] for field in Elements(answer.text).of("input") if field.get("name") == "q"] == [
        '"><img src=x onerror=alert(1)>\u202e'
    ]
    assert 'has “"><img src=x onerror=alert(1)>\\u202e” in its name' in words(
        page, "/?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E%E2%80%AE"
    )
    assert len(page.get(f"/?q={'x' * 9999}").text) < 20_000


def test_only_pages_about_watchers_send_forms(tmp_path: Path) -> None:
    page = Page(tmp_path, host="192.0.2.1", token="a-token-of-the-tests")
    page.show(streaming("shop"))
    assert "form-action 'none'" in page.get().headers["content-security-policy"]  # else the token would be in a URL
    open_page = Page(tmp_path)
    open_page.show(streaming("shop"))
    assert "form-action 'self'" in open_page.get().headers["content-security-policy"]


def test_the_scale_of_the_sparklines_is_said_once(page: Page) -> None:
    page.show(streaming("a"), streaming("b"))
    assert words(page).count("Events/s last 5 min, 0 to 1, log") == 1


def test_more_choices_than_are_kept_take_the_place_of_the_oldest() -> None:
    made, texts = Counter[int](), OncePerSurvey()
    survey = Survey(NOW, None, ())

    def get(key: int) -> None:
        def make() -> bytes:
            made[key] += 1
            return b""

        texts.get(survey, key, make)

    for _ in range(3):
        for key in range(MOST_KEPT):
            get(key)
    assert made == dict.fromkeys(range(MOST_KEPT), 1)
    get(MOST_KEPT)
    get(1)
    get(0)
    assert (made[0], made[1]) == (2, 1)
