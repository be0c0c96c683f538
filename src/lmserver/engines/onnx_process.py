"""The child process of one ONNX model: started, asked over its pipes, and ended with all it holds."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable

import msgspec

from lmserver.engines import child
from lmserver.engines.onnx_wire import Answer, Ask, Cancel, Done, Read, Ready, Refused, Settings, Text, Vectors
from lmserver.errors import ApiError
from lmwire.errors import ErrorCode

MAX_LINE = 64 << 20
"""Bytes of one answer: the vectors of one request, by far."""
LOG_BYTES = 16 << 10
"""What is kept of the child's log."""


class OnnxProcess:
    """A running child; made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, drain: asyncio.Task[None]) -> None:
        self._process = process
        self._tasks = (drain, asyncio.create_task(self._receive()))
        self._answers: dict[int, asyncio.Queue[Answer | None]] = {}
        self._last = 0
        self._is_closed = False

    @classmethod
    async def start(cls, settings: Settings, name: str) -> "OnnxProcess":
        """Start the child and wait until the model is loaded.

        Raises:
            ApiError: 500 `model_load_failed` with the reason.
        """
        process = await child.spawn("lmserver.engines.onnx_child", longest_line=MAX_LINE)
        log = deque[bytes](maxlen=LOG_BYTES >> 10)
        drain = asyncio.create_task(_drain(process, log))
        try:
            error = await asyncio.wait_for(_handshake(process, settings), child.LOAD_TIMEOUT)
        except BaseException as broken:
            await child.end(process)
            await drain
            if not isinstance(broken, (TimeoutError, OSError, ValueError, msgspec.MsgspecError)):
                raise
            lines = b"".join(log).decode(errors="replace").strip().splitlines()
            raise child.not_loaded(
                name, lines[-1] if lines else child.how_ended(process, "stopped answering")
            ) from broken
        if error:
            await child.end(process)
            await drain
            raise child.not_loaded(name, error)
        return cls(process, drain)

    @property
    def is_alive(self) -> bool:
        """False once the child has ended, however it did."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    async def close(self) -> None:
        """End the child."""
        self._is_closed = True
        await child.end(self._process)
        await asyncio.gather(*self._tasks)

    async def ask(self, make: Callable[[int], Ask]) -> AsyncGenerator[Read | Text | Done | Vectors]:
        """Ask, and stream the answers; closing the iterator early cancels the work.

        Args:
            make: makes the request from its number.

        Raises:
            ApiError: what the child refuses, or 500 `engine_failed` when it broke.
        """
        self._last += 1
        number = self._last
        answers = self._answers[number] = asyncio.Queue()
        is_done = False
        try:
            if self._tasks[1].done():
                raise await self._ended()
            await self._send(make(number))
            while not is_done:
                answer = await answers.get()
                is_done = isinstance(answer, (Vectors, Done, Refused, type(None)))
                if answer is None:
                    raise await self._ended()
                if isinstance(answer, Refused):
                    raise _translated(answer)
                yield answer
        finally:
            del self._answers[number]
            if not is_done and self.is_alive:
                with contextlib.suppress(ApiError):
                    await self._send(Cancel(number))

    async def _send(self, ask: Ask) -> None:
        assert self._process.stdin is not None
        try:
            # One write for a whole line: two requests must not mix theirs.
            self._process.stdin.write(msgspec.json.encode(ask) + b"\n")
            await self._process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise await self._ended() from error

    async def _receive(self) -> None:
        assert self._process.stdout is not None
        decode = msgspec.json.Decoder(Answer).decode
        try:
            while line := await self._process.stdout.readline():
                answer = decode(line)
                # What nobody waits for any more is dropped.
                if answers := self._answers.get(answer.id):
                    answers.put_nowait(answer)
        # A line beyond all bounds, or one that is no answer: nothing after it can be trusted.
        except (ValueError, msgspec.MsgspecError):
            await child.end(self._process)
        for answers in self._answers.values():
            answers.put_nowait(None)

    async def _ended(self) -> ApiError:
        return await child.failed(self._process, "stopped answering", is_closed=self._is_closed)


def _translated(refused: Refused) -> ApiError:
    match refused.cause:
        case "value":
            return ApiError(400, refused.message, code=ErrorCode.INVALID_VALUE, param=refused.param)
        case "context":
            return ApiError(400, refused.message, code=ErrorCode.CONTEXT_LENGTH_EXCEEDED, param=refused.param)
        case "engine":
            message = f"The engine failed: {refused.message}"
            return ApiError(500, message, code=ErrorCode.ENGINE_FAILED, kind="server_error")


async def _handshake(process: asyncio.subprocess.Process, settings: Settings) -> str:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(msgspec.json.encode(settings) + b"\n")
    await process.stdin.drain()
    return msgspec.json.decode(await process.stdout.readline(), type=Ready).error


async def _drain(process: asyncio.subprocess.Process, log: deque[bytes]) -> None:
    """Read the child's log so that its pipe never fills."""
    assert process.stderr is not None
    while chunk := await process.stderr.read(1024):
        log.append(chunk)
