"""Loading of the function that `transform` names, from the directory beside conf.d/, or from what is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from watcher.errors import ConfigurationError

Function = Callable[[dict[str, Any]], Any]


def load_function(reference: str, directory: Path) -> Function:
    """Load `module:function`; the module may be a file in `directory`, which goes behind all other places: it hides no library.

    Errors: ConfigurationError.
    """
    module_name, _, name = reference.partition(":")
    if str(directory) not in sys.path:
        sys.path.append(str(directory))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        text = f"transform: module {module_name} cannot be imported: {type(error).__name__}: {error}"
        raise ConfigurationError(text, hint=f"It is looked for in {directory}, and among what is installed.") from error
    try:
        function: Function = attrgetter(name)(module)
    except AttributeError as error:
        raise ConfigurationError(f"transform: {module.__file__ or module_name} has no {name}.", hint="Write its name.") from error
    if not callable(function):
        raise ConfigurationError(f"transform: {name} in {module.__file__ or module_name} is no function.")
    return function


def module_digest(reference: str, directory: Path) -> bytes:
    """Return a digest of the text of the loaded function's module, and of those modules in `directory` itself that it has imported:
    32 bytes, which change when somebody corrects the function. What cannot be read counts as empty."""
    files = {name: _file_of(module) for name, module in list(sys.modules.items())}
    ours = [name for name, file in files.items() if file and (file.parent == directory or name == reference.partition(":")[0])]
    digest = sha256()
    for name in sorted(ours):
        digest.update(name.encode() + b"\0" + sha256(_content(files[name])).digest())
    return digest.digest()


def _file_of(module: object) -> Path | None:
    name = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    return Path(name) if isinstance(name, str) else None


def _content(file: Path | None) -> bytes:
    try:
        return file.read_bytes() if file else b""
    except OSError:
        return b""
