"""Completions without a chat template: request, response and chunk of OpenAI's older endpoint."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lmwire.chat import Usage
from lmwire.sampling import SamplingRequest, TokenLimit


class CompletionRequest(SamplingRequest, frozen=True, kw_only=True):
    """The body of `POST /v1/completions`."""

    prompt: str | list[str | int | list[int]]
    """One text, or one list of token ids, or a list of either."""
    max_tokens: TokenLimit | None = None
    """16 when absent, as OpenAI has it; LM Studio's -1 means "no limit of mine"."""
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    """How many alternatives of each token to tell the probabilities of."""
    best_of: Annotated[int, Meta(ge=1)] | None = None
    suffix: str | None = None


class Logprobs(msgspec.Struct, frozen=True):
    """The tokens of a text: four lists of one length."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]
    """Where each token begins, in characters of the choice's text."""


class CompletionChoice(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    index: int
    logprobs: Logprobs | None = None
    finish_reason: Literal["stop", "length"] | None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A finished answer, or one event of a streamed one."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    system_fingerprint: str
    usage: Usage | None | UnsetType = UNSET
