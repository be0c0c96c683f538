"""What llama.cpp's server sends, and what it means here: pieces, usage and errors."""

import secrets

import msgspec

from lmserver.engines import CallPiece, GeneratedToken, Piece, ReasoningPiece, TextPiece, TokenProbability
from lmserver.errors import ApiError
from lmwire.chat import CompletionTokensDetails, PromptTokensDetails, Usage
from lmwire.errors import ErrorCode


class ChildAnswer(msgspec.Struct, frozen=True):
    url: str = ""
    error: str = ""


class Detokenized(msgspec.Struct, frozen=True):
    """The answer of `/detokenize`."""

    content: str


class Rendered(msgspec.Struct, frozen=True):
    """The answer of `/apply-template`."""

    prompt: str


class _ChildErrorObject(msgspec.Struct, frozen=True):
    message: str = ""
    type: str = ""


class ChildError(msgspec.Struct, frozen=True):
    error: _ChildErrorObject


class _Timings(msgspec.Struct, frozen=True):
    cache_n: int = 0


class _ChunkFunction(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _ChunkCall(msgspec.Struct, frozen=True):
    index: int = 0
    id: str | None = None
    function: _ChunkFunction = _ChunkFunction()


class _ChunkDelta(msgspec.Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ChunkCall] | None = None


class _TokenLogprob(msgspec.Struct, frozen=True):
    token: str = ""
    logprob: float | None = None
    bytes: list[int] = []
    top_logprobs: list["_TokenLogprob"] = []


class _ChunkLogprobs(msgspec.Struct, frozen=True):
    content: list[_TokenLogprob] | None = None


class _ChunkChoice(msgspec.Struct, frozen=True):
    delta: _ChunkDelta = _ChunkDelta()
    logprobs: _ChunkLogprobs | None = None
    finish_reason: str | None = None


class _ChunkProgress(msgspec.Struct, frozen=True):
    total: int = 0
    cache: int = 0
    processed: int = 0


class Chunk(msgspec.Struct, frozen=True):
    """An event of the child's `/v1/chat/completions` or `/completion`: the union of what both send."""

    choices: list[_ChunkChoice] = []
    usage: Usage | None = None
    prompt_progress: _ChunkProgress | None = None
    error: _ChildErrorObject | None = None
    content: str = ""
    stop: bool = False
    stop_type: str = ""
    tokens_evaluated: int = 0
    tokens_predicted: int = 0
    completion_probabilities: list[_TokenLogprob] = []
    timings: _Timings = _Timings()


def pieces_of(choice: _ChunkChoice, called: set[int], top: int | None) -> list[Piece]:
    """Translate what a chunk adds; `called` holds the calls that have begun, `top` what is asked of tokens."""
    pieces: list[Piece] = []
    delta = choice.delta
    if delta.reasoning_content:
        pieces.append(ReasoningPiece(delta.reasoning_content))
    if delta.content:
        logprobs = choice.logprobs.content if choice.logprobs else None
        pieces.append(TextPiece(delta.content, tokens_of(logprobs or [], top)))
    for call in delta.tool_calls or []:
        is_first = call.index not in called
        called.add(call.index)
        pieces.append(
            CallPiece(
                index=call.index,
                id=(call.id or new_call_id()) if is_first else "",
                name=(call.function.name or "") if is_first else "",
                arguments=call.function.arguments or "",
            )
        )
    return pieces


def tokens_of(given: list[_TokenLogprob], top: int | None) -> tuple[GeneratedToken, ...]:
    """Translate the probabilities of a piece's tokens.

    What the engine held back, as the beginning of a character or of a stop string, comes as an entry without
    bytes, and its text with a later one.
    """
    if top is None:
        return ()
    return tuple(
        GeneratedToken(
            token.token,
            _finite(token.logprob),
            token.bytes,
            tuple(
                TokenProbability(other.token, _finite(other.logprob), other.bytes)
                for other in token.top_logprobs[:top]
            ),
        )
        for token in given
        if token.bytes
    )


def _finite(logprob: float | None) -> float:
    # OpenAI's own stand-in for "as good as never"; JSON has no infinity.
    return -9999.0 if logprob is None else max(logprob, -9999.0)


def new_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


def usage_of(prompt: int, completion: int, cached: int, reasoning: int = 0) -> Usage:
    return Usage(
        prompt, completion, prompt + completion, PromptTokensDetails(cached), CompletionTokensDetails(reasoning)
    )


def cached_of(usage: Usage) -> int:
    return usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0


def refusal(body: bytes) -> ApiError:
    """Translate the child's error; what a client can mend becomes a 400."""
    try:
        error = msgspec.json.decode(body, type=ChildError).error
    except msgspec.MsgspecError:
        error = _ChildErrorObject(body[:200].decode(errors="replace"))
    if error.type == "exceed_context_size_error":
        return ApiError(
            400,
            f"The {error.message[:1].lower()}{error.message[1:]}.",
            code=ErrorCode.CONTEXT_LENGTH_EXCEEDED,
            param="messages",
        )
    if error.type == "invalid_request_error" or "not supported" in error.message:
        return ApiError(400, error.message, code=ErrorCode.INVALID_VALUE)
    return ApiError(500, f"The engine failed: {error.message}", code=ErrorCode.ENGINE_FAILED, kind="server_error")
