"""Everything that tests download while they run, fetched beforehand: `python -m tests.support.downloads`. It also has Java keep the
classes of a broker, which makes each later start of one quicker.

A test that has to wait for a download may run into its own time limit. What cannot be had is named, and is not fatal: the tests
that need it then say so themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial

from tests.support import apache_kafka, kafka_connect, registry, splitting_mongod
from watcher.sandbox.errors import SandboxError

DOWNLOADS: Mapping[str, Callable[[], object]] = {
    "Apache Kafka": apache_kafka.obtain,
    "Java's archive of its classes": apache_kafka.keep_classes,
    "Apicurio Registry": registry.obtain,
    "MongoDB 6.0.27": splitting_mongod.obtain,
    **{f"Kafka Connect: {name}": partial(kafka_connect.jars, name) for name in kafka_connect.POMS},
}


def main() -> None:
    """Fetch one after the other, as far as they are not there already."""
    for name, obtain in DOWNLOADS.items():
        try:
            obtain()
        except (SandboxError, OSError) as error:
            sys.stderr.write(f"{name}: {error}\n")


if __name__ == "__main__":
    main()
