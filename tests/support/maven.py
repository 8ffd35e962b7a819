"""Jars from Maven Central, fetched once for this checkout: what a pom.xml names, in a directory of `.cache`."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from tests.support import cache
from watcher.sandbox.errors import SandboxError

DOWNLOAD_TIMEOUT_S = 600
NAMESPACE = {"m": "http://maven.apache.org/POM/4.0.0"}


def version(pom: Path, group: str) -> str:
    """The version of the first dependency of `group` in a pom.xml; AssertionError without one."""
    for dependency in ElementTree.parse(pom).iterfind(".//m:dependency", NAMESPACE):
        if dependency.findtext("m:groupId", namespaces=NAMESPACE) == group:
            return dependency.findtext("m:version", default="", namespaces=NAMESPACE)
    raise AssertionError(f"{pom} names no {group}")


def obtain(pom: Path, home: Path) -> Path:
    """`home`, with the jars of pom.xml in its directory `libs`; raises SandboxError with the reason if they cannot be had."""
    return cache.obtain(home, partial(_download, pom))


def _download(pom: Path, home: Path) -> None:
    mvn = shutil.which("mvn")
    if mvn is None:
        raise SandboxError("mvn not found", hint="install Maven, or name an Apache Kafka in $KAFKA_HOME")
    if shutil.which("java") is None:
        raise SandboxError("java not found", hint="install Java 17 or later")
    _copy_dependencies(mvn, pom, home / "libs")


def _copy_dependencies(mvn: str, pom: Path, libs: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={libs}"]
    command = [mvn, "--batch-mode", "--quiet", "--file", str(pom), *goal]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise SandboxError("mvn could not get the jars", hint=done.stdout[-2000:])
