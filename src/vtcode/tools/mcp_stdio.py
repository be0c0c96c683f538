"""An MCP server as a child process: bounded messages over its standard input and output."""

import asyncio
import collections
import contextlib
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from vtcode.tools.process import end_group

MOST_LINE: Final = 8_000_000
"""Bytes of one message."""
_MOST_GARBAGE: Final = 100
"""Lines that are no messages, before the server is given up."""
_ERRORS_KEPT: Final = 20
_ERROR_LINE: Final = 300

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


class Health:
    """How a server is: whether it still writes messages, and what it last wrote to its standard error."""

    def __init__(self) -> None:
        self.is_ended = False
        self._lines: collections.deque[str] = collections.deque(maxlen=_ERRORS_KEPT)
        self._open = ""

    def feed(self, chunk: bytes) -> None:
        *whole, self._open = (self._open + chunk.decode("utf-8", "replace")).split("\n")
        self._open = self._open[:_ERROR_LINE]
        self._lines.extend(line[:_ERROR_LINE] for line in whole if line.strip())

    @property
    def last(self) -> str:
        """The newest line with something in it."""
        return self._open.strip() or (self._lines[-1].strip() if self._lines else "")


@contextlib.asynccontextmanager
async def child(
    argv: tuple[str, ...], environment: Mapping[str, str], folder: Path, health: Health
) -> AsyncGenerator[Streams]:
    """Run a server as long as the context is open. Raises OSError or ValueError when it cannot be started."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=folder,
        limit=MOST_LINE,
        start_new_session=True,
    )
    received_in, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    sent, sent_out = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(process, received_in, health)),
        asyncio.create_task(_write(process, sent_out, received_in)),
        asyncio.create_task(_read_errors(process, health)),
    ]
    try:
        yield received, sent
    finally:
        for task in tasks:
            task.cancel()
        for stream in (received_in, received, sent, sent_out):
            stream.close()
        if process.stdin is not None:
            process.stdin.close()
        await end_group(process)
        await asyncio.wait(tasks)


async def _read(process: asyncio.subprocess.Process, target: MemoryObjectSendStream[Any], health: Health) -> None:
    """Pass messages on until the output ends; a line that is none is skipped, a flood of them ends it."""
    assert process.stdout is not None
    garbage = 0
    try:
        while garbage <= _MOST_GARBAGE and (line := await process.stdout.readline()):
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                garbage += 1
            else:
                await target.send(SessionMessage(message))
    except (OSError, ValueError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        # ValueError: a line that is longer than the limit.
        pass
    finally:
        health.is_ended = True
        target.close()


async def _write(
    process: asyncio.subprocess.Process,
    source: MemoryObjectReceiveStream[SessionMessage],
    received: MemoryObjectSendStream[Any],
) -> None:
    assert process.stdin is not None
    try:
        async for sent in source:
            text = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(f"{text}\n".encode())
            await process.stdin.drain()
    except (OSError, anyio.ClosedResourceError):
        # Nobody reads there any more: whoever waits for an answer is told.
        received.close()


async def _read_errors(process: asyncio.subprocess.Process, health: Health) -> None:
    assert process.stderr is not None
    while chunk := await process.stderr.read(1 << 16):
        health.feed(chunk)
