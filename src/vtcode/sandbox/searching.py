"""A box for the program that searches: it sees the workspace and what it runs on, and nothing else to be led to.

It opens what it finds by path, so that a folder which a command in the background swaps for a link at that moment
would lead it outside. In the box there is no outside.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vtcode.sandbox import bubblewrap
from vtcode.sandbox.environment import home_folder

_ISOLATION: Final = ("--unshare-all", "--unshare-user", "--cap-drop", "ALL", "--die-with-parent", "--new-session")
_SYSTEM: Final = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives")
"""What a program needs to start."""
_IGNORE_FILES: Final = (".gitignore", ".ignore", ".rgignore", ".git/info/exclude")
"""What is read in the folders above the workspace too."""


def boxed(argv: tuple[str, ...], workspace: Path, *shown: Path) -> tuple[str, ...]:
    """Return the command line that runs a search in its box; the same one where no box can be made.

    The first call may run the self-test of the box (2 s at most).

    Args:
        argv: the program by its absolute path, and its arguments.
        workspace: absolute, with links resolved; the working folder.
        shown: files outside that are searched too.
    """
    bwrap = bubblewrap.find_program()
    # With `/` as the workspace there is no outside.
    if bwrap is None or workspace == Path("/") or bubblewrap.fault(bwrap, home_folder(os.environ)) is not None:
        return argv
    options = [
        *_system(),
        *_above(workspace),
        *_bind(workspace),
        *(option for path in (Path(argv[0]), *shown) for option in _bind(path)),
    ]
    return (bwrap, *_ISOLATION, *options, "--chdir", str(workspace), "--", *argv)


def _system() -> Iterator[str]:
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), str(path))
        elif path.exists():
            yield from _bind(path)


def _above(workspace: Path) -> Iterator[str]:
    for folder in reversed(workspace.parents):
        git = folder / ".git"
        if os.path.isdir(git):
            # That it is there tells where the repository begins.
            yield from ("--dir", str(git))
        elif os.path.isfile(git):
            yield from _bind(git)
        for path in (folder / name for name in _IGNORE_FILES):
            if os.path.isfile(path):
                yield from _bind(path)


def _bind(path: Path) -> tuple[str, ...]:
    return ("--ro-bind", str(path), str(path))
