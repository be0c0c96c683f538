"""Files put in place, made and removed together: all of them, or none."""

import contextlib
import errno
import itertools
import os
import re
import secrets
import stat
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

TEMPORARY_GLOB: Final = ".vtcode-*.tmp"
"""Names of files on their way. A process that is killed may leave one behind; nothing depends on it."""
_LEFT: Final = re.compile(r"\.vtcode-[0-9a-f]{16}\.tmp")
"""Those of new contents: what is kept of old ones has another end, since it may be the only copy."""
_ATTRIBUTES: Final = ("user.", "system.posix_acl_access", "security.selinux")
_OLD_SECONDS: Final = 3600
_LOOKED_AT: Final = 2_000

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Replacement(msgspec.Struct, frozen=True):
    """What is to be at one path."""

    path: Path
    data: bytes | None
    """None for no file."""
    mode: int | None = None
    """Permission bits of a new file, less the umask; a file that is replaced keeps its own."""


class Stage:
    """One replacement, made ready; `commit` takes one rename, and can be taken back until `settle`.

    The descriptor of the folder is the caller's, and stays open as long as this is used.
    """

    def __init__(self, folder: int, replacement: Replacement, *, is_only: bool) -> None:
        self.replacement = replacement
        self._folder = folder
        self._name = replacement.path.name
        self._backup: str | None = None
        self._temporary: str | None = None
        self._is_committed = False
        old = _writable_file(folder, self._name)
        if old is None and replacement.data is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        try:
            if replacement.data is not None:
                # The old content may be private: the new one is not readable by more people at any moment.
                mode = 0o600 if old else (replacement.mode or 0o644) & 0o777
                self._temporary = _write_aside(folder, replacement.data, mode, self._name, old)
            if old and not is_only:
                self._backup = _keep_aside(folder, self._name, old)
        except BaseException:
            self.take_back()
            raise

    def commit(self) -> None:
        """Put the file in place, or remove it. Raises OSError."""
        if self._temporary is None:
            os.unlink(self._name, dir_fd=self._folder)
        else:
            os.replace(self._temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            self._temporary = None
        self._is_committed = True

    def take_back(self) -> bool:
        """Leave everything as it was before this stage; return whether that worked."""
        try:
            if self._is_committed and self._backup is not None:
                os.replace(self._backup, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
                self._backup = None
            elif self._is_committed:
                os.unlink(self._name, dir_fd=self._folder)
        except OSError:
            # The backup stays where it is: it may be the only copy.
            return False
        self._discard(self._temporary)
        self._discard(self._backup)
        return True

    def settle(self) -> None:
        """Drop what was kept for taking back, and have the folder on disk."""
        self._discard(self._backup)
        # The new file is in place: a file system that cannot sync folders is no reason to say it is not.
        with contextlib.suppress(OSError):
            os.fsync(self._folder)
        sweep(self._folder)

    def _discard(self, name: str | None) -> None:
        if name is not None:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._folder)


def sweep(folder: int) -> None:
    """Remove what processes that were killed left in a folder: files of ours, an hour old, of our own user."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in itertools.islice(entries, _LOOKED_AT):
            if _LEFT.fullmatch(entry.name):
                status = entry.stat(follow_symlinks=False)
                is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
                if is_ours and time.time() - status.st_mtime > _OLD_SECONDS:
                    os.unlink(entry.name, dir_fd=folder)


def _aside(end: str = "") -> str:
    return TEMPORARY_GLOB.replace("*", secrets.token_hex(8) + end)


def _write_aside(folder: int, data: bytes, mode: int, of: str, old: os.stat_result | None, *, end: str = "") -> str:
    """Write a new file under a temporary name, whole and on disk, with the rights of the old one if there is one."""
    name = _aside(end)
    descriptor = os.open(name, _NEW, mode, dir_fd=folder)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            _write_all(descriptor, data)
            if old:
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fchmod(descriptor, old.st_mode & 0o777)
                _keep_attributes(folder, of, descriptor)
            os.fsync(file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise
    return name


def _keep_attributes(folder: int, of: str, target: int) -> None:
    """Give a new file what the old one has besides its mode: lists of who may what, and the user's own notes.

    Without its list, a file's group would have the rights of everybody on it. What gives a program powers is left.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        source = os.open(of, _OLD, dir_fd=folder)
        try:
            for attribute in os.listxattr(source):
                if attribute.startswith(_ATTRIBUTES):
                    with contextlib.suppress(OSError):
                        os.setxattr(target, attribute, os.getxattr(source, attribute))
        finally:
            os.close(source)


def _keep_aside(folder: int, name: str, old: os.stat_result) -> str:
    """Give the old file a second name, or a copy where the file system has no second names."""
    backup = _aside(".old")
    try:
        os.link(name, backup, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError:
        with open(os.open(name, _OLD, dir_fd=folder), "rb") as file:
            return _write_aside(folder, file.read(), 0o600, name, old, end=".old")
    return backup


def _writable_file(folder: int, name: str) -> os.stat_result | None:
    """Return what is known of the file to be replaced; raise OSError if it must not be."""
    try:
        old = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(old.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(old.st_mode):
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
    # A rename would quietly replace a file that its owner made read-only.
    if not old.st_mode & 0o222 or not os.access(name, os.W_OK, dir_fd=folder):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return old


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
