"""Verdicts of `verify` where it cannot judge, because the settings leave out changes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plain_settings import settings
from watcher.verification.filtered import unjudged
from watcher.verification.result import DocumentExample, Verdict, VerificationResult

ALL = {Verdict.EXTRA, Verdict.MISSING, Verdict.DIFFERENT}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, set()),
        ({"exclude_fields": ["users.secret"], "watch_collections": ["users"]}, set()),
        ({"exclude_operations": ["delete"]}, {Verdict.EXTRA}),
        ({"exclude_operations": ["insert", "replace"]}, {Verdict.MISSING, Verdict.DIFFERENT}),
        ({"pipeline": [{"$unset": "fullDocument.secret"}]}, set()),
        ({"pipeline": [{"$match": {"fullDocument.status": "paid"}}]}, {Verdict.EXTRA}),
        ({"pipeline": [{"$match": {"operationType": "insert"}}]}, ALL),
        ({"pipeline": [{"$set": {"fullDocument.at": "$$NOW"}}]}, {Verdict.MISSING, Verdict.DIFFERENT}),
    ],
)
def test_verdicts_that_cannot_be_given(given: dict[str, Any], expected: set[Verdict]) -> None:
    assert unjudged(settings(**given)) == expected


def test_what_is_not_judged_is_no_fault_and_is_counted() -> None:
    result = VerificationResult("w", "db", unjudged=frozenset({Verdict.EXTRA}))
    result.judge(Verdict.EXTRA, DocumentExample("users", b"1"))
    assert (result.is_equal, result.verdicts) == (True, {Verdict.NOT_JUDGED: 1})
    result.judge(Verdict.MISSING, DocumentExample("users", b"2"))
    assert not result.is_equal
