"""Files and directories that only their owner may open: all parts keep theirs so in `run/` and `log/`.

An open file is enough to lock it (flock(2)), so others could hold a lock file that they may read. A directory may be shared with a
group (`sharing.py`): then what is there to be read gets `readable_mode`, and all else stays closed.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import stat
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from shlex import quote

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
UMASK = 0o077
"""The same for files that other programs make; see umask(2)."""

SYSTEM_DIRECTORIES = tuple(map(Path, ("/run", "/var/run", "/var/log", "/tmp", "/var/tmp", "/dev/shm")))  # noqa: S108  # nothing is written there
"""Directories that everybody needs, also where they are empty, as /run is in some containers."""

SHARED_DIRECTORY_MODE = stat.S_ISGID | 0o750
"""Mode of a directory that a group may read. What is made in it belongs to that group too."""

_OTHERS = ~DIRECTORY_MODE & 0o777

_UNMISTAKABLE = re.compile(r"\.key|\.lock|.+\.lock|supervisord\.(conf|log)|agent\.(json|log)")
_USUAL = re.compile(
    _UNMISTAKABLE.pattern
    + r"|supervisord\.pid|supervisor\.sock(\.\d+)?|programs|disabled|\.check-.+\.conf|.+\.(json|prom|transform|new|log(\.\d+)?)"
)


def make_directory(path: Path, known: Collection[str] = (), *, as_its_parent: bool = False) -> None:
    """Make the directory; missing parents get the usual mode. A directory of ours that is open to others is closed to them, unless
    it is shared with a group. `as_its_parent`: a new one is shared if that is.

    Another's stays as it is, and so does what a symbolic link leads to. `known` is as in `is_ours`. Errors: OSError.
    """
    is_new = not os.path.lexists(path)
    path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    if is_new and as_its_parent and is_shared(path.parent):
        path.chmod(SHARED_DIRECTORY_MODE)
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & _OTHERS and not is_shared(path):
        change_mode(path, ~_OTHERS, known)


def change_mode(path: Path, kept: int, known: Collection[str] = (), *, added: int = 0, group: int = -1) -> bool:
    """Change the mode of a directory to those bits of it that are `kept`, and those `added`, and give it to a group. `known` is as
    in `is_ours`: another directory stays as it is, and the result is False. Errors: OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except PermissionError:  # nobody here can say what is in it
        return False
    try:
        if ours := is_ours(descriptor, known):
            os.fchown(descriptor, -1, group)
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & kept | added)
        return ours
    finally:
        os.close(descriptor)


def is_shared(directory: Path) -> bool:
    """Tell whether a group may read a directory, and is to be able to read what is made there."""
    try:
        return stat.S_IMODE(directory.stat().st_mode) == SHARED_DIRECTORY_MODE
    except OSError:
        return False


def readable_mode(directory: Path) -> int:
    """Return the mode of a file that may be read by whoever may read its directory."""
    return 0o640 if is_shared(directory) else FILE_MODE


def umask_in(directory: Path) -> int:
    """Return the umask by which other programs make files of that mode in a directory; see umask(2)."""
    return 0o027 if is_shared(directory) else UMASK


def is_ours(place: Path | int, known: Collection[str] = ()) -> bool:
    """Tell whether a directory, given by path or descriptor, is for watchers alone. It is empty, or all its files have names as in
    `run/` and `log/` and its owner, and at least one has a name that other programs do not use, or one of `known`.

    Errors: OSError.
    """
    status = os.stat(place)  # noqa: PTH116 - of a descriptor, too
    if _is_for_all(status):
        return False
    try:
        with os.scandir(place) as entries:
            owners = {entry.name: _owner(entry) for entry in entries}
    except PermissionError:  # nobody here can say what is in it
        return False
    of_one_owner = all(owner in {status.st_uid, None} for owner in owners.values())
    fitting = all(name in known or _USUAL.fullmatch(name) for name in owners)
    return of_one_owner and fitting and (not owners or any(name in known or _UNMISTAKABLE.fullmatch(name) for name in owners))


def _is_for_all(status: os.stat_result) -> bool:
    return bool(status.st_mode & stat.S_ISVTX) or any(
        os.path.samestat(status, place.stat()) for place in SYSTEM_DIRECTORIES if place.is_dir()
    )


def _owner(entry: os.DirEntry[str]) -> int | None:
    """Return the owner's user id; None if the file has gone, as temporary ones do."""
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except FileNotFoundError:
        return None


def open_file(path: Path, flags: int) -> int:
    """Open a file as open(2) does, but refuse a symbolic link as the last part. Make it if it is missing; if it is ours, close it
    to others.

    Errors: OSError.
    """
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    status = os.fstat(descriptor)
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != FILE_MODE:
        os.fchmod(descriptor, FILE_MODE)
    return descriptor


def replace_file(path: Path, content: bytes, mode: int = FILE_MODE) -> None:
    """Write a file. Readers find the old content or the new; a full disk leaves the old. Errors: OSError about `path`."""
    temporary = path.with_name(f"{path.name}.{threading.get_native_id()}.new")
    with naming(path):
        try:
            with os.fdopen(open_file(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def refusal(path: Path) -> tuple[str, str]:
    """Return in words that `path` may not be opened or made, and the command that mends it: root may have left it, after `sudo`."""
    place = path if os.path.lexists(path) else path.parent
    status = place.stat(follow_symlinks=False)
    text = f"{place}, which belongs to {user_name(status.st_uid)}, cannot be opened"
    if _is_for_all(status):
        return text, "choose another place with --state-dir"
    if status.st_uid == os.geteuid():
        return f"{place} cannot be opened", f"chmod u+rwX {quote(str(place))}"
    return text, f"chown {user_name(os.geteuid())} {quote(str(place))}"


def user_name(number: int) -> str:
    """Return the name of a user id, or the number itself if it has no name, as in many containers."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def group_name(number: int) -> str:
    """Return the name of a group id, or the number itself if it has no name."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make the system's errors name `path`; that of a full disk would name no file."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise
