"""Starts a local server for a run when none answers, and stops what it started."""

import asyncio
import contextlib
import importlib.util
import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from vtcode.providers import Endpoint, Unreachable
from vtcode.providers.catalogue import DEFAULT_MODEL

START_TIMEOUT = 60.0
STOP_TIMEOUT = 5.0


class _Announcement(msgspec.Struct):
    url: str


def is_installed() -> bool:
    """Tell whether the server and its engine (the extra `server`) can be run from here."""
    return all(importlib.util.find_spec(name) for name in ("lmserver", "xllamacpp", "starlette"))


class EmbeddedServer:
    """A server that this process started; made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, endpoint: Endpoint) -> None:
        self._process = process
        self.endpoint = endpoint

    @classmethod
    async def start(cls, environ: Mapping[str, str], log: Path) -> "EmbeddedServer":
        """Start a server on a free port of loopback, with a key that only this process knows.

        A port of its own, and not 1234: two runs side by side must not share a server that ends with the first.

        Raises:
            Unreachable: when it does not come up; the sentence names its log.
        """
        key = secrets.token_hex(16)
        with _opened(log) as errors:
            process = await asyncio.create_subprocess_exec(
                *_command("server", "start", "--port", "0", "--openai", "--child"),
                env={**environ, "LMSTUDIO_API_KEY": key},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                # Ctrl-C is for the agent, which then stops the server in its own time.
                start_new_session=True,
            )
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)
            url = msgspec.json.decode(line, type=_Announcement).url
        except BaseException as error:
            await _end(process)
            if isinstance(error, (TimeoutError, msgspec.MsgspecError)):
                raise Unreachable(f"The embedded server did not start. Its log, {log}, says why.") from error
            raise
        return cls(process, Endpoint(url, key))

    async def stop(self) -> None:
        """End the server and its engines."""
        await _end(self._process)


def _opened(log: Path) -> IO[bytes]:
    """Open the log, or the null device where it cannot be written: a run does without it."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return log.open("wb")
    except OSError:
        return open(os.devnull, "wb")


async def get_default_model(environ: Mapping[str, str], tell: Callable[[str], None] | None = None) -> None:
    """Get the default model if it is not there.

    Args:
        environ: for the command that gets it.
        tell: told its progress, line by line; without one, that goes to standard error.

    Raises:
        Unreachable: when it could not be had; the command has said why.
    """
    process = await asyncio.create_subprocess_exec(
        *_command("get", DEFAULT_MODEL),
        env=dict(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL if tell else None,
        stderr=asyncio.subprocess.PIPE if tell else None,
    )
    try:
        if tell is not None and process.stderr is not None:
            async for line in process.stderr:
                tell(line.decode("utf-8", "replace").strip())
        status = await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if status:
        raise Unreachable(
            "The default model could not be had (see above). Try `lmstudio get` again, or add a model of your own "
            "with `lmstudio import FILE.gguf`."
        )


def _command(*arguments: str) -> tuple[str, ...]:
    # -P keeps the workspace, our working directory, off the module path: a cloned repository may hold a
    # folder named lmserver.
    return (sys.executable, "-P", "-m", "lmserver", *arguments)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close the pipe that the server lives by; kill it, and all in its session, if that is not enough."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
