"""API keys: made, listed and revoked in a file that holds only digests; told apart when a client sends one."""

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Generator, Iterable
from pathlib import Path

import msgspec

from lmserver.errors import ModelError
from lmserver.storage import locked, whole_file

log = logging.getLogger("lmstudio")

PREFIX = "sk-lm-"
ENVIRONMENT = "env"
"""What the log calls the key that came from LMSTUDIO_API_KEY."""

RECHECK = 0.5
"""Seconds after which a running server looks at the file again."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_FILE = 1 << 20


class KeyEntry(msgspec.Struct, frozen=True):
    """One key, as the file has it."""

    name: str
    digest: str
    """SHA-256 of the key in hexadecimal. A key is random enough that a slow digest would protect it no better."""
    created: int
    """Unix time in seconds."""
    prefix: str
    """The key's first random characters, to recognise it by."""


def keys_file(state: Path) -> Path:
    """Say where the keys of the server with this state folder are."""
    return state / "keys.json"


def read(path: Path) -> tuple[KeyEntry, ...]:
    """Read the file of keys; one that is not there holds none.

    Raises:
        ModelError: for a file that cannot be read or understood.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE)
        return msgspec.json.decode(content, type=tuple[KeyEntry, ...])
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelError(
            f"The file of API keys, {path}, cannot be used ({why}). Mend it; or remove it, and make new keys with "
            "`lmstudio key create NAME`."
        ) from error


def create(state: Path, name: str) -> str:
    """Make a key, store its digest, and return the key, which is nowhere else.

    Raises:
        ModelError: for a name that is no name or that a key has, and when the file cannot be written.
    """
    if not _NAME.fullmatch(name) or name == ENVIRONMENT:
        raise ModelError(
            f"{name!a} cannot name a key: expected 1 to 64 letters, digits, dots, underscores and hyphens"
            f"{' (and not env, which stands for LMSTUDIO_API_KEY)' if name == ENVIRONMENT else ''}."
        )
    key = PREFIX + secrets.token_urlsafe(30)
    digest = hashlib.sha256(key.encode()).hexdigest()
    entry = KeyEntry(name, digest, int(time.time()), key[len(PREFIX) :][:6])
    with _changing(state) as path:
        entries = read(path)
        if any(other.name == name for other in entries):
            raise ModelError(
                f"There is a key named {name} already. Choose another name, or revoke it with "
                f"`lmstudio key revoke {name}`."
            )
        _write(path, (*entries, entry))
    return key


def revoke(state: Path, name: str) -> None:
    """Remove a key. Raises `ModelError` when none has this name, and when the file cannot be written."""
    with _changing(state) as path:
        entries = read(path)
        kept = tuple(entry for entry in entries if entry.name != name)
        if len(kept) == len(entries):
            names = ", ".join(entry.name for entry in entries) or "none yet"
            raise ModelError(f"There is no key named {name!a}. The keys are: {names}.")
        _write(path, kept)


@contextlib.contextmanager
def _changing(state: Path) -> Generator[Path]:
    """Give the path of the keys to one process at a time."""
    path = keys_file(state)
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        state.chmod(0o700)
        with locked(path.with_name("keys.lock"), lambda: None):
            yield path
    except OSError as error:
        raise ModelError(
            f"The file of API keys, {path}, could not be written ({error.strerror}). The keys are as they were."
        ) from error


def _write(path: Path, entries: tuple[KeyEntry, ...]) -> None:
    with whole_file(path) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(msgspec.json.format(msgspec.json.encode(entries)))


class Keyring:
    """The keys that a running server knows; it notices new and revoked ones."""

    def __init__(self, path: Path, given: str | None, *, is_exposed: bool = False) -> None:
        """Read the keys.

        Args:
            path: the file of keys.
            given: one more key, of LMSTUDIO_API_KEY.
            is_exposed: whether other machines can connect and nobody said that they may do so without a key,
                so that one is needed even after the last was revoked.

        Raises:
            ModelError: for a file that cannot be used.
        """
        self._path = path
        self._given = [KeyEntry(ENVIRONMENT, hashlib.sha256(given.encode()).hexdigest(), 0, "")] if given else []
        self._is_exposed = is_exposed
        self._stamp = _stamp(path)
        self._entries = read(path)
        self._checked = time.monotonic()

    @property
    def is_empty(self) -> bool:
        """Whether there is no key at all."""
        return not (self._given or self._entries)

    @property
    def is_required(self) -> bool:
        """Whether requests need a key now."""
        self._refresh()
        return self._is_exposed or not self.is_empty

    def holder(self, sent: Iterable[bytes]) -> str | None:
        """Say whose key is among those that were sent: the key's name, or None if no key is."""
        self._refresh()
        digests = [hashlib.sha256(key).hexdigest() for key in sent]
        found = None
        # Every comparison is made, in a time that does not depend on what differs.
        for entry in (*self._given, *self._entries):
            for digest in digests:
                if hmac.compare_digest(entry.digest.encode(), digest.encode()):
                    found = entry.name
        return found

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._checked < RECHECK:
            return
        self._checked = now
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._entries = read(self._path)
            log.info("the API keys were read again; there are %d", len(self._entries))
        except ModelError as error:
            log.error("%s Until then the keys that were known stay valid.", error)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns)
