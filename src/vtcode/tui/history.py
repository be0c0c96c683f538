"""What was typed, in all sessions: a bounded file in the format of prompt_toolkit's FileHistory."""

import contextlib
import datetime
import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Final

from prompt_toolkit.history import History as Base

_MOST: Final = 2_000
"""Texts that are kept."""
_MOST_BYTES: Final = 1_000_000
_TRIES: Final = 10
_LONGEST: Final = 50_000
"""Characters of a text; a longer one is kept in memory alone."""


class History(Base):
    """Newest last in the file, newest first in what is loaded.

    A text that begins with a blank is kept nowhere, as in bash with `HISTCONTROL=ignorespace`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__()

    def load_history_strings(self) -> Iterable[str]:
        """Read the file; one that cannot be read is empty."""
        return reversed(self._read())

    def store_string(self, string: str) -> None:
        """Append a text in one write, so that sessions beside this one lose nothing of theirs."""
        if len(string) > _LONGEST:
            return
        entry = _entry(string, datetime.datetime.now().isoformat(sep=" "))
        # Without a place to keep it, it is known in this session alone.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _newest(self._path) as descriptor:
                os.write(descriptor, entry.encode("utf-8", "surrogatepass"))
                if os.fstat(descriptor).st_size > _MOST_BYTES:
                    self._shorten()

    def append_string(self, string: str) -> None:
        """Keep a text, unless it begins with a blank or is the newest already."""
        loaded = self._remembered()
        if string.startswith(" ") or (loaded and loaded[0] == string):
            return
        super().append_string(string)

    def search(self, query: str) -> list[str]:
        """Find texts that hold the query, newest first, each once; case counts only where it is written."""
        folds = query == query.lower()
        found = (text for text in self._remembered() if query in (text.lower() if folds else text))
        return list(dict.fromkeys(found))

    def _remembered(self) -> list[str]:
        # Before anything is added: what is loaded later takes the place of all that is there.
        if not self._loaded:
            self._loaded_strings = list(self.load_history_strings())
            self._loaded = True
        return self._loaded_strings

    def _read(self) -> list[str]:
        try:
            with open(_opened(self._path, os.O_RDONLY), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 2 * _MOST_BYTES))
                raw = file.read(2 * _MOST_BYTES)
        except OSError:
            return []
        texts: list[str] = []
        lines: list[str] = []
        # A last, empty line ends the last text.
        for line in [*raw.decode("utf-8", "replace").split("\n"), ""]:
            if line.startswith("+"):
                lines.append(line[1:])
            elif lines:
                texts.append("\n".join(lines))
                lines = []
        return texts[-_MOST:]

    def _shorten(self) -> None:
        """Keep the newest half; nobody else writes meanwhile."""
        kept: list[str] = []
        size = 0
        for text in reversed(self._read()):
            size += len(text.encode("utf-8", "surrogatepass")) + 40
            if size > _MOST_BYTES // 2:
                break
            kept.append(text)
        entries = (_entry(text, "") for text in reversed(kept))
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=".history")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write("".join(entries).encode("utf-8", "surrogatepass"))
            Path(name).replace(self._path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _newest(path: Path) -> Generator[int]:
    """Open the file for a change that no other session interferes with. Raises OSError."""
    for _ in range(_TRIES):
        descriptor = _opened(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            # Some network file systems know no locks: a text may then be lost when the file is shortened.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Another session may have put a shorter file in its place while this one waited.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                yield descriptor
                return
        finally:
            os.close(descriptor)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _opened(path: Path, flags: int) -> int:
    """Open it if it is a file, and have it readable for the person alone. Raises OSError."""
    # Opening a pipe would wait for ever.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    if status.st_mode & 0o077:
        # prompt_toolkit made it as the umask says.
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o600)
    return descriptor


def _entry(text: str, when: str) -> str:
    return "".join([f"\n# {when}\n", *(f"+{line}\n" for line in text.split("\n"))])
