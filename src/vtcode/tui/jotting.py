"""`#`: a note of the person's own, put at the end of AGENTS.md."""

import os
from typing import Final

from vtcode.workspace import Workspace

_NAME: Final = "AGENTS.md"


class NotNoted(Exception):
    """A sentence for the person."""


def note(workspace: Workspace, text: str) -> None:
    """Append a line to the project's notes, which hold from the next conversation on. Raises NotNoted.

    One write to the end of the file: what stands in it is not touched, whoever else writes to it.
    """
    line = f"- {' '.join(text.split())}\n"
    path = workspace.root / _NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise NotNoted(f"{_NAME} cannot be written ({error.strerror}).") from error
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = "\n" + line
        os.write(descriptor, line.encode())
    except OSError as error:
        raise NotNoted(f"{_NAME} cannot be written ({error.strerror}).") from error
    finally:
        os.close(descriptor)
