"""Which workspaces' configuration the user trusts: by the digest of its files, in the state folder."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from vtcode.store import Store


class _Trusted(msgspec.Struct):
    version: int = 1
    trusted: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Digests, by the real path of the workspace."""


class TrustStore:
    """The digests that the user trusts; a file that cannot be read trusts nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._store = Store(path, _Trusted)

    def covers(self, root: Path, digest: str) -> bool:
        """Tell whether the user trusts just these files in this workspace."""
        return self._store.read().trusted.get(_name(root)) == digest

    def all(self) -> Mapping[str, str]:
        """Return each workspace with the digest that is trusted there."""
        return self._store.read().trusted

    def add(self, root: Path, digest: str) -> None:
        """Trust these files. Raises OSError when that cannot be kept."""
        with self._store.changing() as kept:
            kept.trusted[_name(root)] = digest

    def remove(self, root: Path) -> bool:
        """Trust a workspace no longer; return whether it was trusted. Raises OSError when that cannot be kept."""
        with self._store.changing() as kept:
            return kept.trusted.pop(_name(root), None) is not None


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
