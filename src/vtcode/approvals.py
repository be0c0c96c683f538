"""What a person approved for longer than once: for this session, or always; each for exactly one call."""

import hashlib
import os
import time
from pathlib import Path

import msgspec

from vtcode.approver import Answer
from vtcode.store import Store


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly what an approval is for: with another byte it is another."""

    tool: str
    text: str
    """The command line, or the arguments as JSON."""
    arguments: str
    """All of them, as JSON with sorted keys: a time limit and the background too."""
    workspace: str
    sandbox: str = ""
    """How it would be boxed, and with which network."""

    @property
    def digest(self) -> str:
        """The SHA-256 of all of it, in hexadecimal."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class Approval(msgspec.Struct, frozen=True):
    """One that holds always."""

    subject: Subject
    created: float
    """Seconds since 1970."""


class _Kept(msgspec.Struct):
    version: int = 1
    approved: dict[str, Approval] = msgspec.field(default_factory=dict[str, Approval])
    """By the digest of the subject."""


class Approvals:
    """The approvals of this process, and those in the user's file, which is read anew whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path, _Kept)
        self._session: set[str] = set()
        self._stamp: tuple[int, ...] | None = None
        self._always: dict[str, Approval] = {}

    def covers(self, subject: Subject) -> Answer | None:
        """Tell for how long exactly this was approved, or None."""
        digest = subject.digest
        if digest in self._session:
            return Answer.SESSION
        kept = self._current().get(digest)
        # The file names the digest; what counts is what it stands for.
        return Answer.ALWAYS if kept is not None and kept.subject == subject else None

    def keep(self, subject: Subject, answer: Answer) -> None:
        """Remember an answer for as long as it says. Raises OSError when it cannot be kept beyond this session."""
        if answer in (Answer.SESSION, Answer.ALWAYS):
            self._session.add(subject.digest)
        if answer is Answer.ALWAYS:
            with self._store.changing() as kept:
                kept.approved[subject.digest] = Approval(subject, time.time())
            # From now on the file alone says so, and a revocation there counts at once.
            self._session.discard(subject.digest)

    def all(self) -> dict[str, Approval]:
        """Return those that hold always, by digest, the oldest first."""
        return dict(sorted(self._current().items(), key=lambda entry: entry[1].created))

    def revoke(self, digests: set[str]) -> None:
        """Let these hold no longer. Raises OSError when that cannot be kept."""
        with self._store.changing() as kept:
            kept.approved = {digest: one for digest, one in kept.approved.items() if digest not in digests}

    def _current(self) -> dict[str, Approval]:
        stamp = _stamp(self._store.path)
        if stamp is None or stamp != self._stamp:
            self._always = self._store.read().approved if stamp is not None else {}
            self._stamp = stamp
        return self._always


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid)
