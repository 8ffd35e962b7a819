"""`position set NAME --from OTHER`: which position is chosen, and what somebody should know before."""

from __future__ import annotations

from typing import Any

import pytest

from watcher.cli.delivery.other_positions import OtherPosition, beside, remarks
from watcher.config import Settings
from watcher.model import ResumeToken

NOON = 1_704_110_400


def settings(name: str, database: str = "", host: str = "h", **values: Any) -> Settings:
    scope = {} if database else {"watch_databases": ["tenant_*"]}
    uri = f"mongodb://{host}/{database}"
    return Settings(name=name, mongodb_uri=uri, kafka_brokers="h:9092", kafka_client_id=name, **scope, **values)


def token(second: int, event: str = "00") -> ResumeToken:
    return {"_data": f"82{NOON + second:08X}0000000{event}"}


class AnyTimeline:
    """Goes on after any token, and at the time of any."""

    def after(self, token: ResumeToken) -> ResumeToken:
        return {"_data": f"after {token['_data']}"}

    def beside(self, token: ResumeToken) -> ResumeToken:
        return {"_data": f"at the time of {token['_data']}"}


def chosen(target: Settings, *others: OtherPosition) -> tuple[ResumeToken, str]:
    timeline: Any = AnyTimeline()
    seen: Any = None
    return beside(target, others)(seen, timeline)


def test_a_token_of_the_same_database_holds_as_it_is() -> None:
    place, what = chosen(settings("new", "tenant_1"), OtherPosition(settings("old", "tenant_1"), token(3)))
    assert (place["_data"], what) == (f"after {token(3)['_data']}", "where old is")


@pytest.mark.parametrize(("new", "old"), [("", "tenant_1"), ("tenant_1", ""), ("tenant_1", "tenant_2")])
def test_of_a_token_of_another_stream_only_the_time_holds(new: str, old: str) -> None:
    place, _ = chosen(settings("new", new), OtherPosition(settings("old", old), token(3)))
    assert place["_data"] == f"at the time of {token(3)['_data']}"


def test_of_several_the_one_furthest_behind_is_told() -> None:
    others = [OtherPosition(settings(f"t{number}", f"tenant_{number}"), token(number)) for number in range(3)]
    assert chosen(settings("all"), *others)[1] == "where t0 is, the furthest behind of 3 watchers"
    [remark] = remarks(settings("all"), others)
    assert remark == "t0 is at 2024-01-01T12:00:00.000Z and t2 at 2024-01-01T12:00:02.000Z: changes in between come twice"


def test_what_runs_and_what_is_elsewhere_is_told() -> None:
    others = [
        OtherPosition(settings("a", "tenant_1", "h,i"), token(1), runs=True),
        OtherPosition(settings("b", "tenant_2", "j"), token(1)),
        OtherPosition(settings("c", "tenant_3", "k"), token(1), copies=True),
    ]
    first, second, third = remarks(settings("all", host="i,k"), others)
    assert first == "a runs: what it delivers from now on comes twice (watcherctl stop a)"
    assert second == "b names other hosts in mongodb_uri; its position means nothing in another MongoDB"
    assert third.startswith("c has not finished its snapshot, which does not move")
