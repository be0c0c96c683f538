"""The log of decisions: which call was allowed or refused, by which rule, written before anything is done."""

import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from vtcode.approvals import Subject

MOST_BYTES: Final = 4 << 20
"""Of one file; a fuller one is put aside under the next number."""
_KEPT_FILES: Final = 4
_MOST_TEXT: Final = 2000
"""Characters of one call that are written; its digest stands for all of them."""
_SHORTEST_SECRET: Final = 8


Choice = Literal["allowed", "denied", "asked", "approved", "refused"]
"""`asked` stands before the question, `approved` or `refused` behind it."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One decision."""

    time: float
    """Seconds since 1970."""
    session: str
    workspace: str
    tool: str
    decision: Choice
    rule: str
    """Which rule decided, or had it asked."""
    answer: str = ""
    """What the person said: once, session, always, no."""
    digest: str = ""
    """Of the whole call, as `vtcode approvals` names it."""
    text: str = ""
    """The beginning of the call."""


class Audit:
    """Appends decisions to a file of the state folder.

    A line is on its way to the disk before `record` returns, so that it outlives the process; a power cut can take
    the last ones.
    """

    def __init__(self, path: Path, workspace: str, session: str = "", secret: str = "") -> None:
        self._path = path
        self._workspace = workspace
        self._session = session
        self._secret = secret if len(secret) >= _SHORTEST_SECRET else ""
        self._has_failed = False

    def record(self, subject: Subject, decision: Choice, rule: str, answer: str = "") -> str | None:
        """Write one decision; return a sentence for the user the first time that this fails."""
        text = subject.text[:_MOST_TEXT]
        entry = Entry(
            time=time.time(),
            session=self._session,
            workspace=self._workspace,
            tool=subject.tool,
            decision=decision,
            rule=rule,
            answer=answer,
            digest=subject.digest,
            text=text.replace(self._secret, "[key]") if self._secret else text,
        )
        # ASCII: whatever a model wrote, a terminal may show it.
        line = json.dumps(msgspec.to_builtins(entry)).replace("\x7f", "\\u007f") + "\n"
        try:
            self._append(line.encode())
        except OSError as error:
            if self._has_failed:
                return None
            self._has_failed = True
            return f"Decisions are not logged: {self._path} cannot be written ({error.strerror})."
        return None

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Opened each time: another vtcode may have put the file aside.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o600)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(0, "it is not a regular file")
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
        if status.st_size + len(line) > MOST_BYTES:
            self._put_aside()

    def _put_aside(self) -> None:
        for number in range(_KEPT_FILES - 1, 0, -1):
            older = _numbered(self._path, number)
            if older.exists():
                older.replace(_numbered(self._path, number + 1))
        self._path.replace(_numbered(self._path, 1))


def entries(path: Path) -> Iterator[Entry]:
    """Yield what is logged, the oldest first; a line that is torn or strange is passed over."""
    for number in range(_KEPT_FILES, -1, -1):
        try:
            with _numbered(path, number).open("rb") as file:
                for line in file:
                    try:
                        yield msgspec.json.decode(line, type=Entry)
                    except (msgspec.MsgspecError, RecursionError):
                        continue
        except OSError:
            continue


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
