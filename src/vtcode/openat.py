"""Paths opened from the descriptor of a folder, so that none leads out of it."""

import errno
import functools
import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Final

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_NUMBER: Final = 437
"""Of openat2(2): the same on every architecture but one, which this program does not know."""
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08
_RESOLVE: Final = _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS
_MOST_TRIES: Final = 100
"""The kernel gives up on a path when folders move at the same moment; it is asked again."""

# What a kernel older than 5.6, or a filter of system calls around a container, answers.
_MISSING: Final = frozenset({errno.ENOSYS, errno.EPERM})

_Open = Callable[[int, bytes, int], int]


def open_beneath(folder: int, parts: Sequence[str], flags: int) -> int:
    """Open what the names lead to, each a name in the one before; no link is followed. Raises OSError.

    A folder that another process swaps for a link meanwhile cannot lead outside: the path is refused then.

    Args:
        folder: a descriptor of the folder to start from.
        parts: names, neither `..` nor with a `/` in them; none for the folder itself.
        flags: as for open(2); the descriptor is never inherited.
    """
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    opener = system_opener()
    if opener is None or not parts:
        return walk(folder, parts, flags)
    return opener(folder, os.fsencode("/".join(parts)), flags)


def walk(folder: int, parts: Sequence[str], flags: int) -> int:
    """Do the same where the system has no call for it: one component after the other."""
    if not parts:
        return os.open(".", flags | os.O_CLOEXEC, dir_fd=folder)
    at = folder
    try:
        for part in parts[:-1]:
            inner = os.open(part, FOLDER, dir_fd=at)
            if at != folder:
                os.close(at)
            at = inner
        return os.open(parts[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    finally:
        if at != folder:
            os.close(at)


@functools.cache
def system_opener() -> _Open | None:
    """Return openat2(2), which resolves a whole path beneath a folder; None where it is missing."""
    if sys.platform != "linux" or platform.machine() == "alpha":
        return None
    try:
        import ctypes
    except ImportError:
        # Pythons are built without it where libffi is missing.
        return None

    class How(ctypes.Structure):
        _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))

    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    call.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(How), ctypes.c_size_t)

    def opened(folder: int, path: bytes, flags: int) -> int:
        if b"\0" in path:
            raise ValueError("embedded null byte")
        how = How(flags, 0, _RESOLVE)
        number = errno.EAGAIN
        for _ in range(_MOST_TRIES):
            descriptor = int(call(_NUMBER, folder, path, ctypes.byref(how), ctypes.sizeof(how)))
            if descriptor >= 0:
                return descriptor
            number = ctypes.get_errno()
            if number not in {errno.EAGAIN, errno.EINTR}:
                break
        raise OSError(number, os.strerror(number), os.fsdecode(path))

    # Tried on a folder that everybody may open: EPERM is then a filter's, and never about the folder.
    root = os.open("/", FOLDER)
    try:
        os.close(opened(root, b".", FOLDER))
    except OSError as error:
        if error.errno in _MISSING:
            return None
        raise
    finally:
        os.close(root)
    return opened
