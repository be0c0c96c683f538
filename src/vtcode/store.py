"""What the program remembers for its user in one file of JSON: read, changed by one at a time, replaced whole."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from vtcode.tomledit import replace_text

_MOST_BYTES: Final = 1 << 20

T = TypeVar("T", bound=msgspec.Struct)


class Store(Generic[T]):
    """A file of the state folder that holds one struct, whose fields all have defaults.

    A file that cannot be read or understood, or that another user could have written, holds the defaults: what is
    remembered here are permissions, and a doubtful one is none.
    """

    def __init__(self, path: Path, kind: type[T]) -> None:
        self.path = path
        self._kind = kind

    def read(self) -> T:
        """Return what the file holds now."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                if not _is_own(os.fstat(descriptor)):
                    return self._kind()
                return msgspec.json.decode(file.read(_MOST_BYTES), type=self._kind)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._kind()

    @contextlib.contextmanager
    def changing(self) -> Generator[T]:
        """Give what the file holds, and keep it as it is at the end; two programs do not lose each other's words.

        Raises:
            OSError: when it cannot be kept.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            value = self.read()
            yield value
            replace_text(self.path, msgspec.json.format(msgspec.json.encode(value)).decode())
        finally:
            os.close(descriptor)


def _is_own(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o022
