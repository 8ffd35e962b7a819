"""Waits between two transactions."""

from __future__ import annotations

import pytest

from watcher.kafka.transactions.pause import LONGEST_SECONDS, RECENT, TransactionPause


def test_before_the_first_transaction_there_is_nothing_to_wait_for() -> None:
    assert TransactionPause().seconds == 0


@pytest.mark.parametrize(
    ("taken", "seconds"),
    [
        ([0.004], 0.002),
        ([0.004, 0.003, 0.022], 0.0015),  # a refused one is no measure
        ([0.5, 2.0], LONGEST_SECONDS),
        ([0.001, *[0.005] * RECENT], 0.0025),
    ],
)
def test_it_is_half_of_the_fastest_of_the_last_ones(taken: list[float], seconds: float) -> None:
    pause = TransactionPause()
    for each in taken:
        pause.committed(each)
    assert pause.seconds == seconds
