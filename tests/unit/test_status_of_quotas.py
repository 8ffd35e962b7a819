"""A quota of Kafka's that is used up, as `watcherctl status` tells of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.status_reports import NOW, dashboard, survey_of
from watcher.cli.fleet.status_view import plain

TOLD = "dashboard: Kafka held its writes back for 41 s of the last minute, because a quota is used up"
HINT = "    hint: Kafka's quota for this principal or client id is used up; kafka-configs.sh shows and raises it."


def test_the_status_says_why_a_watcher_lags() -> None:
    assert plain(survey_of(dashboard(throttledSeconds=41.3, lastError=None))).splitlines()[-2:] == [TOLD, HINT]


@pytest.mark.parametrize("report", [{"throttledSeconds": 0.4}, {"throttledSeconds": 41.3, "updatedAt": NOW - timedelta(minutes=5)}])
def test_what_is_little_or_long_ago_is_not_told(report: dict[str, Any]) -> None:
    assert "quota" not in plain(survey_of(dashboard(**report)))
