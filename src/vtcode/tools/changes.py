"""The one way in which tools change files: nothing that the model has not seen, earlier contents kept first."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from vtcode.replacing import Replacement
from vtcode.tools.textfile import MOST_BYTES, Contents, human_size, read_contents
from vtcode.workspace import Workspace, WriteRefused


class Keeper(Protocol):
    """Who keeps what files were before they are changed."""

    def before(self, path: str, old: bytes | None, mode: int | None) -> None:
        """Keep a file's content and permission bits, None for a file that is new; called before each change.

        The path is relative to the workspace. A change that fails later leaves the file as it was kept.
        """
        ...


class KeepNothing:
    """Keeps nothing."""

    def before(self, path: str, old: bytes | None, mode: int | None) -> None:
        pass


class ChangeRefused(WriteRefused):
    """The file is not what the model has seen of it."""


class Change(msgspec.Struct, frozen=True):
    """What is to become of one file."""

    path: Path
    data: bytes | None
    """None to remove it."""
    before: bytes | None
    """What it was when the change was worked out; None where there was no file."""
    is_blind: bool = False
    """Whether the old content goes without being matched, so that the model must have read all of it."""
    mode: int | None = None
    """Permission bits of a new file."""
    source: Path | None = None
    """The file that the content of a new one comes from, when it is moved."""


class _Seen(msgspec.Struct, frozen=True):
    digest: str
    lines: int = 0
    """How many lines from the first one on were shown."""
    total: int = 0

    @property
    def is_all(self) -> bool:
        return self.lines >= self.total


class FileChanges:
    """What the model knows of the workspace's files, and every change to them."""

    def __init__(self, workspace: Workspace, keep: Keeper | None = None) -> None:
        self._workspace = workspace
        self._keep = keep or KeepNothing()
        self._seen: dict[Path, _Seen] = {}

    def seen(self, path: Path, digest: str, lines: range | None = None, total: int = 0) -> None:
        """Note that the model was shown the file with this digest: all of it, or some lines, counted from 1."""
        known = self._seen.get(path)
        if known is not None and known.digest == digest and known.is_all:
            return
        through = known.lines if known is not None and known.digest == digest else 0
        if lines is None:
            through = total
        elif lines.start <= through + 1:
            through = max(through, lines.stop - 1)
        self._seen[path] = _Seen(digest, through, total)

    def read(self, path: Path) -> Contents | None:
        """Read a located file that may be changed; None where there is none.

        Raises:
            WorkspaceError: it cannot be read, or is too large.
            ChangeRefused: it is not as the model read it.
        """
        if not os.path.lexists(path):
            return None
        shown = self._workspace.relative(path)
        contents = read_contents(self._workspace, path)
        if not contents.is_whole:
            raise ChangeRefused(
                f"{shown} is too large to change with this tool ({human_size(contents.size)}; "
                f"the limit is {human_size(MOST_BYTES)}). Use a command."
            )
        known = self._seen.get(path)
        if known is not None and known.digest != digest(contents.data):
            raise ChangeRefused(f"{shown} has changed since you read it, and was left as it is. Read it again.")
        return contents

    def read_for_overwriting(self, path: Path) -> Contents | None:
        """Read a located file whose content is to go, as `read` does. Raises ChangeRefused unless all was seen."""
        contents = self.read(path)
        if contents is None or not contents.data:
            return contents
        shown = self._workspace.relative(path)
        known = self._seen.get(path)
        if known is None:
            raise ChangeRefused(
                f"{shown} exists, and you have not read it. Read it with read_file first; to change a part of it, "
                "use edit_file."
            )
        if not known.is_all:
            raise ChangeRefused(
                f"You have not read all of {shown}. Read on with read_file (start={known.lines + 1}), or change a "
                "part of it with edit_file."
            )
        return contents

    def write(self, path: Path, data: bytes) -> None:
        """Write one file whole. Raises WorkspaceError, nothing changed."""
        before = self.read_for_overwriting(path)
        self.commit([Change(path, data, before.data if before else None, is_blind=True)])

    def remove(self, path: Path) -> None:
        """Remove one file. Raises WorkspaceError, nothing changed."""
        before = self.read_for_overwriting(path)
        self.commit([Change(path, None, before.data if before else None, is_blind=True)])

    def commit(self, changes: Sequence[Change]) -> None:
        """Make all of these changes, or none. Raises WorkspaceError, nothing changed."""
        modes: list[int | None] = []
        for change in changes:
            read = self.read_for_overwriting if change.is_blind else self.read
            found = read(change.path)
            if (found.data if found else None) != change.before:
                shown = self._workspace.relative(change.path)
                raise ChangeRefused(f"{shown} changed just now, and was left as it is. Read it again.")
            modes.append(found.mode if found else None)
        for change, mode in zip(changes, modes, strict=True):
            self._keep.before(self._workspace.relative(change.path), change.before, mode)
        self._workspace.replace_files([Replacement(change.path, change.data, change.mode) for change in changes])
        known = {path for path, seen in self._seen.items() if seen.is_all}
        for change in changes:
            self._seen.pop(change.path, None)
            if change.data is not None:
                # The model knows what it wrote; of what it edited, no more lines than it knew before.
                is_known = change.is_blind or (change.source or change.path) in known
                is_new = change.before is None and change.source is None
                self._seen[change.path] = _Seen(digest(change.data), total=0 if is_known or is_new else 1)


def digest(data: bytes) -> str:
    """Name a file's content."""
    return hashlib.sha256(data).hexdigest()
