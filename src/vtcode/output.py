"""Files that the user names for output: written whole, or not at all."""

import os
import secrets
import stat
from pathlib import Path


class UsageError(Exception):
    """What was typed cannot be done; the text says why and what to do."""


def check_writable(path: Path) -> None:
    """See that a file can be written, before the work whose result it is to hold.

    Raises:
        UsageError: when it cannot.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file.")
    target = path if _is_special(path) else path.parent
    if not os.access(target, os.W_OK):
        why = "cannot be written to" if target.exists() else "does not exist"
        raise UsageError(f"{target} {why}; name a file that can be written.")


def write_whole(path: Path, text: str) -> None:
    """Put a text into a file in one step, or into what is no regular file (a pipe, /dev/stdout) as it comes.

    Raises:
        UsageError: when it cannot be written; a file that was there is as it was.
    """
    data = text.encode("utf-8", "replace")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        if _is_special(path):
            path.write_bytes(data)
            return
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path} was not written: {error.strerror}.") from error


def _is_special(path: Path) -> bool:
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
