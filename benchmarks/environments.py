"""Virtual environments besides `.venv`: a peer's own, and one that has what a worker needs and nothing else."""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import subprocess
import venv
from pathlib import Path

from watcher.sandbox.errors import SandboxError

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache"
WORKERS_LOCK = ROOT / "requirements.lock"
INSTALL_SECONDS = 300


def python(home: Path, requirements: Path, *, path: Path | None = None) -> Path:
    """The Python of the environment `home`, made once; it imports from `path` too. Errors: SandboxError with pip's reason."""
    program, installed = home / "bin" / "python", home / ".installed"
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists():
            venv.create(home, with_pip=True, clear=True)
            command = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
            if done.returncode != 0:
                raise SandboxError(f"pip could not install what {requirements.name} names", hint=done.stderr[-2000:])
            if path:
                (packages,) = home.glob("lib/python*/site-packages")
                (packages / "path.pth").write_text(f"{path}\n")
            installed.touch()
    return program


def workers_python() -> Path:
    """As a user has it: compiled, as pip does it. In `.venv` there is `cryptography`, for the tests, and pymongo imports that
    wherever it is: 8 MiB."""
    compileall.compile_dir(ROOT / "watcher", quiet=1)
    digest = hashlib.sha256(WORKERS_LOCK.read_bytes()).hexdigest()[:12]
    return python(CACHE / "worker" / digest, WORKERS_LOCK, path=ROOT)
