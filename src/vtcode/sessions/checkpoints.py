"""Keeps what files were before tools change them; no version control is needed."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vtcode.sessions.lines import Kept, Left
from vtcode.tools.textfile import MOST_BYTES, human_size
from vtcode.workspace import Workspace, WorkspaceError

MOST_KEPT: Final = 1 << 30
"""Bytes of one session's checkpoints; what comes after is told to be lost."""


class Blobs:
    """Contents by their digest, each once."""

    def __init__(self, folder: Path, most: int = MOST_KEPT) -> None:
        self._folder = folder
        self._most = most
        self._size: int | None = None

    def put(self, data: bytes) -> str:
        """Keep a content and return its name. Raises OSError; the message is a reason."""
        name = hashlib.sha256(data).hexdigest()
        path = self._folder / name
        if path.exists():
            return name
        if self._used() + len(data) > self._most:
            raise OSError(f"the session keeps {human_size(self._most)} of earlier contents already")
        self._folder.mkdir(mode=0o700, exist_ok=True)
        aside = self._folder / f".{secrets.token_hex(8)}"
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(aside, path)
        except OSError:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise
        self._size = self._used() + len(data)
        return name

    def get(self, name: str) -> bytes | None:
        """Return a content; None when it is gone or damaged."""
        try:
            data = (self._folder / name).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == name else None

    def _used(self) -> int:
        if self._size is None:
            self._size = 0
            with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
                self._size = sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
        return self._size


class Checkpoints:
    """Told of each change before it is made; what a file was can be found again by the place in the log."""

    def __init__(
        self, blobs: Blobs, write: Callable[[Kept], None], say: Callable[[str], None], step: Callable[[], int]
    ) -> None:
        """Keep contents in `blobs`.

        Args:
            write: puts the fact on disk, before it returns.
            say: tells the user a sentence.
            step: says which step of the turn it is.
        """
        self._blobs = blobs
        self._write = write
        self._say = say
        self._step = step
        self._changed: dict[str, None] = {}

    def before(self, path: str, old: bytes | None, mode: int | None) -> None:
        """Keep a file's content and permission bits, None for a file that is new."""
        self._changed[path] = None
        blob, lost = None, ""
        if old is not None:
            try:
                blob = self._blobs.put(old)
            except OSError as error:
                lost = error.strerror or str(error)
                self._say(f"What {path} was could not be kept ({lost}): rewind cannot bring it back.")
        self._write(Kept(path=path, step=self._step(), blob=blob, mode=mode, lost=lost))

    def take_left(self, workspace: Workspace) -> list[Left]:
        """Say what the files are now that were changed since the last time."""
        changed = list(self._changed)
        self._changed.clear()
        left: list[Left] = []
        for path in changed:
            with contextlib.suppress(WorkspaceError):
                data = content(workspace, path)
                left.append(Left(path=path, digest=None if data is None else hashlib.sha256(data).hexdigest()))
        return left


def content(workspace: Workspace, path: str) -> bytes | None:
    """Read a file of the workspace as it is; None where there is none.

    Raises:
        WorkspaceError: it cannot be read, or is larger than tools change.
    """
    located = workspace.locate(path)
    if not os.path.lexists(located):
        return None
    with workspace.open_file(located) as file:
        data = bytearray()
        while piece := file.read(MOST_BYTES + 1 - len(data)):
            data += piece
    if len(data) > MOST_BYTES:
        raise WorkspaceError(f"{path} has become larger than {human_size(MOST_BYTES)}.")
    return bytes(data)
