"""What lies in a workspace that commands must not change or not see, at any depth."""

import itertools
import os
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from vtcode.workspace import PROTECTED_NAMES, is_secret_name

_MOST_FOLDERS: Final = 20_000
_MOST_ENTRIES: Final = 200_000
_MOST_FINDINGS: Final = 1_000
"""Each of them is a mount, and the kernel takes its time for many."""
_SETTLED: Final = 50_000_000
"""Nanoseconds after which a change of a folder surely shows in its time: clocks of file systems tick slowly."""

_PROTECTED: Final = frozenset(name.casefold() for name in PROTECTED_NAMES)


class Findings(msgspec.Struct, frozen=True):
    """What was found, the highest folders first."""

    protected: tuple[Path, ...] = ()
    secret_files: tuple[Path, ...] = ()
    secret_folders: tuple[Path, ...] = ()
    is_whole: bool = True
    """False when there was more than is looked through."""


class _Folder(msgspec.Struct, frozen=True):
    """One folder, as it was when it was looked into."""

    stamp: tuple[int, int, int]
    entries: int
    folders: tuple[str, ...]
    found: Findings


# Looking into a folder costs a hundred times what asking for its time does, and commands follow one another.
_known: dict[str, _Folder] = {}


def find(root: Path) -> Findings:
    """Look through a workspace: a second time only through the folders that have changed."""
    protected: list[Path] = []
    files: list[Path] = []
    folders: list[Path] = []
    waiting = deque([str(root)])
    seen: dict[str, _Folder] = {}
    entries = 0
    is_whole = True
    while waiting:
        if len(seen) >= _MOST_FOLDERS or entries >= _MOST_ENTRIES:
            is_whole = False
            break
        path = waiting.popleft()
        folder = _look(path)
        if folder is None:
            continue
        seen[path] = folder
        entries += folder.entries
        protected += folder.found.protected
        files += folder.found.secret_files
        folders += folder.found.secret_folders
        waiting.extend(os.path.join(path, name) for name in folder.folders)
    _known.clear()
    _known.update(seen)
    if len(protected) + len(files) + len(folders) > _MOST_FINDINGS:
        is_whole = False
    third = _MOST_FINDINGS // 3
    return Findings(tuple(protected[:third]), tuple(files[:third]), tuple(folders[:third]), is_whole)


def _look(path: str) -> _Folder | None:
    try:
        status = os.stat(path, follow_symlinks=False)
        stamp = (status.st_ino, status.st_dev, status.st_mtime_ns)
        known = _known.get(path)
        if known is not None and known.stamp == stamp:
            return known
        looked = time.time_ns()
        protected: list[Path] = []
        files: list[Path] = []
        folders: list[Path] = []
        below: list[str] = []
        count = 0
        with os.scandir(path) as listing:
            for entry in itertools.islice(listing, _MOST_ENTRIES):
                count += 1
                is_folder = entry.is_dir(follow_symlinks=False)
                if entry.name.casefold() in _PROTECTED:
                    protected.append(Path(entry.path))
                elif is_secret_name(entry.name):
                    (folders if is_folder else files).append(Path(entry.path))
                elif is_folder:
                    below.append(entry.name)
    except OSError:
        # Closed to us, and so to a command; or gone.
        return None
    if looked - status.st_mtime_ns < _SETTLED:
        # It may change once more without its time showing it.
        stamp = (0, 0, 0)
    return _Folder(stamp, count, tuple(below), Findings(tuple(protected), tuple(files), tuple(folders)))
