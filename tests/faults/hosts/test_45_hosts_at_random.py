"""Row 45: both hosts are killed, frozen, stopped and started at random.

Goal: never are two active in effect, and one is whenever one can be. Nothing is lost, doubled or out of order. A host that is
killed or frozen is replaced within ten seconds, one that is told to stop within a few.
Method: a scheduler does one thing after the other to two hosts under a steady load. Every other time the other host stands by, and
the takeover is timed; else things come one upon the other, to whichever host, and both may be away. 12 takeovers in the short form,
200 in the long one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from tests.faults.conftest import Compare
from tests.support.doctoring import as_settings
from tests.support.fault_matrix import FaultReport
from tests.support.hosts import Host, seconds_to_takeover, settled, takeovers
from tests.support.load import Load
from watcher.errors import Outage
from watcher.model import Delivered
from watcher.position.switchover import SwitchoverRefused, switch_over

pytest_plugins = ["tests.support.worker_fixtures"]

TAKEOVERS, TAKEOVERS_LONG = 12, 200
CALM = 0.6
"""The share of steps that are timed, with the other host standing by."""

LONGEST_PAUSE_S = 8.0
"""Longer than a session of the group, so that some of those who are away have been replaced when they come back, and some not."""

SETTLED_TIMEOUT_S = 120.0
"""A worker that was killed again and again in a minute holds itself back for up to a minute."""


Way = Callable[[Host], None]
BACK: dict[Way, Way] = {Host.kill: Host.start, Host.freeze: Host.wake, Host.stop: Host.start, Host.down: Host.start}
"""Ways to take a host away, and the way in which it comes back from each."""


class Scene:
    """Two hosts, all that can be done to them, and the times of the takeovers."""

    def __init__(self, hosts: Sequence[Host], settings: dict[str, Any], rng: Random) -> None:
        self.hosts = hosts
        self.failovers: list[float] = []
        """Seconds until the other host streamed, after a host was killed or frozen."""
        self.handovers: list[float] = []
        """The same, after one was told to stop or to switch over."""
        self._settings = as_settings(settings | {"high_availability": True})
        self._rng = rng
        self._away: dict[Host, Way] = {}
        """Hosts that are away, with the way in which each comes back."""

    def settle(self) -> tuple[Host, Host]:
        """Bring all hosts back; returns the one that streams and the one that stands by, once they do."""
        while self._away:
            host, come_back = self._away.popitem()
            come_back(host)
        return settled(self.hosts, SETTLED_TIMEOUT_S)

    def calm_step(self) -> None:
        """Take the active host away, and time how long the other one needs."""
        active, standby = self.settle()
        way = self._rng.choice([Host.kill, Host.freeze, Host.stop, Host.down, self.switch_over])
        begun = time.time()
        self._do(way, active)
        seconds = seconds_to_takeover(standby, begun)
        (self.failovers if way in (Host.kill, Host.freeze) else self.handovers).append(seconds)
        print(f"{way.__name__}: {seconds:.1f} s")

    def wild_step(self) -> None:
        """Do something to some host, or bring one back, whatever the other one does."""
        host = self._rng.choice(self.hosts)
        if come_back := self._away.pop(host, None):
            come_back(host)
        else:
            self._do(self._rng.choice([*BACK, Host.kill_worker, self.switch_over]), host)
        time.sleep(self._rng.uniform(0, LONGEST_PAUSE_S))

    def switch_over(self, _: Host) -> None:
        """As `watcherctl switchover`. It may be refused, or find nobody who answers, while a host is away."""
        try:
            switch_over(self._settings, Delivered())
        except (SwitchoverRefused, Outage) as error:
            print(error)

    def _do(self, way: Way, host: Host) -> None:
        way(host)
        if way in BACK:
            self._away[host] = BACK[way]


@pytest.mark.timeout(600)
def test_takeovers_at_random(
    hosts: tuple[Host, Host],
    settings: dict[str, Any],
    load: Load,
    rng: Random,
    compare: Compare,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    scene = Scene(hosts, settings, rng)
    with load:
        while takeovers(hosts) < (TAKEOVERS_LONG if long_form else TAKEOVERS):
            scene.calm_step() if rng.random() < CALM else scene.wild_step()
            fault_report.count(faults=1)
        scene.settle()
    compare()
    for seconds in scene.failovers:
        fault_report.recovered(seconds)
    fault_report.remark(f"{takeovers(hosts)} takeovers")
    if scene.handovers:
        median, worst = statistics.median(scene.handovers), max(scene.handovers)
        fault_report.remark(f"{len(scene.handovers)} orderly ones in {median:.1f} s, at most {worst:.1f} s")
