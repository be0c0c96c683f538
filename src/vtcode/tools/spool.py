"""Keeps the whole of a tool result that was cut, where the model's tools can read it."""

import re
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"@output/(\d{1,6})")


class Spool:
    """Whole outputs, one file each, in a folder of the session.

    The model knows them by names such as `@output/3`, which `read_file` and `grep_file` take for a path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = len(list(folder.glob("*.txt"))) if folder.is_dir() else 0

    def keep(self, data: bytes) -> str | None:
        """Write one output and return its name; None when it cannot be written."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._count += 1
            (self._folder / f"{self._count}.txt").write_bytes(data)
        except OSError:
            return None
        return f"@output/{self._count}"

    def find(self, name: str) -> Path | None:
        """Return the file of a name that `keep` gave; None for any other."""
        match = _NAME.fullmatch(name)
        path = self._folder / f"{match[1]}.txt" if match else None
        return path if path is not None and path.is_file() else None
