"""Explicit-state model of the lease: workers on several hosts, run through the code that decides.

Every interleaving is explored: who acts next, what Kafka does when, and some faults in any order. A host is killed and starts
again, a main loop hangs, a session is lost, the group's coordinator forgets its members, an answer does not come; and somebody
wants a switchover. Somebody who is frozen is somebody who does not act for a while. A level follows the group at any time later,
each worker's by itself. Time is not counted: a wait may be over at any moment.

The broker is that of `takeover_model`; `changes` are the messages so far, each with its event's number and its writer, as in 1:A2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.support.exploration import Exploration
from tests.support.takeover_model import Broker, Changes, Write, committed, fenced_by, owner, stamp
from watcher.kafka.lease_rules import AWAY_SECONDS, DISPLACED_SECONDS, HUNG_SECONDS, Turn, belongs_in_group, next_turn
from watcher.kafka.succession import NextStep, Patience, as_fenced_worker


class Group(NamedTuple):
    """Kafka's group: the processes in it, and which of them has the lease; "" if none."""

    members: frozenset[str] = frozenset()
    assigned: str = ""


class Worker(NamedTuple):
    """A worker in its `life`-th process. `read` is the position that it goes on from; `displaced` is "", "now", or "long ago".

    `away`: it has left the lease to another one.
    """

    name: str
    phase: str = "idle"
    life: int = 1
    level: bool = False
    claimed: bool = False
    displaced: str = ""
    away: bool = False
    read: Changes = ()
    has_lease: bool = True

    @property
    def record(self) -> str:
        return f"{self.name}{self.life}"


class State(NamedTuple):
    """All of it; `faults` are those that may still happen, and `events` those that MongoDB has."""

    workers: tuple[Worker, ...]
    faults: int
    events: int = 1
    broker: Broker = Broker()
    group: Group = Group()


@dataclass(frozen=True, slots=True)
class Rules:
    """The decisions: those of the code, or others, to see that they are found out."""

    turn: Callable[[bool, float | None, float], Turn] = next_turn
    belongs: Callable[[float, float | None, float], bool] = belongs_in_group
    forgets_its_claim: bool = True
    claims_before_it_reads: bool = True


def successors(state: State, rules: Rules) -> Iterator[State]:
    """Every next state."""
    broker, group, faults = state.broker, state.group, state.faults
    if broker.sent:
        yield state._replace(broker=broker._replace(sent=None, prepared=broker.sent))
    if broker.prepared:
        yield state._replace(broker=committed(broker))
    yield from (state._replace(group=after) for after in _group_steps(state))
    for place, worker in enumerate(state.workers):
        for after, following in _main_loop_steps(state, worker, rules):
            yield _with(state, place, following)._replace(broker=after)
        for members, following in _thread_steps(group, worker, rules):
            yield _with(state, place, following)._replace(group=members)
        if faults:
            yield from (_with(state, place, hurt)._replace(faults=faults - 1) for hurt in _faults(worker))
    if faults and broker.newest:
        yield state._replace(broker=fenced_by(broker, "X")._replace(newest="X1!"), faults=faults - 1)  # a switchover
    if faults and group.members:
        yield state._replace(group=Group(), faults=faults - 1)  # the coordinator is lost
    if faults and group.assigned:
        without = group._replace(members=group.members - {group.assigned})
        yield state._replace(group=without, faults=faults - 1)  # a session is lost


def _faults(worker: Worker) -> Iterator[Worker]:
    if worker.phase not in ("ended", "hung"):
        yield Worker(worker.name, life=worker.life + 1, has_lease=worker.has_lease)  # killed, and started again
        yield worker._replace(phase="hung")
    if worker.phase in ("claim", "run", "sent"):
        yield worker._replace(phase="idle")  # no answer came


def _group_steps(state: State) -> Iterator[Group]:
    group = state.group
    living = {worker.record for worker in state.workers}
    for gone in group.members - living:
        yield group._replace(members=group.members - {gone})
    if group.assigned not in group.members:
        yield from (group._replace(assigned=member) for member in group.members or {""} if member != group.assigned)


def _thread_steps(group: Group, worker: Worker, rules: Rules) -> Iterator[tuple[Group, Worker]]:
    """The lease's thread, which goes on while the main loop hangs."""
    if not worker.has_lease:
        return
    assigned = group.assigned == worker.record and worker.record in group.members
    if worker.level != assigned:
        yield group, worker._replace(level=assigned)
    now = HUNG_SECONDS if worker.phase == "hung" else 0.0
    belongs = rules.belongs(0.0, now if worker.away else None, now)
    if worker.away and rules.belongs(AWAY_SECONDS, 0.0, AWAY_SECONDS):
        yield group, worker._replace(away=False)  # nobody has come
    if belongs and worker.record not in group.members:
        yield group._replace(members=group.members | {worker.record}), worker
    elif not belongs and worker.record in group.members:
        yield group._replace(members=group.members - {worker.record}), worker._replace(level=False)


def _main_loop_steps(state: State, worker: Worker, rules: Rules) -> Iterator[tuple[Broker, Worker]]:
    broker = state.broker
    holds = broker.holder == worker.name
    if worker.phase == "idle":
        yield from ((broker, after) for after in _turned(broker.newest, worker, rules))
    elif worker.phase == "open":
        yield from _opened(broker, worker, rules)
    elif worker.phase in ("claim", "run", "sent") and not holds:
        yield broker, worker._replace(phase="idle")  # the error of somebody who is fenced
    elif worker.phase == "claim":
        yield broker._replace(newest=worker.record), worker._replace(phase="read", claimed=True)
    elif worker.phase == "read":
        known = broker.changes if rules.claims_before_it_reads else worker.read
        yield broker, worker._replace(phase="run", read=known)
    elif worker.phase == "run":
        yield from _streamed(broker, worker, state.events)
    elif worker.phase == "sent" and not broker.sent and not broker.prepared:
        yield broker, worker._replace(phase="run", read=broker.changes)


def _turned(newest: str, worker: Worker, rules: Rules) -> Iterator[Worker]:
    displaced_at = 0.0 if worker.displaced else None
    turn = rules.turn(worker.level, displaced_at, DISPLACED_SECONDS if worker.displaced == "long ago" else 0.0)
    if not worker.has_lease or turn is Turn.OPEN:
        yield worker._replace(phase="open", displaced="")
    elif turn is Turn.WAIT:
        yield worker._replace(displaced="long ago")
    else:
        displaced = worker.displaced if worker.level else ""
        away = worker.away and (not newest.isalnum() or newest == worker.record)
        yield worker._replace(claimed=worker.claimed and not rules.forgets_its_claim, displaced=displaced, away=away, read=())


def _opened(broker: Broker, worker: Worker, rules: Rules) -> Iterator[tuple[Broker, Worker]]:
    answer = NextStep.OPEN
    if worker.claimed:
        newest = stamp(broker.newest)
        answer, patience = as_fenced_worker(newest, owner(worker.record), Patience(), 0.0)
        if newest.command and patience != Patience() and worker.has_lease:
            yield broker, worker._replace(phase="idle", level=False, away=True)
            return
    if answer is NextStep.OPEN:
        yield fenced_by(broker, worker.name), worker._replace(phase="claim", read=broker.changes)
    elif worker.has_lease:
        yield broker, worker._replace(phase="idle", displaced="now", claimed=not rules.forgets_its_claim)
    else:
        yield broker, worker._replace(phase="ended")


def _streamed(broker: Broker, worker: Worker, events: int) -> Iterator[tuple[Broker, Worker]]:
    if worker.has_lease and not worker.level:
        yield broker, worker._replace(phase="idle")
    elif len(worker.read) < events:
        message = f"{len(worker.read) + 1}:{worker.record}"
        write = Write(worker.name, worker.record, (*worker.read, message))
        yield broker._replace(sent=write), worker._replace(phase="sent")


def _with(state: State, place: int, worker: Worker) -> State:
    workers = state.workers
    return state._replace(workers=(*workers[:place], worker, *workers[place + 1 :]))


def explore(start: State, rules: Rules) -> Exploration[State]:
    """All states that can be reached from `start`, and the faults among them."""
    explored = Exploration(start, lambda state: successors(state, rules), _judge, is_well)
    if stuck := next(filter(_may_recover, explored.stuck()), None):
        explored.found("nobody will ever be active again", stuck)
    return explored


def _judge(before: State, state: State) -> Iterator[str]:
    old, new = before.broker.changes, state.broker.changes
    if new != old and (new[:-1] != old or not new[-1].startswith(f"{len(new)}:")):
        yield "two have written: an event is doubled, lost or out of order"
    if any(worker.phase == "ended" and worker.has_lease for worker in state.workers):
        yield "a worker with a lease has ended"
    if is_well(before) and not is_well(state) and before.faults == state.faults:
        yield "a worker that is active is disturbed by another one"


def _may_recover(state: State) -> bool:
    return any(worker.has_lease and worker.phase != "hung" for worker in state.workers)


def is_well(state: State) -> bool:
    """Return True if one worker is active, and all others know that they are not."""
    active = [worker for worker in state.workers if worker.level]
    if len(active) != 1 or state.group.assigned != active[0].record or state.group.assigned not in state.group.members:
        return False
    others = [worker for worker in state.workers if not worker.level]
    settled = all(
        other.phase in ("hung", "ended") or (other.phase == "idle" and other.has_lease and not other.claimed) for other in others
    )
    streams = active[0].phase in ("run", "sent") and not active[0].away
    return settled and streams and state.broker.holder == active[0].name
