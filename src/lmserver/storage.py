"""Writes model files whole or not at all, and says plainly what the disk refuses."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO

import msgspec

from lmserver.errors import StorageError

CHUNK = 1 << 20
"""Bytes that are moved at a time."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_PERMITTED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Progress(msgspec.Struct, frozen=True):
    """One state of a transfer."""

    what: str
    """What is done now: "downloading smollm2-135m-instruct"."""
    done: int
    """Bytes."""
    total: int
    """Bytes; the size of the model where nobody tells."""


Report = Callable[[Progress], None]


@contextlib.contextmanager
def storing(path: Path) -> Generator[None]:
    """Turn what the disk refuses while `path` is written into `StorageError`."""
    try:
        yield
    except OSError as error:
        why, where = error.strerror or str(error), error.filename2 or error.filename or path
        if error.errno == errno.EXDEV:
            sentence = f"A hard link cannot lead from {error.filename} to another disk. Copy the file instead."
        elif error.errno in _NO_ROOM:
            sentence = f"There is no room to write {where} ({why}). Free some space and try again."
        elif error.errno in _NOT_PERMITTED:
            sentence = (
                f"Writing {where} is not permitted ({why}). Change its permissions, "
                "or set LMSTUDIO_MODELS_DIR to a folder of yours."
            )
        else:
            sentence = f"Could not write {where} ({why})."
        raise StorageError(sentence) from error


def require_room(folder: Path, needed: int) -> None:
    """Raise `StorageError` when fewer than `needed` bytes are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{needed / 1e6:,.1f} MB are needed in {folder}, and {free / 1e6:,.1f} MB are free. "
            "Free some space, or set LMSTUDIO_MODELS_DIR to a folder on another disk."
        )


@contextlib.contextmanager
def locked(path: Path, say_waiting: Callable[[], None]) -> Generator[IO[bytes]]:
    """Open `path` to read and append, made where it is missing, by one process at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say_waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever held the lock may have renamed or removed the very file that is open here.
            if _is_at(path, file):
                yield file
                return


@contextlib.contextmanager
def whole_file(destination: Path) -> Generator[IO[bytes]]:
    """Give a file to write, which becomes `destination` when the block ends well and is removed otherwise."""
    part_path = destination.with_name(destination.name + ".part")
    with locked(part_path, lambda: None) as part:
        try:
            part.truncate(0)
            yield part
            part.flush()
            os.fsync(part.fileno())
            part_path.replace(destination)
        except BaseException:
            part_path.unlink(missing_ok=True)
            raise
    sync_folder(destination.parent)


def copy(source: IO[bytes], target: IO[bytes], progress: Progress, report: Report) -> str:
    """Copy to the end of `source`, reporting from `progress` on; return the SHA-256 in hexadecimal."""
    digest, done = hashlib.sha256(), progress.done
    while chunk := source.read(CHUNK):
        target.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        report(Progress(progress.what, done, progress.total))
    return digest.hexdigest()


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder last."""
    # A rename lasts through a power cut only once the folder itself is on the disk.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
