"""A level's self-test: one command run for a short time, of which nothing is left, whatever its launcher does."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

_MOST_SAID: Final = 4096


class Tried(msgspec.Struct, frozen=True):
    """How it ended."""

    status: int
    said: str
    """What it began to say on its standard error."""


class Untried(Exception):
    """It could not be started, or did not end in time; the text says so."""


def attempt(
    argv: Sequence[str], env: Mapping[str, str], seconds: float, pass_fds: Sequence[int] = (), cwd: str | None = None
) -> Tried:
    """Run a command, and end it and what it started after so many seconds.

    Raises:
        Untried: when it could not be started, or did not end.
    """
    try:
        process = subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            pass_fds=pass_fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise Untried(f"{argv[0]} could not be started ({reason})") from error
    assert process.stderr is not None
    with process.stderr:
        try:
            # Whoever fills the pipe waits, and is ended with the time.
            status = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Untried(f"{argv[0]} did not end its self-test within {seconds:g} s") from error
        finally:
            # What it left behind may hold the pipe open.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.set_blocking(process.stderr.fileno(), False)
        said = process.stderr.read(_MOST_SAID) or b""
    return Tried(status, said.decode("utf-8", "replace").strip().partition("\n")[0][:200])
