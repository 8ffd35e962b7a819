"""All states that a protocol can come to, for explicit-state models of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

S = TypeVar("S")


class Exploration(Generic[S]):
    """All states that can be reached from `start`, and the faults among them, each with the shortest way there."""

    def __init__(
        self, start: S, successors: Callable[[S], Iterable[S]], judge: Callable[[S, S], Iterable[str]], is_well: Callable[[S], bool]
    ) -> None:
        """`judge(before, after)` names the faults of a step. `is_well` is what every state should have a way to."""
        self._before: dict[S, S | None] = {start: None}
        self._sources: dict[S, list[S]] = {start: []}
        self._is_well = is_well
        self.faults: dict[str, list[S]] = {}
        queue = deque([start])
        while queue:
            state = queue.popleft()
            for following in successors(state):
                if following not in self._before:
                    self._before[following], self._sources[following] = state, []
                    queue.append(following)
                for fault in judge(state, following):
                    self.found(fault, following)
                self._sources[following].append(state)

    @property
    def states(self) -> int:
        """Number of states."""
        return len(self._before)

    def stuck(self) -> Iterator[S]:
        """The states without a way to one that is well."""
        reaching = set(filter(self._is_well, self._before))
        queue = deque(reaching)
        while queue:
            new = [source for source in self._sources[queue.popleft()] if source not in reaching]
            reaching.update(new)
            queue.extend(new)
        return (state for state in self._before if state not in reaching)

    def found(self, fault: str, state: S) -> None:
        """Note a fault, if it is the first one of its kind."""
        if fault not in self.faults:
            way = self.faults[fault] = [state]
            while before := self._before[way[0]]:
                way.insert(0, before)
