"""The git branch of a folder, read from its files: no program is started for a status line."""

from pathlib import Path
from typing import Final

_MOST: Final = 1_000
_REF: Final = "ref: refs/heads/"


def branch_of(root: Path) -> str:
    """Return the name of the branch that is checked out; empty outside a repository and between branches."""
    for folder in (root, *root.parents):
        place = folder / ".git"
        text = _read(place)
        if text.startswith("gitdir: "):
            # A worktree, or a submodule.
            place = folder / text.removeprefix("gitdir: ").strip()
        head = _read(place / "HEAD")
        if head or text:
            return head.removeprefix(_REF).strip() if head.startswith(_REF) else ""
    return ""


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_MOST).decode("utf-8", "replace")
    except OSError:
        return ""
