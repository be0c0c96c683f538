"""Which workspaces' configuration the user trusts: by the digest of its files, in the state folder."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from vtcode.tomledit import replace_text

_MOST_BYTES: Final = 1 << 20


class _Store(msgspec.Struct):
    version: int = 1
    trusted: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Digests, by the real path of the workspace."""


class TrustStore:
    """The digests that the user trusts; a file that cannot be read trusts nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def covers(self, root: Path, digest: str) -> bool:
        """Tell whether the user trusts just these files in this workspace."""
        return self._read().trusted.get(_name(root)) == digest

    def all(self) -> Mapping[str, str]:
        """Return each workspace with the digest that is trusted there."""
        return self._read().trusted

    def add(self, root: Path, digest: str) -> None:
        """Trust these files. Raises OSError when that cannot be kept."""
        with self._locked():
            store = self._read()
            store.trusted[_name(root)] = digest
            self._write(store)

    def remove(self, root: Path) -> bool:
        """Trust a workspace no longer; return whether it was trusted. Raises OSError when that cannot be kept."""
        with self._locked():
            store = self._read()
            if store.trusted.pop(_name(root), None) is None:
                return False
            self._write(store)
            return True

    def _read(self) -> _Store:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                return msgspec.json.decode(file.read(_MOST_BYTES), type=_Store)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _Store()

    def _write(self, store: _Store) -> None:
        replace_text(self.path, msgspec.json.format(msgspec.json.encode(store)).decode())

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """Keep two programs from losing each other's words."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def digest_of(files: Iterable[tuple[str, str]]) -> str:
    """Return one digest of files, given as their names and texts."""
    return hashlib.sha256(msgspec.json.encode(sorted(files))).hexdigest()


def store_for(environ: Mapping[str, str]) -> TrustStore:
    """Find the store of this user (XDG Base Directory)."""
    home = Path(environ.get("HOME") or Path.home())
    base = Path(environ.get("XDG_STATE_HOME") or "")
    # A relative path there is to be ignored, and could lie in the workspace.
    return TrustStore((base if base.is_absolute() else home / ".local" / "state") / "vtcode" / "trust.json")


def _name(root: Path) -> str:
    # The store is UTF-8; a path need not be.
    return os.fsencode(os.path.realpath(root)).decode("utf-8", "backslashreplace")
