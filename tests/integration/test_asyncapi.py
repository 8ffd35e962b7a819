"""docs/asyncapi.yaml against the AsyncAPI initiative's own schema, which npm has."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.support.programs import find_program

DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
SPECS = "@asyncapi/specs@6.11.1"


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """Schema of AsyncAPI 3.0.0."""
    command = [find_program("npm"), "pack", "--silent", SPECS]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=100)
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        archive.extract("package/schemas/3.0.0.json", tmp_path, filter="data")
    return tmp_path / "package" / "schemas" / "3.0.0.json"


def test_the_document_is_asyncapi(schema: Path) -> None:
    validator = Draft7Validator(json.loads(schema.read_text(encoding="utf-8")))
    document = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    assert document["asyncapi"] == "3.0.0"
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)] == []
    del document["info"]["title"]
    assert list(validator.iter_errors(document))
