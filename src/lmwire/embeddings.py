"""Embeddings: request and response, as OpenAI's API reference shapes them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_INPUTS = 2048
"""Inputs of one request."""

Token = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
Input = str | Token | list[Token]


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/embeddings`. A null means the same as a missing key, but for the input."""

    input: str | Annotated[list[Input], Meta(min_length=1)]
    """A text, texts, the model's own token ids, or lists of them; one kind in one request."""
    model: str = ""
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    """How many numbers of each vector to give, for models that were trained to be cut short."""
    user: str | None = None
    ttl: Annotated[int, Meta(ge=1)] | None = None
    """Seconds without a request after which the model may be let go; LM Studio's extension."""


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """The vector of input number `index`."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | bytes
    """Numbers, or little-endian 32-bit floats, which JSON holds as base64."""


class EmbeddingUsage(msgspec.Struct, frozen=True):
    """Tokens of all inputs, special ones included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the answer."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
