"""What a command is told of the outside: search path, home and language; never a key or a token."""

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

SYSTEM_PATH: Final = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")

_BUILTINS: Final = frozenset(". cd exit export source ulimit umask unset".split())
"""Those of bash that a command may well begin with, and a sentence will not."""

# No folder here holds credentials; `.cargo` and `.local/share/uv` as a whole would.
_HOME_TOOLCHAINS: Final = (
    *(".asdf", ".bun/bin", ".cargo/bin", ".deno/bin", ".local/bin", ".local/share/mise/installs"),
    *(".local/share/pipx/venvs", ".local/share/uv/python", ".local/share/uv/tools", ".nvm", ".pyenv"),
    *(".rustup", ".sdkman/candidates", ".volta", "go/bin"),
)


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return the user's home, with links resolved."""
    return Path(os.path.realpath(environ.get("HOME") or Path.home()))


def command_environment(environ: Mapping[str, str], workspace: Path, home: Path) -> dict[str, str]:
    """Build the whole environment of a command from scratch."""
    return {
        "PATH": os.pathsep.join(dict.fromkeys((*_own_path(environ, workspace), *SYSTEM_PATH))),
        "HOME": str(home),
        "LANG": environ.get("LANG") or "C.UTF-8",
        "TERM": "dumb",
        # Nobody is there to turn a pager's pages or to answer git.
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "GIT_TERMINAL_PROMPT": "0",
    }


def programs(environ: Mapping[str, str], workspace: Path) -> Callable[[str], bool]:
    """Give what tells whether a command can begin with a word: with a program on its search path, or a builtin."""
    search = command_environment(environ, workspace, home_folder(environ))["PATH"]

    @functools.cache
    def is_program(word: str) -> bool:
        return word in _BUILTINS or shutil.which(word, path=search) is not None

    return is_program


def toolchains(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield folders, resolved, whose programs a command needs even where the home is hidden."""
    candidates = [Path(sys.prefix), Path(sys.base_prefix), *(home / name for name in _HOME_TOOLCHAINS)]
    if active := _active_environment(environ):
        candidates.append(active)
    for candidate in dict.fromkeys(Path(os.path.realpath(folder)) for folder in candidates):
        # Not `is_dir`, which raises where a folder above it is closed.
        if os.path.isdir(candidate):
            yield candidate


def environments(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the virtual environments, resolved, that we and the user run programs from."""
    yield Path(os.path.realpath(sys.prefix))
    if active := _active_environment(environ):
        yield active


def _own_path(environ: Mapping[str, str], workspace: Path) -> Iterator[str]:
    """Yield the user's own search path, without what a repository could have put there.

    A `ls` that lies in the workspace must not stand in for the system's. The virtual environment that the
    user activated is the exception, since it usually lies there.
    """
    active = _active_environment(environ)
    for entry in environ.get("PATH", "").split(os.pathsep):
        folder = Path(os.path.realpath(entry))
        is_active = active is not None and folder.is_relative_to(active)
        if os.path.isabs(entry) and (is_active or not folder.is_relative_to(workspace)):
            yield entry


def _active_environment(environ: Mapping[str, str]) -> Path | None:
    folder = environ.get("VIRTUAL_ENV", "")
    if not os.path.isabs(folder) or not os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
        return None
    return Path(os.path.realpath(folder))
