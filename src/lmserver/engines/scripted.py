"""A model that answers from a script: exact replies for tests and demonstrations, over the real server.

A script is a JSON array of replies. Which one is given depends on the request alone: reply number *n* answers
a conversation that already holds *n* assistant messages, and the last reply answers all that are longer.
"""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from lmserver.engines import (
    CallPiece,
    CompletionRequest,
    Embedded,
    Finished,
    GenerationRequest,
    JsonObject,
    Piece,
    Progress,
    ReasoningPiece,
    TextPiece,
)
from lmserver.errors import ApiError, BadModelFile, cannot
from lmwire.chat import CompletionTokensDetails, PromptTokensDetails, Usage
from lmwire.errors import ErrorCode


class ScriptedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: JsonObject | str = {}
    """An object, or raw text for a call that is malformed on purpose."""


class ScriptedError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    status: Annotated[int, Meta(ge=400, le=599)]
    message: str


class ScriptedReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reply, in the order in which its members are sent."""

    reasoning: str = ""
    text: str = ""
    calls: list[ScriptedCall] = []
    cut: bool = False
    """End as a reply does that ran into its token limit."""
    delay: float = 0.0
    """Seconds before each piece."""
    error: ScriptedError | None = None


class ScriptedEngine:
    """The engine of a script; it holds no state between requests."""

    def __init__(self, replies: list[ScriptedReply], context_length: int = 8192) -> None:
        self._replies = replies
        self._context_length = context_length
        self._is_open = True

    @classmethod
    def read(cls, path: Path) -> "ScriptedEngine":
        """Read a script. Raises `BadModelFile` when the file is not one."""
        try:
            replies = msgspec.json.decode(path.read_bytes(), type=Annotated[list[ScriptedReply], Meta(min_length=1)])
        except (OSError, msgspec.MsgspecError) as error:
            raise BadModelFile(f"{path.name} is not a script: {error}") from error
        return cls(replies)

    @property
    def context_length(self) -> int:
        return self._context_length

    @property
    def parallel(self) -> int:
        return 4

    @property
    def is_alive(self) -> bool:
        return self._is_open

    async def close(self) -> None:
        self._is_open = False

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Piece]:
        turn = sum(message["role"] == "assistant" for message in request.messages)
        reply = self._replies[min(turn, len(self._replies) - 1)]
        if reply.error is not None:
            raise ApiError(reply.error.status, reply.error.message, code=ErrorCode.ENGINE_FAILED)
        size = len(msgspec.json.encode(request.messages)) // 4
        yield Progress(size, 0, size)
        written = 0
        for piece in _pieces(reply, turn):
            await asyncio.sleep(reply.delay)
            written += 1
            yield piece
        usage = Usage(size, written, size + written, PromptTokensDetails(), CompletionTokensDetails())
        yield Finished("length" if reply.cut else "tool_calls" if reply.calls else "stop", usage)

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Piece]:
        """Give the text of the first reply, whatever the prompt."""
        reply, size = self._replies[0], len(request.prompt)
        if reply.error is not None:
            raise ApiError(reply.error.status, reply.error.message, code=ErrorCode.ENGINE_FAILED)
        yield Progress(size, 0, size)
        words = _words(reply.text)
        for word in ([request.prompt] if request.is_echoed and isinstance(request.prompt, str) else []) + words:
            await asyncio.sleep(reply.delay)
            yield TextPiece(word)
        usage = Usage(size, len(words), size + len(words), PromptTokensDetails(), CompletionTokensDetails())
        yield Finished("length" if reply.cut else "stop", usage)

    async def embed(self, inputs: list[str] | list[list[int]]) -> Embedded:
        raise cannot("embed")


def _pieces(reply: ScriptedReply, turn: int) -> list[Piece]:
    pieces: list[Piece] = [ReasoningPiece(word) for word in _words(reply.reasoning)]
    pieces += [TextPiece(word) for word in _words(reply.text)]
    for index, call in enumerate(reply.calls):
        raw = call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()
        pieces.append(CallPiece(index=index, id=f"call_{turn}_{index}", name=call.name))
        half = len(raw) // 2
        pieces += [CallPiece(index=index, arguments=part) for part in (raw[:half], raw[half:]) if part]
    return pieces


def _words(text: str) -> list[str]:
    """Split before each space, as tokens usually are, so that the words join to the text again."""
    return [f" {word}" if at else word for at, word in enumerate(text.split(" "))] if text else []
