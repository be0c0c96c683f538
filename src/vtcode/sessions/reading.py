"""A log read back, whatever is in it: bounded in time and memory, bad lines skipped and counted."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from vtcode.sessions.lines import Header, Line, decode

MOST_BYTES: Final = 16 << 20
"""Of a log that is gone on with; of a longer one the newest are read. No model has a context as long as this."""

MOST_SHOWN: Final = 64 << 20
"""The same for one that is shown, exported or rewound."""

MOST_LINE: Final = 16 << 20
"""Bytes of one line; nothing that is written here comes near."""


class ReadLog(msgspec.Struct, frozen=True, kw_only=True):
    """What a log holds."""

    header: Header | None
    """What the session works with; None when no line tells."""
    lines: list[Line]
    """In order, each once; headers left out."""
    last: int = 0
    """The place of the newest line."""
    skipped: int = 0
    """Lines that are no facts: damaged, repeated, or from a version that knows more."""
    unread: int = 0
    """Bytes before the oldest line that was read."""

    def problems(self) -> list[str]:
        """Say what of the log does not count."""
        said: list[str] = []
        if self.skipped:
            lines = "line was" if self.skipped == 1 else "lines were"
            said.append(f"{self.skipped} {lines} skipped in the log of the session: damaged, repeated or not known.")
        if self.unread:
            said.append(
                f"The log of the session is very long: its oldest {self.unread / 1e6:,.0f} MB were left unread."
            )
        return said


def read_log(path: Path, most: int = MOST_BYTES) -> ReadLog:
    """Read a log back. Raises OSError when there is none."""
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        header = _first(file)
        unread = 0
        if size > most:
            file.seek(size - most)
            unread = size - most + len(file.readline(MOST_LINE))
        else:
            file.seek(0)
        return _collect(file, header, unread)


def read_header(path: Path) -> Header | None:
    """Read the first line alone. Raises OSError."""
    with _open(path) as file:
        return _first(file)


def _collect(file: BinaryIO, header: Header | None, unread: int) -> ReadLog:
    lines: list[Line] = []
    seen: set[int] = set()
    skipped = 0
    for data in _lines(file):
        line = decode(data) if data is not None else None
        if line is None or line.n in seen:
            skipped += bool(data is None or data.strip())
            continue
        seen.add(line.n)
        if isinstance(line.fact, Header):
            header = line.fact
        else:
            lines.append(line)
    return ReadLog(header=header, lines=lines, last=max(seen, default=0), skipped=skipped, unread=unread)


def _open(path: Path) -> BinaryIO:
    # Whatever stands there instead of a file is not waited for.
    return open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=1 << 18)


def _first(file: BinaryIO) -> Header | None:
    line = decode(file.readline(MOST_LINE))
    return line.fact if line is not None and isinstance(line.fact, Header) else None


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line; None for one that is too long."""
    while data := file.readline(MOST_LINE):
        if len(data) < MOST_LINE or data.endswith(b"\n"):
            yield data
            continue
        while (rest := file.readline(1 << 20)) and not rest.endswith(b"\n"):
            pass
        yield None
