"""Reports of workers, as they stand in status files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from watcher.log import iso
from watcher.status.report import StatusReport


def report_of(values: Mapping[str, Any]) -> StatusReport:
    """Read the report of a status file with these values; times may be datetimes."""
    report = StatusReport.parse(json.dumps(values, default=iso).encode())
    assert report
    return report
