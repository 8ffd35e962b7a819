"""Explicit-state model of workers and commands that share one transactional id, run through the code that decides.

Every interleaving is explored: who acts next, what Kafka does when, whose answer is lost, who is killed. Somebody who is frozen is
somebody who does not act for a while. Time is not counted: a wait for a claim may be over at any moment, by the waiter's own clock.

What Kafka does (KIP-98): `init_transactions` fences the holder before, aborts its open transaction, and finishes one whose commit
has begun. A commit that was sent may be worked off long after its sender has given up waiting, unless it was fenced meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, TypeVar

from tests.support.exploration import Exploration
from watcher.kafka.ownership import COMMAND_SECONDS
from watcher.kafka.position import Command, Stamp
from watcher.kafka.succession import NextStep, Patience, as_command, as_fenced_worker
from watcher.model import Owner

Actor = TypeVar("Actor")
Changes = tuple[str, ...]
"""Names of the commands whose changes a position contains, in their order."""

COMMAND_ENDED = frozenset({"done", "gave up", "killed"})
WORKER_ENDED = frozenset({"ended"})


@cache
def owner(writer: str) -> Owner:
    """The owner whose writer is such as W2, the second process of worker W, or X1, the first attempt of command X."""
    return Owner(writer, "host", 1)


@cache
def stamp(record: str) -> Stamp:
    """The stamp of a record: W2 is one of a worker, X1? is a claim of a command, and X1! its position."""
    if record.isalnum():
        return Stamp(owner(record))
    wait_seconds = COMMAND_SECONDS if record.endswith("?") else 0
    return Stamp(owner(record[:-1]), command=Command(record[0], ""), wait_seconds=wait_seconds)


class Wait(NamedTuple):
    """A patience: the record that was seen, and True once the waiter's clock says that it has waited long enough."""

    record: str = ""
    over: bool = False

    def asked(self, decide: Callable[[Patience, float], tuple[NextStep, Patience]], newest: str) -> tuple[NextStep, Wait]:
        """Let the code decide, and keep the patience that it returns."""
        before = Patience(stamp(self.record), 0.0 if self.over else COMMAND_SECONDS) if self.record else Patience()
        answer, after = decide(before, 0.0)
        return answer, self if after == before else Wait(newest, over=after.ends <= 0.0)


class Write(NamedTuple):
    """A transaction with a position."""

    sender: str
    record: str
    changes: Changes


class Broker(NamedTuple):
    """Kafka: `sent` waits to be worked off, and `prepared` will be committed whatever happens. `newest` is empty at first."""

    holder: str = ""
    newest: str = ""
    changes: Changes = ()
    sent: Write | None = None
    prepared: Write | None = None


class Worker(NamedTuple):
    """A worker in its `life`-th process; `claimed` once its name was written, `read` is the position that it goes on from."""

    name: str
    phase: str = "open"
    life: int = 1
    claimed: bool = False
    read: Changes = ()
    wait: Wait = Wait()

    @property
    def record(self) -> str:
        return f"{self.name}{self.life}"


class Asker(NamedTuple):
    """A command in its `attempt`-th attempt; `known`: no earlier attempt's outcome is open."""

    name: str
    phase: str = "look"
    attempt: int = 1
    known: bool = True
    wait: Wait = Wait()

    def record(self, kind: str) -> str:
        return f"{self.name}{self.attempt}{kind}"


class State(NamedTuple):
    """All of it; `kills` are those of workers that may still happen."""

    broker: Broker
    workers: tuple[Worker, ...]
    commands: tuple[Asker, ...]
    kills: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """The decisions: those of the code, or others, to see that they are found out."""

    is_tried_again: Callable[[int], bool]
    worker: Callable[[Stamp, Owner, Patience, float], tuple[NextStep, Patience]] = as_fenced_worker
    command: Callable[[Stamp, Command, Patience, float], tuple[NextStep, Patience]] = as_command
    takes_over_to_look: bool = True
    looks_into_history: bool = True
    signs_its_position: bool = True


def committed(broker: Broker) -> Broker:
    """Finish the prepared transaction."""
    write = broker.prepared
    return broker._replace(newest=write.record, changes=write.changes, prepared=None) if write else broker


def fenced_by(broker: Broker, name: str) -> Broker:
    """`init_transactions` by `name`."""
    return committed(broker)._replace(holder=name, sent=None)


def successors(state: State, rules: Rules) -> Iterator[State]:
    """Every next state."""
    broker = state.broker
    yield from (state._replace(broker=after) for after in _broker_steps(broker))
    for place, worker in enumerate(state.workers):
        for after, next_worker in _worker_steps(broker, worker, rules):
            yield state._replace(broker=after, workers=_with(state.workers, place, next_worker))
        if state.kills and worker.phase not in WORKER_ENDED:
            reborn = Worker(worker.name, life=worker.life + 1)
            yield state._replace(workers=_with(state.workers, place, reborn), kills=state.kills - 1)
    for place, command in enumerate(state.commands):
        for after, next_command in _command_steps(broker, command, rules):
            yield state._replace(broker=after, commands=_with(state.commands, place, next_command))
        if command.phase not in COMMAND_ENDED:
            yield state._replace(commands=_with(state.commands, place, Asker(command.name, "killed")))


def _broker_steps(broker: Broker) -> Iterator[Broker]:
    if broker.sent:
        yield broker._replace(sent=None, prepared=broker.sent)
    if broker.prepared:
        yield committed(broker)


def _worker_steps(broker: Broker, worker: Worker, rules: Rules) -> Iterator[tuple[Broker, Worker]]:
    holds = broker.holder == worker.name
    failed = worker._replace(phase="fenced" if worker.claimed else "open", read=())
    if worker.phase == "fenced":
        yield from ((broker, after) for after in _looked(broker, worker, rules))
    elif worker.phase == "open":
        yield fenced_by(broker, worker.name), worker._replace(phase="claim")
    elif worker.phase == "claim" and holds:
        claimed = broker._replace(newest=worker.record)
        yield claimed, worker._replace(phase="read", claimed=True, wait=Wait())
        yield claimed, failed  # no answer came
    elif worker.phase == "read":
        yield broker, worker._replace(phase="run", read=broker.changes)
    elif worker.phase == "run" and holds and not broker.sent and not broker.prepared:
        yield broker._replace(sent=Write(worker.name, worker.record, worker.read)), worker
    if worker.phase in ("claim", "run"):
        yield broker, failed  # it is fenced, or there was an outage


def _looked(broker: Broker, worker: Worker, rules: Rules) -> Iterator[Worker]:
    def decide(patience: Patience, now: float) -> tuple[NextStep, Patience]:
        return rules.worker(stamp(broker.newest), owner(worker.record), patience, now)

    answer, wait = worker.wait.asked(decide, broker.newest)
    yield worker._replace(phase={NextStep.OPEN: "open", NextStep.WAIT: "fenced", NextStep.END: "ended"}[answer], wait=wait)
    if answer is NextStep.WAIT:
        yield worker._replace(wait=wait._replace(over=True))


def _command_steps(broker: Broker, command: Asker, rules: Rules) -> Iterator[tuple[Broker, Asker]]:
    holds = broker.holder == command.name
    if command.phase == "look":
        yield from ((broker, after) for after in _looked_for_others(broker, command, rules))
    elif command.phase == "init":
        yield fenced_by(broker, command.name), command._replace(phase="claim", wait=Wait())
    elif command.phase == "claim" and holds:
        claimed = broker._replace(newest=command.record("?"))
        yield claimed, command._replace(phase="read")
        yield claimed, _failed(command, rules)  # no answer came
    elif command.phase == "read":
        yield broker, _read(broker, command, rules)
    elif command.phase in ("write", "release") and holds:
        yield from _written(broker, command, rules)
    elif command.phase == "sent":
        yield from _answered(broker, command, rules)
    elif command.phase == "release":
        yield broker, Asker(command.name, "done")
    if command.phase in ("claim", "write"):
        yield broker, _failed(command, rules)


def _looked_for_others(broker: Broker, command: Asker, rules: Rules) -> Iterator[Asker]:
    def decide(patience: Patience, now: float) -> tuple[NextStep, Patience]:
        return rules.command(stamp(broker.newest), Command(command.name, ""), patience, now)

    answer, wait = command.wait.asked(decide, broker.newest) if broker.newest else (NextStep.OPEN, Wait())
    yield command._replace(phase="init" if answer is NextStep.OPEN else "look", wait=wait)
    if answer is NextStep.WAIT:
        yield command._replace(wait=wait._replace(over=True))


def _read(broker: Broker, command: Asker, rules: Rules) -> Asker:
    if rules.looks_into_history and command.name in broker.changes:
        return command._replace(phase="release")
    return command._replace(phase="write", known=True)


def _written(broker: Broker, command: Asker, rules: Rules) -> Iterator[tuple[Broker, Asker]]:
    record = command.record("!") if rules.signs_its_position else f"{command.name}{command.attempt}"
    if command.phase == "release":
        yield broker._replace(sent=Write(command.name, record, broker.changes)), Asker(command.name, "done")
    else:
        write = Write(command.name, record, (*broker.changes, command.name))
        yield broker._replace(sent=write), command._replace(phase="sent", known=False)


def _answered(broker: Broker, command: Asker, rules: Rules) -> Iterator[tuple[Broker, Asker]]:
    if command.name in broker.changes:
        yield broker, Asker(command.name, "done")
    if rules.takes_over_to_look:
        yield broker, _failed(command, rules)  # no answer came, or it is fenced
    elif command.name not in broker.changes:
        yield broker, _failed(command._replace(known=True), rules)


def _failed(command: Asker, rules: Rules) -> Asker:
    if rules.is_tried_again(command.attempt):
        return Asker(command.name, "look", command.attempt + 1, command.known)
    return Asker(command.name, "gave up", known=command.known)


def _with(items: tuple[Actor, ...], place: int, item: Actor) -> tuple[Actor, ...]:
    return (*items[:place], item, *items[place + 1 :])


def explore(start: State, rules: Rules) -> Exploration[State]:
    """All states that can be reached from `start`, and the faults among them."""
    explored = Exploration(start, lambda state: successors(state, rules), _judge, _is_well)
    if stuck := next(explored.stuck(), None):
        explored.found("no worker will ever stream again", stuck)
    return explored


def _judge(before: State, state: State) -> Iterator[str]:
    changes = state.broker.changes
    if changes[: len(before.broker.changes)] != before.broker.changes:
        yield "a change was undone by somebody who had not read it"
    if len(set(changes)) < len(changes):
        yield "a change was made twice"
    if all(worker.phase in WORKER_ENDED for worker in state.workers):
        yield "no worker is left"
    for command in state.commands:
        if command.phase == "done" and command.name not in changes:
            yield "a command says that it is done, and nothing was changed"
        if command.phase == "gave up" and command.known and _may_be_made(command, state.broker):
            yield "a command says that nothing was changed, and it was"


def _may_be_made(command: Asker, broker: Broker) -> bool:
    writes = [write.changes for write in (broker.sent, broker.prepared) if write]
    return any(command.name in changes for changes in (broker.changes, *writes))


def _is_well(state: State) -> bool:
    streaming = any(worker.phase == "run" and worker.name == state.broker.holder for worker in state.workers)
    return streaming and all(command.phase in COMMAND_ENDED for command in state.commands)
