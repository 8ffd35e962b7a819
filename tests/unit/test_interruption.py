"""Signals raise where they may, once, and nowhere else."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from watcher.cli.interruption import SIGNALS, Interruption


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The process that runs the tests goes on to hear signals."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_block(number: signal.Signals) -> None:
    reached = []
    with Interruption() as interruption:
        with interruption.ends_block():
            signal.raise_signal(number)
            reached.append("the end of the block")
        assert interruption.arrived
    assert reached == []


def test_an_error_that_a_library_makes_of_it_ends_the_block_as_quietly() -> None:
    with Interruption() as interruption, interruption.ends_block():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise TypeError("expected configuration property name as type unicode string") from None


def test_outside_of_a_block_it_is_only_noted() -> None:
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.arrived
        with interruption.ends_block():
            interruption.check()
            pytest.fail("the signal came before")


def test_cleaning_up_is_not_cut_short() -> None:
    with Interruption() as interruption:
        with interruption.ends_block():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)


def test_a_part_can_be_done_to_its_end_first() -> None:
    done = []
    with Interruption() as interruption, interruption.ends_block():
        with interruption.held_back():
            signal.raise_signal(signal.SIGTERM)
            done.append("the part")
        done.append("what follows")
    assert done == ["the part"]


def test_other_errors_pass() -> None:
    with Interruption() as interruption, pytest.raises(ValueError, match="x"), interruption.ends_block():
        raise ValueError("x")


def test_a_signal_after_the_first_does_not_end_the_process_on_its_last_steps() -> None:
    with Interruption():
        signal.raise_signal(signal.SIGINT)
    for number in SIGNALS:
        signal.raise_signal(number)


def test_handlers_are_put_back() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with Interruption():
        assert signal.getsignal(signal.SIGINT) != before[signal.SIGINT]
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            with interruption.ends_block():
                signal.raise_signal(signal.SIGHUP)
            assert not interruption.arrived
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
