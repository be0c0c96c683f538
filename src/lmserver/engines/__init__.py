"""What an engine is: one loaded model that turns a conversation into a stream of pieces.

The order of a stream: any number of `Progress`, then any number of `TextPiece`, `ReasoningPiece` and
`CallPiece`, then exactly one `Finished`. Closing the iterator early cancels the work.
"""

from collections.abc import AsyncGenerator
from typing import Any, Literal, Protocol

import msgspec

from lmwire.chat import FunctionDefinition, Usage

JsonObject = dict[str, Any]


class ForcedCall(msgspec.Struct, frozen=True):
    """The demand that the reply be one call to one of these functions."""

    functions: tuple[FunctionDefinition, ...]


class JsonReply(msgspec.Struct, frozen=True):
    """The demand that the reply be JSON that `schema` accepts; the schema was checked before."""

    schema: JsonObject


Constraint = ForcedCall | JsonReply | None


class Sampling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How tokens are picked, under the names that llama.cpp uses; an absent one is the engine's default."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: dict[str, float] | None = None


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation to continue."""

    messages: list[JsonObject]
    """Chat Completions messages as plain JSON, roles and arguments already made regular."""
    tools: list[JsonObject] = []
    may_call: bool = True
    """Whether the reply may call the tools, or only sees them in the prompt."""
    parallel_calls: bool = True
    constraint: Constraint = None
    sampling: Sampling = Sampling()
    max_tokens: int
    """Tokens to generate at most; a stop by this limit finishes with `length`."""
    template_arguments: JsonObject = {}


class Progress(msgspec.Struct, frozen=True):
    """The prompt is being read: tokens in all, found in the cache, and done (cached ones included)."""

    total: int
    cached: int
    processed: int


class TextPiece(msgspec.Struct, frozen=True):
    text: str


class ReasoningPiece(msgspec.Struct, frozen=True):
    text: str


class CallPiece(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of call number `index`: `id` and `name` come with the first piece only."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Finished(msgspec.Struct, frozen=True):
    """The end of a reply."""

    reason: Literal["stop", "length", "tool_calls"]
    usage: Usage


Piece = Progress | TextPiece | ReasoningPiece | CallPiece | Finished


class Engine(Protocol):
    """A loaded model."""

    @property
    def context_length(self) -> int:
        """Tokens that prompt and reply of one request may have together."""
        ...

    @property
    def is_alive(self) -> bool:
        """False once the engine can serve no more requests."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Piece]:
        """Stream the reply. Raises `ApiError` for what the engine refuses, before the first piece."""
        ...

    async def close(self) -> None:
        """Free the model's memory."""
        ...
