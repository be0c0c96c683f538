"""Vectors from llama.cpp's server: many inputs in one request, and the one at fault named."""

import re
from collections.abc import Iterator

import msgspec

from lmserver.engines import Embedded
from lmserver.engines.llama_process import LlamaProcess
from lmserver.errors import ApiError
from lmwire.errors import ErrorCode

INPUTS_AT_ONCE = 64
CHARACTERS_AT_ONCE = 16 << 10
"""What one request to the child holds at most: enough to fill its batches, and little enough that a cancel takes
effect soon."""

_TOO_LONG = re.compile(r"input \((\d+) tokens\) is too large")

Inputs = list[str] | list[list[int]]


class _Vector(msgspec.Struct, frozen=True):
    index: int
    embedding: bytes


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int


class _Answer(msgspec.Struct, frozen=True):
    data: list[_Vector]
    usage: _Usage


_decode = msgspec.json.Decoder(_Answer).decode


async def embed(child: LlamaProcess, inputs: Inputs) -> Embedded:
    """Turn inputs into vectors. Raises as `Engine.embed` does."""
    vectors: list[bytes] = []
    tokens = 0
    for portion in portions(inputs):
        try:
            answer = await _ask(child, portion)
        except ApiError as error:
            raise await _named(child, portion, len(vectors), error) from error
        vectors += [vector.embedding for vector in sorted(answer.data, key=lambda vector: vector.index)]
        tokens += answer.usage.prompt_tokens
    return Embedded(vectors, tokens)


def portions(inputs: Inputs) -> Iterator[Inputs]:
    """Cut a list of inputs into lists that are computed together."""
    begin, size = 0, 0
    for end, each in enumerate(inputs):
        # A token stands for some four characters.
        cost = len(each) if isinstance(each, str) else 4 * len(each)
        if end > begin and (end - begin == INPUTS_AT_ONCE or size + cost > CHARACTERS_AT_ONCE):
            yield inputs[begin:end]
            begin, size = end, 0
        size += cost
    yield inputs[begin:]


async def _ask(child: LlamaProcess, inputs: Inputs) -> _Answer:
    return _decode(await child.post("/v1/embeddings", {"input": inputs, "encoding_format": "base64"}))


async def _named(child: LlamaProcess, inputs: Inputs, offset: int, error: ApiError) -> ApiError:
    """Find the input that the child refused: it does not say which, but asked one by one it does."""
    if not child.is_alive:
        return error
    if len(inputs) == 1:
        return _translated(error, f"input[{offset}]", child.settings.context_length)
    for index, each in enumerate(inputs):
        try:
            await _ask(child, [each])  # pyright: ignore
        except ApiError as refused:
            return _translated(refused, f"input[{offset + index}]", child.settings.context_length)
    return error


def _translated(refused: ApiError, param: str, context_length: int) -> ApiError:
    message = refused.body.message
    if too_long := _TOO_LONG.search(message):
        return ApiError(
            400,
            f"{param}: it has {too_long[1]} tokens, and the model takes {context_length}. Split it.",
            code=ErrorCode.CONTEXT_LENGTH_EXCEEDED,
            param=param,
        )
    if refused.status == 400:
        if "invalid tokens" in message:
            message = "it holds a token id that is not in the model's vocabulary"
        return ApiError(400, f"{param}: {message}.", code=ErrorCode.INVALID_VALUE, param=param)
    return refused
