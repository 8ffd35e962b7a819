"""The pages say of status and metrics what the code says: `python -m tests.docs_tables`."""

from __future__ import annotations

import pytest

from tests.docs_tables import DOCS, PARTS, written_anew


@pytest.mark.parametrize("page", PARTS)
def test_a_page_is_as_the_code_has_it(page: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == written_anew(page)
