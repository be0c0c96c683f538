"""What was typed, kept from session to session, in the file format of prompt_toolkit."""

import contextlib
import datetime
import fcntl
import os
import stat
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import BinaryIO, Final, cast

from prompt_toolkit.history import History as BaseHistory

_MOST_ENTRIES: Final = 2_000
_MOST_BYTES: Final = 1_000_000
_SLACK: Final = 2
"""How much longer than that the file may get before it is written anew: not at each start."""
_LONGEST: Final = 100_000
"""Bytes of an entry that is kept on disk; a longer one is a paste, and remembered for this session only."""
_TRIES: Final = 10
_APPEND: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class History(BaseHistory):
    """Remembers lines for the arrow keys and for searching; a session whose file cannot be used remembers its own.

    A line that begins with a space is not kept, as in a shell.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def search(self, query: str) -> list[str]:
        """Give what contains `query`, capitals aside: the newest first, each once."""
        wanted = query.casefold()
        found = dict.fromkeys(text for text in self._remembered() if wanted in text.casefold())
        return list(found)

    def append_string(self, string: str) -> None:
        if string.strip() and not string.startswith(" "):
            # What is typed before the editor asked for the old lines would be lost when they are loaded over it.
            self._remembered()
            if self._loaded_strings[:1] != [string]:
                super().append_string(string)

    def load_history_strings(self) -> Iterable[str]:
        try:
            data = self._shortened()
        except OSError:
            return ()
        return reversed(_entries(data)[-_MOST_ENTRIES:])

    def store_string(self, string: str) -> None:
        data = _written(string)
        if len(data) > _LONGEST:
            return
        # A session does without its file: it may be on a full disk, or in a home that cannot be written.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _newest(self._path) as file:
                file.write(data)

    def _remembered(self) -> list[str]:
        if not self._loaded:
            self._loaded_strings = list(self.load_history_strings())
            self._loaded = True
        return self._loaded_strings

    def _shortened(self) -> bytes:
        """Read the end of the file, and write it anew when it has become long. Raises OSError."""
        with open(_opened(self._path, _READ), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _SLACK * _MOST_BYTES))
            data = file.read(_SLACK * _MOST_BYTES)
        if size <= _SLACK * _MOST_BYTES and data.count(b"\n#") <= _SLACK * _MOST_ENTRIES:
            return data
        with contextlib.suppress(OSError):
            self._rewrite()
        return data

    def _rewrite(self) -> None:
        """Put a file with the newest entries in its place."""
        with _newest(self._path) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _SLACK * _MOST_BYTES))
            kept: list[bytes] = []
            room = _MOST_BYTES
            for text in reversed(_entries(file.read())[-_MOST_ENTRIES:]):
                data = _written(text)
                room -= len(data)
                if room < 0:
                    break
                kept.append(data)
            descriptor, aside = tempfile.mkstemp(dir=self._path.parent, prefix=".history-")
            try:
                with open(descriptor, "wb") as new:
                    new.write(b"".join(reversed(kept)))
                os.replace(aside, self._path)
            except BaseException:
                os.unlink(aside)
                raise


@contextlib.contextmanager
def _newest(path: Path) -> Generator[BinaryIO]:
    """Open the file for a change that no other session interferes with. Raises OSError.

    While this waited for the lock, another session may have put a new file in its place.
    """
    for _ in range(_TRIES):
        with open(_opened(path, _APPEND), "a+b", buffering=0) as file:
            # Some network file systems know no locks: a line may then be lost, once in two thousand.
            with contextlib.suppress(OSError):
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(file.fileno()), os.lstat(path)):
                yield cast("BinaryIO", file)
                return
    raise OSError(f"{path} is replaced over and over")


def _opened(path: Path, flags: int) -> int:
    """Open it when it is a file. Raises OSError."""
    descriptor = os.open(path, flags, 0o600)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no file")
    if status.st_uid == os.geteuid() and status.st_mode & 0o077:
        # prompt_toolkit makes it as the umask says, and tasks may name what is secret.
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o600)
    return descriptor


def _written(text: str) -> bytes:
    lines = "".join(f"+{line}\n" for line in text.split("\n"))
    return f"\n# {datetime.datetime.now()}\n{lines}".encode(errors="replace")


def _entries(data: bytes) -> list[str]:
    """Give the entries of a file, the oldest first; the first may be the rest of one that was cut."""
    found: list[str] = []
    lines: list[str] = []
    for line in (*data.decode(errors="replace").split("\n"), ""):
        if line.startswith("+"):
            lines.append(line[1:])
        elif lines:
            found.append("\n".join(lines))
            lines = []
    return found
