"""What the children of all engines have in common: how they start, how they end, and what that means to a request."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from contextvars import ContextVar

from lmserver.errors import ApiError
from lmwire.errors import ErrorCode

LOAD_TIMEOUT = 600.0
"""Seconds until a load is given up: a large model on a slow disk takes minutes."""


on_spawn: ContextVar[Callable[[int], None]] = ContextVar("on_spawn")
"""Told the process id of each child that is started; set by who wants to watch a load."""


async def spawn(module: str, *, longest_line: int = 64 << 10) -> asyncio.subprocess.Process:
    """Start a module of ours as a child that is spoken to over its pipes, in lines."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Without the working directory on the module path: it may be anybody's repository.
        "-P",
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=longest_line,
        # Ctrl-C in the terminal reaches only the server, which then ends its children itself.
        start_new_session=True,
    )
    if (told := on_spawn.get(None)) is not None:
        told(process.pid)
    return process


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill the child: it holds nothing worth saving, and a busy one would not hear a gentler word."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def how_ended(process: asyncio.subprocess.Process, otherwise: str) -> str:
    """Say how the child ended, or `otherwise` while it lives."""
    code = process.returncode
    if code is None:
        return otherwise
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"


async def failed(process: asyncio.subprocess.Process, what: str, *, is_closed: bool) -> ApiError:
    """Say how the child came to fail a request.

    Args:
        process: the child.
        what: what was seen of it.
        is_closed: whether it was ended on purpose.
    """
    # A connection that breaks is often the first that is seen of a dying child.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), 1.0)
    cause = "was unloaded while it answered" if is_closed else how_ended(process, what)
    return ApiError(
        500,
        f"The engine that holds the model {cause}. The next request starts it anew, if need be.",
        code=ErrorCode.ENGINE_FAILED,
        kind="server_error",
    )


def not_loaded(name: str, why: str) -> ApiError:
    """Say why a model could not be loaded."""
    return ApiError(
        500,
        f"Could not load {name}: {why.rstrip('. ')}.",
        code=ErrorCode.MODEL_LOAD_FAILED,
        param="model",
    )
