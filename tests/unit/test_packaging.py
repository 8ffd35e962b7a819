"""The wheel, the lock files, and the commands of make."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any
from zipfile import Path as ZipPath
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hatch_build
import watcher
from tests.support.pythons import claimed

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
EVERYTHING = [*RUNTIME, *PROJECT["project"]["optional-dependencies"]["sandbox"], *PROJECT["dependency-groups"]["dev"]]

SOURCES = {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "CHANGELOG.md", "watcher"}
"""Files that a wheel is made of."""

STARTER = "watcher/starter"
OWNED = {"conf.d", "supervisor", "docker-compose.yml"}
"""Files that lie at the top of a checkout as well as in STARTER, and are its owner's there."""

PASSWORD = b"hunter2"

pytestmark = pytest.mark.one_python  # `make setup` installs it for each Python in the same way

NATIVE = {part.removesuffix(".c") + ".abi3.so" for part in hatch_build.PARTS}
OLD = b"compiled from something else"

MAKEFILE_LINE = re.compile(r"  make ([a-z-]+) +\S")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built as `pip install .` builds it."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def build_wheel(directory: Path, **environment: str) -> Path:
    """Built in a copy of the sources: what is compiled on the way must not change what the tests run from."""
    return hatchling_build(copy_of_the_sources(directory), directory, "wheel", **environment)


def copy_of_the_sources(directory: Path) -> Path:
    """All that a build reads, as a checkout of its own, and a part in C that was compiled from something else."""
    source = directory / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(ROOT / name, source / name)
    for part in NATIVE:
        (source / part).write_bytes(OLD)
        os.utime(source / part, (0, 0))
    return source


def hatchling_build(source: Path, directory: Path, target: str, **environment: str) -> Path:
    """The wheel or sdist of `source`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)]
    subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=source, env=os.environ | environment)
    (built,) = directory.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


def package_files() -> set[str]:
    """The files of `watcher/`, as the wheel names them."""
    paths = (path for path in (ROOT / "watcher").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in paths}


def pinned(lock: str) -> dict[str, Requirement]:
    """The requirements of a lock file by name."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    lines = re.findall(r"^([A-Za-z0-9][^\\\n]*?) *\\?$", text, re.MULTILINE)
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, lines)}


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == package_files()


def test_wheel_with_the_part_in_c_serves_all_pythons_from_3_11_on(wheel: Path) -> None:
    assert package_files() >= NATIVE or not os.environ.get("CI"), "the part in C was not compiled"
    assert ("-cp311-abi3-" in wheel.name) == (package_files() >= NATIVE)


def test_building_a_wheel_changes_nothing_beside_the_sources(wheel: Path) -> None:
    """Workers may run from there, under another Python."""
    source = wheel.parent / "source"
    made = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {name for name in made if not (ROOT / name).is_file()} <= NATIVE
    assert {(source / part).read_bytes() for part in NATIVE} == {OLD}


@pytest.mark.parametrize("compiles", [True, False])
def test_an_editable_install_has_the_part_in_c_of_its_source_or_none(tmp_path: Path, compiles: bool) -> None:
    source = copy_of_the_sources(tmp_path)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    environment = os.environ if compiles else os.environ | {"CC": "false", "LDSHARED": "false"}
    subprocess.run(
        [*install, "--target", str(tmp_path / "site"), "--editable", str(source)], check=True, capture_output=True, env=environment
    )
    for part in NATIVE:
        assert (source / part).exists() == (compiles and part in package_files())
        assert not (source / part).exists() or (source / part).read_bytes() != OLD


def test_without_a_compiler_the_wheel_lacks_only_the_part_in_c(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, CC="false", LDSHARED="false")
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == package_files() - NATIVE
    assert wheel.name.endswith("-py3-none-any.whl")


def deployment_in(checkout: Path) -> None:
    """Edit what its owner edits in a checkout, each with a password, and add what a deployment makes."""
    for name in OWNED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    for name in ("run", "log"):
        (checkout / name).mkdir()
    edited = [path for path in checkout.rglob("*") if path.is_file() and path.relative_to(checkout).parts[0] in OWNED]
    added = ("conf.d/crm.toml", "conf.d/crm.env", ".env", "run/a.json", "log/a.log", "token", "notes.txt")
    for path in (*edited, *(checkout / name for name in added)):
        with path.open("ab") as file:
            file.write(b"\n# " + PASSWORD)


@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_no_password_of_a_deployment_gets_into_what_is_built(target: str, tmp_path: Path) -> None:
    """A checkout is a deployment too: `watcherctl` finds its conf.d/ there."""
    checkout = copy_of_the_sources(tmp_path)
    deployment_in(checkout)
    built = hatchling_build(checkout, tmp_path, target)
    names, texts = contents(built)
    assert f"{STARTER}/conf.d/dashboard.toml" in names
    assert PASSWORD not in texts
    assert names <= {*package_files(), *SOURCES, "PKG-INFO", ".gitignore"} | {name for name in names if ".dist-info/" in name}


def contents(built: Path) -> tuple[set[str], bytes]:
    """The names in a wheel or an sdist, and all that is in its files."""
    if built.suffix == ".whl":
        with ZipFile(built) as archive:
            return set(archive.namelist()), b"".join(map(archive.read, archive.namelist()))
    with tarfile.open(built) as archive:
        files = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive if member.isfile()}
        return set(files), b"".join(file.read() for file in files.values() if file)


def test_the_starter_files_are_those_at_the_top_as_they_were_committed() -> None:
    """Not as they are: whoever runs a deployment in a checkout edits them. The choice of collections at the top is for one
    application, so in the starter it is commented out, and nothing else differs."""
    committed = subprocess.run(["git", "ls-tree", "-r", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    if committed.returncode:
        assert not os.environ.get("CI"), committed.stderr
        pytest.skip("this is no git checkout")
    blobs = {name: line.split()[2] for line, _, name in (each.partition("\t") for each in committed.stdout.splitlines())}
    starter = {name.removeprefix(f"{STARTER}/"): blob for name, blob in blobs.items() if name.startswith(f"{STARTER}/")}
    top = {name: blob for name, blob in blobs.items() if name.split("/")[0] in OWNED}
    chosen, general = (committed_text(files.pop("conf.d/dashboard.toml")) for files in (top, starter))
    assert starter == top
    assert re.sub(r"^((?:watch|exclude)_collections = )", r"# \1", chosen, flags=re.MULTILINE) == general


def committed_text(blob: str) -> str:
    return subprocess.run(
        ["git", "cat-file", "blob", blob], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout


def test_wheel_metadata(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        distribution = PathDistribution(ZipPath(archive, next(_metadata_directories(archive))))
        assert distribution.version == watcher.__version__
        assert distribution.metadata.get_all("Provides-Extra") == ["aws", "sandbox"]
        assert [(entry.name, entry.value) for entry in distribution.entry_points] == [("watcherctl", "watcher.cli:main")]


def _metadata_directories(archive: ZipFile) -> Iterator[str]:
    return (name.removesuffix("METADATA") for name in archive.namelist() if name.endswith(".dist-info/METADATA"))


def test_installed_wheel_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=60)
    code = (
        "import watcher, watcher.cli, sys; print(watcher.__file__); sys.argv = ['watcherctl', 'demo', '--help']; watcher.cli.main()"
    )
    # PYTHONPATH comes before the editable install that the tests run from.
    environment = {"PYTHONPATH": str(target), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(target))
    assert "Usage: watcherctl demo" in done.stdout


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", RUNTIME),
        ("requirements-dev.lock", EVERYTHING),
        ("requirements-docs.lock", PROJECT["dependency-groups"]["docs"]),
        ("requirements-dist.lock", PROJECT["dependency-groups"]["dist"]),
    ],
    ids=["runtime", "everything", "docs", "dist"],
)
def test_lock_file_pins_what_the_project_asks_for(lock: str, wanted: list[str]) -> None:
    pins = pinned(lock)
    for requirement in map(Requirement, wanted):
        (specifier,) = pins[canonicalize_name(requirement.name)].specifier
        assert specifier.operator == "=="
        assert requirement.specifier.contains(specifier.version)


def test_lock_files_agree() -> None:
    runtime, everything = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert {name: pin.specifier for name, pin in runtime.items()} == {name: everything[name].specifier for name in runtime}


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_lock_files_hold_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert len(re.findall(r"^[^ ].*==.* \\\n    --hash=sha256:", text, re.MULTILINE)) == len(pinned(lock))
    assert not re.search(r"https?:|--(?:extra-)?index-url|--find-links|@", text)


def test_make_lists_its_commands() -> None:
    # Under `make test` this is a make inside make, which would print the directories it enters.
    command = ["make", "--no-print-directory"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, cwd=ROOT)
    listed = [match[1] for match in map(MAKEFILE_LINE.match, done.stdout.splitlines()) if match]
    assert {"help", "setup", "run", "test", "check", "format", "lock", "clean"} <= set(listed)
    assert len(listed) == len(done.stdout.splitlines())


def test_python_keeps_what_it_has_compiled() -> None:
    show = "show:\n\t@echo $${PYTHONDONTWRITEBYTECODE-unset}"
    command = ["make", "--no-print-directory", f"--eval={show}", "show"]
    variables = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, cwd=ROOT, env=variables)
    assert done.stdout == "unset\n"


def test_pre_commit_hooks_run_the_tools_of_make_check() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    hooks = re.findall(r"entry: \.venv/bin/(\w+(?: [a-z]+)?)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert hooks
    assert [hook for hook in hooks if f"$(BIN)/{hook}" not in makefile] == []


def test_the_image_in_the_pages_is_of_this_version() -> None:
    named = re.findall(r"database-watcher:(\d[\w.]*)", (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8"))
    assert set(named) == {watcher.__version__}


def test_the_workflow_of_a_forge_runs_what_ci_runs() -> None:
    """And builds the site and a release, on each Python that the project claims. No forge is at hand that would run it."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    run = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert "bash .ci/run" in run["tests"]
    assert "make docs" in run["docs"]
    assert any(line.startswith("make dist") for line in run["dist"])
    [pythons] = [
        step["with"]["python-version"].split() for step in jobs["dist"]["steps"] if "python-version" in step.get("with", {})
    ]
    assert pythons == claimed()
    arguments = re.findall(r"^ARG (\w+)=", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert all(f"{argument}=" in "".join(run["image"]) for argument in arguments)


def test_ci_runs_each_python_that_the_project_claims() -> None:
    """`make test-pythons` takes the others from the classifiers."""
    commands = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    made = [line.partition("#")[0].strip() for line in commands if line.startswith("make ")]
    assert made == ["make setup", "make setup-pythons &", "make downloads &", "make check", "make test-pythons", "make test"]
    assert commands[-1] == made[-1]
    assert PROJECT["project"]["requires-python"] == f">={claimed()[0]}"
    assert "{}.{}".format(*sys.version_info) in claimed()
