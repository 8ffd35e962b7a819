"""Finds the programs that the sandbox starts: mongod, noida-db, and Apache Kafka's jars with a Java."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from watcher.sandbox.errors import SandboxError

INSTALL_HINT = "in a checkout, pip install '.[sandbox]' installs both servers"


@dataclass(frozen=True, slots=True)
class KafkaHome:
    """An Apache Kafka to run: its jars, and the `java` to run them with.

    `classes` is an archive of what Java makes of the jars while a broker starts, if there is one (JEP 350): with it a start takes
    a third less of the processor's time. Java itself passes over one that does not fit.
    """

    java: Path
    libs: Path
    classes: Path | None = None

    @property
    def version(self) -> str:
        """The release, from the name of the clients' jar: `4.3.1`."""
        jar = next(self.libs.glob("kafka-clients-*.jar"))
        return jar.stem.removeprefix("kafka-clients-")


def find_mongod() -> Path:
    """Find mongod in $MONGOD, then on PATH, then in the wheel. Raises SandboxError with a hint if there is none."""
    if named := os.environ.get("MONGOD"):
        return _executable(Path(named), "$MONGOD")
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    return _in_wheel("fiftyone", "db/bin/mongod") or _missing("mongod", "or name a mongod in $MONGOD")


def find_noida() -> Path:
    """Find the broker in the noida-db wheel: the program itself, not its Python launcher. Raises SandboxError if it is missing."""
    return _in_wheel("noida_db", "noida-db") or _missing("the noida-db broker", "or name an Apache Kafka in $KAFKA_HOME")


def find_apache_kafka() -> KafkaHome | None:
    """Find the Apache Kafka in $KAFKA_HOME; None if that is not set. Raises SandboxError if it is set but cannot be used."""
    home = os.environ.get("KAFKA_HOME")
    return apache_kafka_in(Path(home)) if home else None


def apache_kafka_in(home: Path) -> KafkaHome:
    """Return the Apache Kafka whose jars are in `home`/libs. Raises SandboxError if there are no jars or no Java."""
    libs = home / "libs"
    if not any(libs.glob("kafka_2*.jar")):
        raise SandboxError(f"{libs} holds no kafka_2*.jar: there is no Apache Kafka.", hint="correct KAFKA_HOME, or unset it")
    return KafkaHome(java=_find_java(), libs=libs)


def _find_java() -> Path:
    if home := os.environ.get("JAVA_HOME"):
        return _executable(Path(home) / "bin" / "java", "$JAVA_HOME")
    if on_path := shutil.which("java"):
        return Path(on_path)
    raise SandboxError("There is no java on PATH.", hint="Apache Kafka needs Java 17 or later: install it, or set JAVA_HOME")


def _executable(path: Path, source: str) -> Path:
    if not os.access(path, os.X_OK) or path.is_dir():
        raise SandboxError(f"{path} (from {source}) is not a program that can be run.", hint=f"correct {source}, or unset it")
    return path


def _in_wheel(package: str, program: str) -> Path | None:
    """Find the program that a wheel contains, without importing the wheel's package."""
    spec = importlib.util.find_spec(package)
    folders = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
    return next((folder / program for folder in folders if (folder / program).is_file()), None)


def _missing(what: str, otherwise: str) -> NoReturn:
    raise SandboxError(f"The sandbox needs {what}, which is not installed.", hint=f"{INSTALL_HINT}; {otherwise}")
