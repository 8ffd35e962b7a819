"""Faults of a `transform` that `check` finds without executing anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.conf_files import Write, faults, good
from tests.support.plain_settings import settings
from watcher.config import load
from watcher.config.fault import Invalid
from watcher.config.transform import missing_function

pytest_plugins = ["tests.support.conf_fixtures"]


def test_check_looks_for_the_module_and_executes_nothing(write: Write, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("def f(message): return message\nraise RuntimeError\n")
    conf_dir = write(a_toml=good("a") + 'transform = "loud:f"\n', b_toml=good("b") + 'transform = "absent:f"\n')
    [fault] = faults(load(conf_dir, ask_drivers=True))
    assert "b.toml:4 transform: names the module 'absent', which is not beside conf.d/" in fault
    for reference in ("f", "m:", ":f", "m:f()", "a b:c", "m.py:f:g"):
        with pytest.raises(Invalid, match="must be module:function"):
            settings(transform=reference)


HAVE_IT: dict[str, str] = {
    "defined": "def shape(message): return message",
    "assigned": "shape = len",
    "annotated": "shape: object = len",
    "imported": "from os.path import basename as shape",
    "module": "import shape.inner",
    "unpacked": "first, *shape = [len, len]",
    "in a branch": "try:\n    import fast\nexcept ImportError:\n    def shape(message): return message",
    "by global": "def make():\n    global shape\n    shape = len\nmake()",
    "by walrus": "print(shape := len)",
    "by star": "from os.path import *",
    "by getattr": "def __getattr__(name): return len",
    "by globals": "globals()['sha' + 'pe'] = len",
    "by setattr": "import sys\nsetattr(sys.modules[__name__], 'sha' + 'pe', len)",
    "by exec": "exec('sha' + 'pe = len')",
    "by pattern": "match len:\n    case shape: pass",
    "class": "class shape:\n    def __call__(self, message): return message",
    "coding": "# -*- coding: latin-1 -*-\n# \xe9\nshape = len",
}


"""Texts of modules that have `shape`."""


@pytest.mark.parametrize("text", HAVE_IT.values(), ids=HAVE_IT)
def test_check_finds_what_a_module_may_have(text: str, write: Write, tmp_path: Path) -> None:
    (tmp_path / "shapes_a.py").write_bytes(text.encode("latin-1"))
    conf_dir = write(a_toml=good("a") + 'transform = "shapes_a:shape"\n')
    assert faults(load(conf_dir, ask_drivers=True)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def shapes(message): return message", "transform: names 'shape', which shapes_b.py does not have"),
        ("", "names 'shape', which shapes_b.py does not have"),
        ("raise RuntimeError", "names 'shape', which shapes_b.py does not have"),
        ("x = 1\ndef shape(:", "names a function in shapes_b.py, which is no Python in line 2"),
        ("\0", "which is no Python"),
    ],
)
def test_check_finds_that_a_module_has_no_such_function(text: str, fault: str, write: Write, tmp_path: Path) -> None:
    (tmp_path / "shapes_b.py").write_text(text)
    conf_dir = write(a_toml=good("a") + 'transform = "shapes_b:shape.inner"\n')
    [found] = faults(load(conf_dir, ask_drivers=True))
    assert fault in found


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "text",
    [r"shape = '\d'", "def shape(message): return message\nx = " + "-" * 100_000 + "1"],
    ids=["warned of", "deep"],
)
def test_check_says_nothing_of_what_it_cannot_judge(text: str, tmp_path: Path) -> None:
    (tmp_path / "shapes_c.py").write_text(text)
    assert [*missing_function("shapes_c:shape", tmp_path)] == []
