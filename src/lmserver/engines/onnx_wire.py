"""What the server and the child process of an ONNX model say to each other: one JSON value a line.

The first line to the child is `Settings`, its answer `Ready`. After that each `Ask` with an `id` gets any number of
`Read` and `Text`, then one `Vectors`, `Done` or `Refused` of the same `id`; the child takes one at a time.
"""

from typing import Literal

import msgspec

from lmserver.engines import JsonObject, Sampling
from lmserver.onnx_models import Pipeline


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent decides."""

    pipeline: Pipeline
    context_length: int
    threads: int


class Ready(msgspec.Struct, frozen=True):
    """The model is loaded, or `error` says why not."""

    error: str = ""


# To the child -------------------------------------------------------------------------------------------


class Embed(msgspec.Struct, frozen=True, tag=True):
    id: int
    inputs: list[str | list[int]]


class Generate(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    id: int
    messages: list[JsonObject] = []
    tools: list[JsonObject] = []
    template: str = ""
    prompt: str | list[int] = ""
    """What to continue without a template, if there are no messages."""
    opening: str = ""
    """What the reply begins with already."""
    sampling: Sampling
    max_tokens: int
    grammar: str = ""
    """LLGuidance's notation; empty for a free reply."""


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Nobody waits for this one any more."""

    id: int


Ask = Embed | Generate | Cancel


# From the child -----------------------------------------------------------------------------------------


class Vectors(msgspec.Struct, frozen=True, tag=True):
    id: int
    vectors: list[bytes]
    tokens: int


class Read(msgspec.Struct, frozen=True, tag=True):
    """The prompt is being read, in tokens."""

    id: int
    total: int
    cached: int
    processed: int


class Text(msgspec.Struct, frozen=True, tag=True):
    id: int
    text: str


class Done(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    id: int
    reason: Literal["stop", "length"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Refused(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The request cannot be done."""

    id: int
    message: str
    param: str | None = None
    cause: Literal["value", "context", "engine"]


Answer = Vectors | Read | Text | Done | Refused


class RefusedError(Exception):
    """What the parts of the child raise for a request that cannot be done."""

    def __init__(self, message: str, cause: Literal["value", "context", "engine"], param: str | None = None) -> None:
        super().__init__(message)
        self.cause: Literal["value", "context", "engine"] = cause
        self.param = param
