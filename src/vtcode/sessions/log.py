"""The one writer of a session's log: what it says is kept is on disk."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from vtcode.sessions import SessionBusy
from vtcode.sessions.lines import Fact, Line, decode, encode, stamp
from vtcode.sessions.reading import MOST_LINE

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_HIDDEN: Final = b"[key]"
_SHORTEST_SECRET: Final = 8
_LET_GO: Final = 0.3
"""Seconds for which a log may be held on after its writer was killed: by a child that had not come to its `exec`."""


class Log:
    """Appends facts. What the disk refuses waits in memory, in order, and is tried again with the next fact."""

    def __init__(self, descriptor: int, secret: str = "", clock: Callable[[], float] = time.time) -> None:
        self._descriptor = descriptor
        self._last = 0
        self._secret = secret.encode() if len(secret) >= _SHORTEST_SECRET else b""
        self._clock = clock
        self._end = os.fstat(descriptor).st_size
        self._waiting: list[bytes] = []
        self._is_failing = False

    @classmethod
    def create(cls, path: Path, secret: str = "") -> "Log":
        """Begin a log. Raises OSError; FileExistsError when there is one."""
        descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _lock(descriptor, path)
            _sync_folder(path.parent)
            _sync_folder(path.parent.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, secret)

    @classmethod
    def reopen(cls, path: Path, secret: str = "") -> "Log":
        """Go on with a log. Raises OSError, or SessionBusy."""
        descriptor = os.open(path, _FLAGS)
        try:
            _lock(descriptor, path)
            _end_last_line(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, secret)

    def go_on_after(self, last: int) -> None:
        """Number the next line after this one."""
        self._last = last

    def append(self, facts: Sequence[Fact], turn: int, *, is_awaited: bool = True) -> str | None:
        """Write facts, in order.

        Args:
            facts: may be none, to try again what waits.
            turn: which they belong to.
            is_awaited: whether something is done next that must not be done unless they are on disk.

        Returns:
            A sentence when writing begins to fail, and one when it works again.
        """
        at = stamp(self._clock())
        for fact in facts:
            self._last += 1
            data = encode(Line(self._last, at, fact, turn))
            self._waiting.append(data.replace(self._secret, _HIDDEN) if self._secret else data)
        try:
            self._flush()
            if is_awaited:
                os.fdatasync(self._descriptor)
        except OSError as error:
            return self._failed(error)
        if self._is_failing:
            self._is_failing = False
            return "The session is kept again, without a gap."
        return None

    def close(self) -> None:
        """Give the log up for another writer."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _failed(self, error: OSError) -> str | None:
        if self._is_failing:
            return None
        self._is_failing = True
        reason = os.strerror(error.errno or errno.EIO)
        return (
            f"The session could not be kept ({reason}). The work goes on; unless there is room again before the end, "
            "it cannot be gone on with from here."
        )

    def _flush(self) -> None:
        if not self._waiting:
            return
        data = memoryview(b"".join(self._waiting))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            # A part of a line is no fact; the next try begins where this one did.
            os.ftruncate(self._descriptor, self._end)
            raise
        self._waiting.clear()
        self._end += written


def lock_for_reading(path: Path) -> int:
    """Hold a log against writers; return the descriptor to close. Raises OSError, or SessionBusy."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _lock(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, path: Path) -> None:
    end = time.monotonic() + _LET_GO
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                raise SessionBusy(
                    f"The session {path.parent.name} is open in another vtcode. End that one, or go on with a copy "
                    "(--fork)."
                ) from error
            time.sleep(0.02)


def _end_last_line(descriptor: int) -> None:
    """Cut off a last line that was never whole, or end it if it is."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - MOST_LINE)
    tail = os.pread(descriptor, 1, size - 1) if size else b"\n"
    if tail == b"\n":
        return
    data = os.pread(descriptor, size - start, start)
    begin = data.rfind(b"\n") + 1
    if (begin or not start) and decode(data[begin:]) is None:
        # It was on its way when its writer was killed: nothing has been done upon it.
        os.ftruncate(descriptor, start + begin)
    else:
        os.write(descriptor, b"\n")


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some file systems have no such thing.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
