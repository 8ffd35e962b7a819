"""Scripts of the whole way, drawn by hypothesis: the lives of a worker, its snapshots, and what is done to its database."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from hypothesis import strategies as st

from tests.support.failing_worker import Point
from tests.support.whole_way import COLLECTIONS, IDS, Copy, Drop, DropDatabase, Rename, Step, Transaction, Write

MOST_LIVES = 3
"""As many crashes in a row are free; after more without a delivery a worker would hold itself back."""

MORE_IDS = (*IDS, *range(4, 12), "four")
"""Those of documents that are there before."""


@dataclass(frozen=True, slots=True)
class Life:
    """A worker's, and the steps that are carried out meanwhile.

    It dies at `point` of its `transaction`-th transaction with messages, if it has a point and lives to see that. Otherwise its
    life ends `after_ms` after the last step: by kill -9, or by SIGTERM if that is `orderly`.
    """

    steps: tuple[Step, ...]
    point: Point | None
    transaction: int
    orderly: bool
    after_ms: int


@dataclass(frozen=True, slots=True)
class Script:
    """A database's and its worker's.

    `before` is written before the worker's first start. With `initial` that makes a snapshot, of so many documents `per_second`;
    0 is for no limit.
    """

    before: tuple[Write, ...]
    initial: bool
    per_second: int
    lives: tuple[Life, ...]

    @property
    def steps(self) -> list[Step]:
        """All that is done while the worker lives."""
        return [step for life in self.lives for step in life.steps]


# What JSON keeps as it is: the table of types has tests of its own.
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2)
)
objects = st.dictionaries(st.sampled_from("xy"), values, max_size=2)

documents = st.fixed_dictionaries({}, optional={"a": values, "b": values, "object": objects, "list": st.lists(values, max_size=4)})
changes = st.dictionaries(st.sampled_from(["a", "b", "object.x", "object.y"]), values, max_size=2)
arguments = {
    "replace": documents,
    "set": changes,
    "unset": st.sampled_from(["a", "object", "object.x", "list"]),
    "push": values,
    "trim": st.integers(1, 3),
    "delete": st.none(),
}


@st.composite
def writes(draw: st.DrawFn) -> Write:
    """A change of one of a few documents."""
    kind = draw(st.sampled_from([*arguments]))
    return Write(kind, draw(st.sampled_from(COLLECTIONS)), draw(st.sampled_from(IDS)), draw(arguments[kind]))


transactions = st.builds(
    Transaction, st.lists(writes(), min_size=1, max_size=8).map(tuple), st.sampled_from([True, True, True, False])
)
renames = st.sampled_from([Rename(*pair) for pair in permutations(COLLECTIONS, 2)])
drops = st.sampled_from([*map(Drop, COLLECTIONS)])
controls = st.one_of(drops, renames, renames, st.just(DropDatabase()))
choices = st.none() | st.sets(st.sampled_from(IDS), min_size=1).map(lambda ids: tuple(sorted(ids, key=repr)))
copies = st.builds(Copy, st.sets(st.sampled_from(COLLECTIONS)).map(lambda names: tuple(sorted(names))), choices)
# Mostly writes: what is dropped and renamed should hold something.
steps = st.one_of(*[writes()] * 10, *[transactions] * 4, *[controls] * 2, copies)

lives = st.builds(
    Life,
    st.lists(steps, min_size=1, max_size=25).map(tuple),
    st.none() | st.none() | st.sampled_from([*Point]),
    st.integers(1, 4),
    st.sampled_from([False, False, True]),
    st.integers(0, 200),
)
before = st.builds(Write, st.just("replace"), st.sampled_from(COLLECTIONS), st.sampled_from(MORE_IDS), documents)
scripts = st.builds(
    Script,
    st.lists(before, max_size=30).map(tuple),
    st.booleans(),
    st.sampled_from([10, 40, 0]),
    st.lists(lives, min_size=1, max_size=MOST_LIVES).map(tuple),
)
