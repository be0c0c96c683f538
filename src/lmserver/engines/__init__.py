"""What an engine is: one loaded model that turns a conversation or a prompt into a stream of pieces.

The order of a stream: any number of `Loading`, then of `Progress`, then any number of `TextPiece`,
`ReasoningPiece` and `CallPiece`, then exactly one `Finished`. Closing the iterator early cancels the work.
"""

from collections.abc import AsyncGenerator
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from lmwire.chat import FunctionDefinition, Usage

JsonObject = dict[str, Any]


class ForcedCall(msgspec.Struct, frozen=True):
    """The demand that the reply be one call to one of these functions."""

    functions: tuple[FunctionDefinition, ...]
    checked_after: tuple[str, ...] = ()
    """What only the validator enforces, as `KEYWORD at POINTER`; a reply that fails it is tried once more."""


class JsonReply(msgspec.Struct, frozen=True):
    """The demand that the reply be JSON that `schema` accepts; the schema was checked before.

    Where the request has tools that may be called, a call of these is a reply too.
    """

    schema: JsonObject
    functions: tuple[FunctionDefinition, ...] = ()
    """The functions that may be called instead."""
    checked_after: tuple[str, ...] = ()
    """What only the validator enforces, as in `ForcedCall`."""


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
    top_logprobs: int | None = None
    """Alternatives of each token to tell the probabilities of (0 to 20); None tells none at all."""


class CompletionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One text to continue, without a chat template."""

    prompt: str | list[int]
    """Text, or the model's own token ids."""
    sampling: Sampling = Sampling()
    max_tokens: int
    top_logprobs: int | None = None
    is_echoed: bool = False
    """Whether the prompt's own text comes first."""


Work = GenerationRequest | CompletionRequest


class Progress(msgspec.Struct, frozen=True):
    """The prompt is being read: tokens in all, found in the cache, and done (cached ones included)."""

    total: int
    cached: int
    processed: int


class TokenProbability(msgspec.Struct, frozen=True):
    """A token, and the natural logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    """The token in UTF-8; a token can be part of a character."""


class GeneratedToken(TokenProbability, frozen=True):
    """A token of the reply, and what else could have stood there, likeliest first."""

    top: tuple[TokenProbability, ...] = ()


class TextPiece(msgspec.Struct, frozen=True):
    text: str
    tokens: tuple[GeneratedToken, ...] = ()
    """The tokens that the text is made of, if the request asked for their probabilities."""


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


class Loading(msgspec.Struct, frozen=True):
    """The model is not there yet: seconds since its load began. Comes before all others, and from no engine."""

    seconds: float


Piece = Loading | Progress | TextPiece | ReasoningPiece | CallPiece | Finished


class Embedded(msgspec.Struct, frozen=True):
    """Vectors of some inputs, in their order, each of Euclidean length 1."""

    vectors: list[bytes]
    """Each packed as little-endian 32-bit floats."""
    tokens: int
    """Tokens of all inputs, special ones included."""


class Engine(Protocol):
    """A loaded model."""

    @property
    def parallel(self) -> int:
        """Requests that are computed together; the pool lets no more in."""
        ...

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

    def complete(self, request: CompletionRequest) -> AsyncGenerator[Piece]:
        """Stream what follows the prompt: text pieces only. Raises as `generate` does."""
        ...

    async def embed(self, inputs: list[str] | list[list[int]]) -> Embedded:
        """Turn texts, or lists of the model's own token ids, into vectors.

        Raises:
            ApiError: 400 for an input that is empty or longer than the context, naming its index.
        """
        ...

    async def close(self) -> None:
        """Free the model's memory."""
        ...


@runtime_checkable
class Renders(Protocol):
    """An engine that can tell the text of a prompt."""

    async def render(self, request: GenerationRequest) -> str:
        """Give the exact text that the model reads for this request."""
        ...
