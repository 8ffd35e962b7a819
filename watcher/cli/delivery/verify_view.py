"""The result of a verification as text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from textwrap import indent

from watcher.terminal.message_text import printable
from watcher.verification.result import DocumentExample, Verdict, VerificationResult

WORDS = {
    "missing": "in the source, and not in the topics",
    "extra": "in the topics, and not in the source",
    "different": "in both, with another content",
    "unsettled": "could not be settled while it changed",
    "older": "no younger than the first message, so without one",
    "renamedIn": "without a message, since they came with a rename from a collection that is not watched",
    "undated": "without a message, and an _id that does not tell since when; see --complete",
    "notComparable": "whose newest message does not hold the document",
    "pipelineFails": "on which `pipeline` fails, so that there is nothing to compare",
    "notJudged": "that differ, as they may where exclude_operations or pipeline leave out changes",
}
"""The meaning of each verdict on a document, in the order of the report."""

MISSING_HINT = (
    "If it is watched only since a while, that is why: `watcherctl snapshot start` copies what was there before, and --since TIME "
    "leaves it out here."
)


def report(result: VerificationResult) -> str:
    """The result of one watcher."""
    return "\n".join(_lines(result))


def report_of_several(result: VerificationResult) -> str:
    """The result of one watcher among others, below its name."""
    return f"{result.watcher}\n{indent(report(result), '  ')}"


def of_all(results: Sequence[VerificationResult], failed: Collection[str]) -> str:
    """One line about all watchers: how many are equal, and which are not."""
    different = [result.watcher for result in results if not result.is_equal]
    parts = [f"{len(results) - len(different)} of {len(results) + len(failed)} equal"]
    parts += [f"not equal: {', '.join(different)}"] if different else []
    parts += [f"not verified: {', '.join(failed)}"] if failed else []
    return "; ".join(parts)


def _lines(result: VerificationResult) -> Iterator[str]:
    documents = sum(result.compared.values())
    yield f"{documents} documents in {len(result.compared)} collections, {result.messages} messages, {result.seconds:.1f} s"
    if not result.compared:
        yield f"MongoDB has no collection that {result.watcher} watches, and the topics have none either"
    yield from _verdicts(result)
    yield from _sequences(result)
    if result.reshaped:
        yield f"dropped or renamed meanwhile, and not compared: {', '.join(sorted(result.reshaped))}"
    if result.stalled:
        yield "the watcher's position did not move past the comparison; does it run?"
    yield "equal" if result.is_equal else "not equal"


def _verdicts(result: VerificationResult) -> Iterator[str]:
    for verdict, named in result.examples.items():
        yield f"{result.verdicts[verdict]} {WORDS[verdict]}"
        for example in named:
            yield from _example(example)
        if verdict == Verdict.MISSING:
            yield f"  hint: {MISSING_HINT}"


def _example(example: DocumentExample) -> Iterator[str]:
    yield f"  {printable(example.collection)} {printable(example.key.decode())}"
    if example.failure:
        yield f"    {printable(example.failure)}"
    for change in example.changes:
        source, topics = ("nothing" if value is None else value for value in (change.left, change.right))
        yield f"    {change.path or 'the document'}: source {source}, topics {topics}"


def _sequences(result: VerificationResult) -> Iterator[str]:
    numbers = result.sequences
    if numbers is None or numbers.first is None:
        yield "sequence: no messages"
        return
    parts = [f"{numbers.first} to {numbers.last}", f"{numbers.lost} missing", f"{numbers.repeated} repeated"]
    if numbers.removed:
        parts.append(f"{numbers.removed} removed by compaction")
    yield f"sequence: {', '.join(parts)}"
    for first, last in numbers.gaps[:5]:
        yield f"  missing {first}" + (f" to {last}" if last > first else "")
    if result.gap_messages or result.dead_letters:
        yield f"control messages: {result.gap_messages} gap, {result.dead_letters} deadLetter"
