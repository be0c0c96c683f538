"""Takes away what a command made under a name that only the user may: what a later start would read or run."""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Generator
from pathlib import Path

from vtcode.workspace import PROTECTED_NAMES


class Planted:
    """What a command made, and where it is now."""

    def __init__(self) -> None:
        self.moved: list[tuple[str, Path]] = []
        """Names at the top of the workspace, with where each went."""
        self.left: list[str] = []
        """Names of what could not be moved."""

    @property
    def sentence(self) -> str:
        """Tell the model, and who reads along; empty when there is nothing to tell."""
        told = [f"{name} was moved to {where}" for name, where in self.moved]
        told += [f"{name} is still there: do not trust it" for name in self.left]
        return f"Commands cannot make these: {'; '.join(told)}. Use write_file, which asks the user." if told else ""


@contextlib.contextmanager
def cleared(root: Path, aside: Path | None) -> Generator[Planted]:
    """See to it that no protected name is at the top of the workspace in the end that was not there before.

    What exists is read-only in the box; a name that does not exist yet cannot be closed without leaving a trace in
    the workspace: a mount needs a file to lie on.

    Args:
        root: the workspace.
        aside: a folder of the user's for what is taken away; None to leave it where it is, and tell.
    """
    planted = Planted()
    missing = [name for name in sorted(PROTECTED_NAMES) if not os.path.lexists(root / name)]
    try:
        yield planted
    finally:
        for name in missing:
            if os.path.lexists(root / name):
                _take(root / name, aside, planted)


def _take(path: Path, aside: Path | None, planted: Planted) -> None:
    if aside is not None:
        folder = aside / f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
        try:
            folder.mkdir(parents=True, mode=0o700)
            _move(path, folder / path.name)
        except OSError:
            pass
        else:
            planted.moved.append((path.name, folder / path.name))
            return
    planted.left.append(path.name)


def _move(path: Path, target: Path) -> None:
    try:
        path.rename(target)
    except OSError:
        # Another file system: links are copied as links, and what is no file is not copied at all.
        if path.is_symlink() or path.is_file():
            shutil.copy2(path, target, follow_symlinks=False)
            path.unlink()
        else:
            shutil.copytree(path, target, symlinks=True, ignore=_special)
            shutil.rmtree(path)


def _special(folder: str, names: list[str]) -> list[str]:
    """Name what would not end when it is read, such as pipes."""
    paths = {name: os.path.join(folder, name) for name in names}
    return [n for n, p in paths.items() if not (os.path.islink(p) or os.path.isfile(p) or os.path.isdir(p))]
