"""A file's text, and how it was written: encoding, byte order mark, newlines."""

import codecs
import contextlib
import os
import re
import stat
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec

from vtcode.tools.binary import describe
from vtcode.workspace import PathRefused, Workspace

MOST_BYTES: Final = 10_000_000
"""Bytes that are read of one file; what lies beyond is not seen."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ONLY_CP1252: Final = re.compile(rb"[\x80-\x9f]")
_SAMPLE_BYTES: Final = 8192
_TEXT_BYTES: Final = bytes(byte for byte in range(256) if byte in b"\t\n\f\r\x1b\x08" or (byte >= 32 and byte != 127))
_MOST_CONTROL: Final = 0.01
"""Share of control bytes up to which a file of no known encoding is taken for text."""


class Contents(msgspec.Struct, frozen=True):
    """What was read of a file."""

    data: bytes
    size: int
    """Bytes of the whole file."""
    is_whole: bool
    """False when the file goes on beyond MOST_BYTES."""
    mode: int
    """Its permission bits."""


class TextFile(msgspec.Struct, frozen=True):
    """A text file as it was read."""

    text: str
    """With the file's own newlines, without its byte order mark."""
    encoding: str
    mark: bytes
    size: int
    """Bytes of the whole file."""
    is_whole: bool
    """False when the file goes on beyond MOST_BYTES."""

    @property
    def newline(self) -> str:
        """The newline that most lines end with."""
        return "\r\n" if 2 * self.text.count("\r\n") > self.text.count("\n") else "\n"

    @property
    def is_guessed(self) -> bool:
        """Whether nothing in the file says that its encoding is this one."""
        return self.encoding in ("cp1252", "latin-1")

    def encode(self, text: str) -> bytes:
        """Encode another text as this file is. Raises UnicodeEncodeError where its encoding lacks a letter."""
        return self.mark + text.encode(self.encoding)


def read_text(workspace: Workspace, path: Path) -> TextFile:
    """Read a located file. Raises PathRefused if it cannot be read or is not text."""
    return decode(workspace.relative(path), read_contents(workspace, path))


def read_contents(workspace: Workspace, path: Path) -> Contents:
    """Read a located file's first MOST_BYTES. Raises PathRefused if it cannot be read."""
    with workspace.open_file(path) as file:
        return read_stream(workspace.relative(path), file)


def read_stream(shown: str, file: FileIO) -> Contents:
    """Read an open file's first MOST_BYTES. Raises PathRefused if it cannot be read."""
    try:
        data = _read(file, MOST_BYTES)
        # A file that grows meanwhile is whole as far as it was read to its end.
        status = os.fstat(file.fileno())
        size = len(data) if len(data) < MOST_BYTES else max(status.st_size, len(data))
    except OSError as error:
        raise PathRefused(f"{shown} cannot be read: {error.strerror}.") from error
    return Contents(data, size, size == len(data), stat.S_IMODE(status.st_mode))


def decode(shown: str, contents: Contents) -> TextFile:
    """Find out how a text is encoded. Raises PathRefused for what is not text, and says what it is."""
    decoded = _decode(contents.data, is_whole=contents.is_whole)
    if decoded is None:
        kind = describe(contents.data)
        about = f"{kind}, {human_size(contents.size)}" if kind else human_size(contents.size)
        raise PathRefused(f"{shown} is a binary file ({about}), which cannot be shown as text.")
    text, encoding, mark = decoded
    return TextFile(text, encoding, mark, contents.size, contents.is_whole)


def human_size(size: int) -> str:
    """Write a number of bytes for people: `12.3 KB`."""
    if size < 1000:
        return f"{size} bytes"
    for unit in ("KB", "MB"):
        size_in_unit = size / (1000 if unit == "KB" else 1000_000)
        if size_in_unit < 1000:
            return f"{size_in_unit:.1f} {unit}"
    return f"{size / 1e9:.1f} GB"


def _read(file: FileIO, most: int) -> bytes:
    parts: list[bytes] = []
    while most > 0 and (part := file.read(most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _decode(data: bytes, *, is_whole: bool) -> tuple[str, str, bytes] | None:
    """Return text, encoding and mark, or None for what is not text."""
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    data = data[len(mark) :]
    if encoding == "utf-8" and b"\0" in data:
        return None
    try:
        # Incremental, since a file that was cut may end in the middle of a character.
        return codecs.getincrementaldecoder(encoding)().decode(data, final=is_whole), encoding, mark
    except UnicodeDecodeError:
        return _guessed(data) if not mark and _looks_like_text(data) and not describe(data) else None


def _guessed(data: bytes) -> tuple[str, str, bytes]:
    """Decode a text of some 8-bit encoding: the two differ in bytes that only one of them uses for text."""
    if _ONLY_CP1252.search(data):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("cp1252"), "cp1252", b""
    return data.decode("latin-1"), "latin-1", b""


def _looks_like_text(data: bytes) -> bool:
    sample = data[:_SAMPLE_BYTES]
    return len(sample.translate(None, _TEXT_BYTES)) <= _MOST_CONTROL * len(sample)
