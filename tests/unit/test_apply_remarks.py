"""Words of `watcherctl apply` about collections that a watcher watches newly."""

from __future__ import annotations

import pytest

from watcher.cli.fleet.outcomes import Outcomes
from watcher.cli.fleet.remarks import tell_newly_watched

REST = "newly watched; the documents that are there already are not copied. To copy them: watcherctl snapshot start shop"


@pytest.mark.parametrize(
    ("admitted", "told"),
    [
        (["orders", "b*"], f"orders, b*: {REST} --collection orders --collection 'b*'"),
        (["all collections"], f"all collections instead of some: {REST}"),
        (["all collections", "sessions", "logs"], f"all collections instead of some (also sessions, logs): {REST}"),
        (["crm.*", "all collections"], f"all collections instead of some (also crm.*): {REST}"),
    ],
)
def test_what_is_newly_watched(admitted: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell_newly_watched({"shop": admitted}, Outcomes(as_json=False))
    assert capsys.readouterr().err == f"shop: {told}\n"
