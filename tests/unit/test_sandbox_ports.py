"""Servers that are about to start do not get each other's ports."""

from __future__ import annotations

from collections import deque

import pytest

from watcher.sandbox import process


def test_a_port_that_was_given_out_is_not_given_out_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_given", deque())
    monkeypatch.setattr(process, "PORTS", range(27_000, 27_020))
    monkeypatch.setattr(process, "is_free", lambda _port: True)
    ports = [process.free_port() for _ in range(100)]
    assert all(len({*ports[start : start + 10]}) == 10 for start in range(90))
