"""Runs one child process: its output as it comes, a deadline, and nothing of it left behind."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from vtcode.sandbox import Launch, seccomp
from vtcode.sandbox.bubblewrap import with_filter
from vtcode.sandbox.limits import Limits, watch

_CHUNK: Final = 1 << 16
_TERM_SECONDS: Final = 2.0
"""How long a process may take to end after it was asked to."""
_DRAIN_SECONDS: Final = 1.0
"""How long to read on after the process ended, for what others still hold the pipe open."""

_MARK: Final = "VTCODE_COMMAND"
_SWEEP_SECONDS: Final = 2.0
"""For how long to look for what bears a mark: a busy machine takes its time to end what was killed."""
_SWEEP_PAUSE: Final = 0.005

Consume = Callable[[bytes], None]


class Enough(Exception):
    """Raised by a consumer that wants no more: the process is ended."""


async def run_process(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    seconds: float,
    on_output: Consume,
    on_errors: Consume | None = None,
    sweeps: bool = False,
    filter: bytes = b"",
    limits: Limits | None = None,
) -> int:
    """Run a process to its end and return its exit code (negative: the signal that ended it).

    Its input is empty, and its process group is killed on every way out, cancellation included. Without
    `on_errors` both outputs come to `on_output` in the order of writing.

    Args:
        sweeps: also end what left the process group (`setsid`), where there is a /proc to find it in. A box needs
            it only where its command is ended early, and then it is done anyway.
        filter: of system calls, where `argv` is a box's.
        limits: of the process and all that it starts together.

    Raises:
        Exceeded: when they were passed.
        TimeoutError: after `seconds`.
        Enough: when a consumer raised it.
        OSError: when it could not be started.
        ValueError: when an argument cannot be passed to a process, such as one with a NUL.
    """
    mark = secrets.token_hex(16)
    async with contextlib.AsyncExitStack() as stack:
        output, output_end = await stack.enter_async_context(_pipe())
        errors, errors_end = (output, output_end)
        if on_errors is not None:
            errors, errors_end = await stack.enter_async_context(_pipe())
        given = {output_end, errors_end}
        try:
            filter_end = seccomp.descriptor(filter) if filter else None
            if filter_end is not None:
                argv = with_filter(argv, filter_end)
                given.add(filter_end)
            starting = asyncio.create_task(
                asyncio.create_subprocess_exec(
                    *argv,
                    pass_fds=() if filter_end is None else (filter_end,),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output_end,
                    stderr=errors_end,
                    env={**env, _MARK: mark},
                    cwd=cwd,
                    start_new_session=True,
                )
            )
            try:
                process = await asyncio.shield(starting)
            except asyncio.CancelledError:
                # asyncio would kill the one process, and not what a box has begun by then.
                await _end(await starting, mark)
                raise
        finally:
            # Ours is one more writer: as long as it is open, the pipe has no end.
            for descriptor in given:
                os.close(descriptor)
        pumps = [_pump(output, on_output)]
        if on_errors is not None:
            pumps.append(_pump(errors, on_errors))
        reading = asyncio.create_task(_together(pumps))
        is_over = False
        try:
            async with asyncio.timeout(seconds):
                await _watched(process, reading, limits)
            is_over = True
        finally:
            reading.cancel()
            await _end(process, mark if sweeps or not is_over else "")
        return await process.wait()


async def run_launched(
    launch: Launch, root: Path, seconds: float, on_output: Consume, on_errors: Consume | None = None
) -> int:
    """Run a command line as the sandbox laid it out; see `run_process`."""
    return await run_process(
        launch.argv,
        env=launch.env,
        cwd=root,
        seconds=seconds,
        on_output=on_output,
        on_errors=on_errors,
        sweeps=not launch.is_boxed,
        filter=launch.filter,
        limits=launch.limits,
    )


async def _watched(process: asyncio.subprocess.Process, reading: asyncio.Task[None], limits: Limits | None) -> None:
    """Wait as `_ended` does, unless the process uses more than it may before."""
    ended = asyncio.ensure_future(_ended(process, reading))
    watching = asyncio.ensure_future(watch(process.pid, limits)) if limits is not None else ended
    try:
        await asyncio.wait({ended, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        await ended
    finally:
        for task in {ended, watching}:
            task.cancel()
        await asyncio.gather(ended, watching, return_exceptions=True)


async def _ended(process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
    """Wait until the process ended and its output is read; a consumer's exception passes through."""
    waiting = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({waiting, reading}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            # The outputs are closed, or a consumer has enough.
            await reading
            await waiting
        _signal_group(process, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reading, _DRAIN_SECONDS)
    finally:
        waiting.cancel()


async def end_group(process: asyncio.subprocess.Process) -> None:
    """End what may still run: first asked, then killed; the whole group, also when its leader is gone."""
    try:
        if process.returncode is None:
            _signal_group(process, signal.SIGTERM)
            await _wait_briefly(process)
    finally:
        _signal_group(process, signal.SIGKILL)
    await _wait_briefly(process)


async def _end(process: asyncio.subprocess.Process, mark: str) -> None:
    """End a process and its group, and with a mark all that bears it.

    A box that is ended while it is being made can leave a part behind that neither is in the group nor has been told
    yet to die with its parent.
    """
    try:
        await end_group(process)
    finally:
        if mark:
            await _sweep(mark)


async def _sweep(mark: str) -> None:
    """Kill whatever was started with this mark in its environment, and what that started, until it is gone."""
    written = f"{_MARK}={mark}".encode()
    end = asyncio.get_running_loop().time() + _SWEEP_SECONDS
    while found := [pid for pid in _processes() if written in _environment(pid)]:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if asyncio.get_running_loop().time() >= end:
            return
        await asyncio.sleep(_SWEEP_PAUSE)


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        # It ended, or is another user's.
        return b""


async def _wait_briefly(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _TERM_SECONDS)


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _together(pumps: Sequence[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*pumps)


async def _pump(reader: asyncio.StreamReader, consume: Consume) -> None:
    while chunk := await reader.read(_CHUNK):
        consume(chunk)


@contextlib.asynccontextmanager
async def _pipe() -> AsyncGenerator[tuple[asyncio.StreamReader, int]]:
    """Yield a reader and the descriptor to write to, which the caller closes.

    asyncio's own pipes would not do: with them, waiting for a process waits for everyone who holds its output
    open, such as a server that a command left in the background.
    """
    reader = asyncio.StreamReader(limit=_CHUNK)
    read_end, write_end = os.pipe()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )
    try:
        yield reader, write_end
    finally:
        transport.close()
