"""Jars from Maven Central, fetched once for this checkout: what a pom.xml names, in a directory of `.cache`."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

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
    home.parent.mkdir(parents=True, exist_ok=True)
    # Two runs at once download only once; the lock file stays, for removing it would let a third one in.
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _download(pom, home)
    return home


def _download(pom: Path, home: Path) -> None:
    """Fill a directory of another name and rename it, so that half a download is never taken for a whole one."""
    mvn = shutil.which("mvn")
    if mvn is None:
        raise SandboxError("mvn not found", hint="install Maven, or name an Apache Kafka in $KAFKA_HOME")
    if shutil.which("java") is None:
        raise SandboxError("java not found", hint="install Java 17 or later")
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        _copy_dependencies(mvn, pom, Path(scratch) / "home" / "libs")
        (Path(scratch) / "home").rename(home)


def _copy_dependencies(mvn: str, pom: Path, libs: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={libs}"]
    command = [mvn, "--batch-mode", "--quiet", "--file", str(pom), *goal]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise SandboxError("mvn could not get the jars", hint=done.stdout[-2000:])
