"""The child process of one GGUF model: started, asked over loopback, and ended with all it holds."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import msgspec

from lmserver.engines import JsonObject, child
from lmserver.engines.llama_child import ChildSettings
from lmserver.engines.llama_stream import Refused, events
from lmserver.engines.llama_wire import ChildAnswer, ChildError, Chunk, refusal
from lmserver.errors import ApiError

LOG_LINES = 200
"""Lines of the child's log kept, to explain a load that failed."""

MAX_LOG_LINE = 4096

_OPENING = 40
"""Characters that a template writes before the instructions, at most."""


class LlamaProcess:
    """A running child; made by `start`."""

    def __init__(
        self, process: asyncio.subprocess.Process, drain: asyncio.Task[None], settings: ChildSettings, url: str
    ) -> None:
        self._process = process
        self._drain = drain
        self.settings = settings
        self._is_closed = False
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {settings.key}"},
            # Prefill of a long prompt may stay silent for minutes on a slow machine; a cancel does not wait.
            timeout=httpx2.Timeout(None, connect=5.0),
            # The child closes idle connections as it likes, and a request on one of those would fail.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )
        # The streams' own connections: see `llama_stream`.
        parts = urlsplit(url)
        self._address = parts.hostname or "127.0.0.1", parts.port or 80
        self._headers = (
            f"Host: {parts.netloc}\r\nAuthorization: Bearer {settings.key}\r\nContent-Type: application/json\r\n"
        ).encode()
        self._decode = msgspec.json.Decoder(Chunk).decode

    @classmethod
    async def start(cls, settings: ChildSettings) -> "LlamaProcess":
        """Start the child and wait until the model answers.

        Raises:
            ApiError: 500 `model_load_failed` with the reason from the engine's log.
        """
        process = await child.spawn("lmserver.engines.llama_child")
        log: deque[str] = deque(maxlen=LOG_LINES)
        drain = asyncio.create_task(_drain(process, log))
        try:
            url = await asyncio.wait_for(_handshake(process, settings), child.LOAD_TIMEOUT)
        except BaseException as error:
            await child.end(process)
            await drain
            if isinstance(error, (TimeoutError, OSError, msgspec.MsgspecError)):
                raise child.not_loaded(Path(settings.path).name, _reason(process, log)) from error
            raise
        return cls(process, drain, settings, url)

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
        await self._client.aclose()
        await child.end(self._process)
        await self._drain

    async def post(self, path: str, body: JsonObject) -> bytes:
        """Ask for a whole answer.

        Raises:
            ApiError: what the child refuses, or 500 `engine_failed` when it broke.
        """
        if self._is_closed:
            raise await self.ended("is gone")
        try:
            response = await self._client.post(path, json=body)
        except httpx2.TransportError as error:
            raise await self.ended("did not answer") from error
        if response.status_code != 200:
            raise refusal(response.content)
        return response.content

    async def stream(self, path: str, body: JsonObject) -> AsyncGenerator[Chunk]:
        """Ask for a stream; only a streamed request stops when its connection closes. Raises as `post` does."""
        if self._is_closed:
            raise await self.ended("is gone")
        # A prompt that is read in other batches gives logits that differ in their last bits, which is enough for
        # another word now and then; and who sends a seed wants the same words again.
        reuse = {"cache_prompt": body.get("seed") is None}
        body = body | reuse | {"stream": True, "return_progress": True}
        if not begins_with(body, self.settings.adapter_prefix):
            body["lora"] = [{"id": 0, "scale": 0.0}]
        head = b"POST %s HTTP/1.1\r\n%s" % (path.encode(), self._headers)
        try:
            async with contextlib.aclosing(events(*self._address, head, msgspec.json.encode(body))) as found:
                async for data in found:
                    if data == b"[DONE]":
                        continue
                    chunk = self._decode(data)
                    if chunk.error is not None:
                        raise refusal(msgspec.json.encode(ChildError(chunk.error)))
                    yield chunk
        except Refused as refused:
            raise refusal(refused.body) from refused
        except (OSError, msgspec.DecodeError) as error:
            raise await self.ended("stopped answering") from error

    async def ended(self, what: str) -> ApiError:
        """Say how the child came to fail a request; `what` is what was seen of it."""
        return await child.failed(self._process, what, is_closed=self._is_closed)


def begins_with(body: JsonObject, prefix: str) -> bool:
    """Tell whether a request's instructions begin so, for either of the engine's endpoints."""
    if "messages" in body:
        messages: list[JsonObject] = body["messages"]
        first = messages[0].get("content") if messages and messages[0].get("role") == "system" else ""
        return str(first).startswith(prefix)
    # Rendered: before the instructions stands nothing but what the template opens a message with.
    return prefix in str(body.get("prompt"))[: len(prefix) + _OPENING]


async def _handshake(process: asyncio.subprocess.Process, settings: ChildSettings) -> str:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(msgspec.json.encode(settings) + b"\n")
    await process.stdin.drain()
    answer = msgspec.json.decode(await process.stdout.readline(), type=ChildAnswer)
    if not answer.url:
        raise OSError(answer.error)
    return answer.url


async def _drain(process: asyncio.subprocess.Process, log: deque[str]) -> None:
    """Read the child's log so that its pipe never fills."""
    assert process.stderr is not None
    rest = ""
    while chunk := await process.stderr.read(65536):
        *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
        log.extend(lines)
        rest = rest[-MAX_LOG_LINE:]
    log.append(rest)


def _reason(process: asyncio.subprocess.Process, log: deque[str]) -> str:
    """Pick the log's first error; llama.cpp's own exception text is the same for every cause."""
    for line in log:
        if " E " in line:
            return line.split(" E ", 1)[1].partition(": ")[2].rstrip(". ")
    code = process.returncode
    return f"the engine ended with code {code}" if code else "the engine gave no reason"
