"""Keeps the whole of an output that was cut, where the model's tools can read it."""

import contextlib
import os
import re
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 16_000_000
"""Of one output; what lies beyond is lost."""
MOST_FILES: Final = 200
"""Outputs that one session keeps; later ones are only shown cut."""

_NAME: Final = re.compile(r"@output/(\d{1,6})")


class SpoolFile:
    """One output, written as it comes."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        """What the model knows it by."""
        self.is_whole = True
        self._room = MOST_BYTES
        # Never a file that is there, or a link: the folder is ours, and its names are not chosen by a model.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = open(os.open(path, flags, 0o600), "wb", buffering=0)  # noqa: SIM115 - closed by `close`

    def write(self, data: bytes) -> None:
        """Add a piece. What finds no room is dropped, and told by `is_whole`."""
        piece = data[: self._room]
        try:
            written = self._file.write(piece) if piece else 0
        except (OSError, ValueError):
            written = 0
        self._room = self._room - written if written == len(piece) else 0
        self.is_whole = self.is_whole and written == len(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


class Spool:
    """Whole outputs, one file each, in a folder of the session.

    The model knows them by names such as `@output/3`, which `read_file` and `grep_file` take for a path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        found = folder.glob("*.txt") if folder.is_dir() else ()
        self._count = max((int(path.stem) for path in found if path.stem.isdecimal()), default=0)

    def open(self) -> SpoolFile | None:
        """Begin one output; None when it cannot be kept."""
        if self._count >= MOST_FILES:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._count += 1
            return SpoolFile(f"@output/{self._count}", self._folder / f"{self._count}.txt")
        except OSError:
            return None

    def keep(self, data: bytes) -> str | None:
        """Write one output and return its name; None when it cannot be written."""
        file = self.open()
        if file is None:
            return None
        file.write(data)
        file.close()
        return file.name

    def find(self, name: str) -> Path | None:
        """Return the file of a name that `keep` gave; None for any other."""
        match = _NAME.fullmatch(name)
        path = self._folder / f"{match[1]}.txt" if match else None
        return path if path is not None and path.is_file() else None
