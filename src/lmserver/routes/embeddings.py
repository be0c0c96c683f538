"""`POST /v1/embeddings`: texts, or token ids, to vectors."""

import math
import struct
from typing import TypeVar, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from lmserver.errors import invalid, unsupported
from lmserver.guard import parse
from lmserver.routes import Endpoint
from lmserver.routes.work import Job, while_connected
from lmwire.embeddings import MAX_INPUTS, Embedding, EmbeddingList, EmbeddingRequest, EmbeddingUsage, Input

T = TypeVar("T")

SHORTENABLE = ("nomic-embed-text-v1.5", "mxbai-embed-large", "embeddinggemma", "embedding-gemma", "qwen3-embedding")
"""Models whose vectors were trained to be cut short (Matryoshka representation learning), as their ids name them."""


async def embeddings(request: Request) -> Response:
    """Turn inputs into vectors, in their order."""
    asked = await parse(request, EmbeddingRequest)
    inputs = inputs_of(asked.input)
    job = Job(request, asked.model, ttl=asked.ttl)
    embedded = await while_connected(request, job.embed(inputs))
    vectors = embedded.vectors
    if asked.dimensions is not None:
        _check_dimensions(asked.dimensions, len(vectors[0]) // 4, job.model)
        vectors = [shortened(vector, asked.dimensions) for vector in vectors]
    is_packed = asked.encoding_format == "base64"
    answer = EmbeddingList(
        data=[
            Embedding(index=index, embedding=vector if is_packed else list(_unpacked(vector)))
            for index, vector in enumerate(vectors)
        ],
        model=job.model,
        usage=EmbeddingUsage(embedded.tokens, embedded.tokens),
    )
    return Response(msgspec.json.encode(answer), media_type="application/json")


def inputs_of(given: str | list[Input]) -> list[str] | list[list[int]]:
    """Make the input a list of one kind.

    Raises:
        ApiError: 400 that names the input which is empty, or of another kind than the first.
    """
    if isinstance(given, str):
        given = [given]
    if isinstance(given[0], int):
        return [_all_of(int, given, "a token id")]
    if len(given) > MAX_INPUTS:
        raise invalid("input", f"it has {len(given):,} members, and {MAX_INPUTS:,} are taken in one request")
    for index, each in enumerate(given):
        if each in ("", []):
            raise invalid(f"input[{index}]", "it is empty, and nothing has no meaning")
    if isinstance(given[0], str):
        return _all_of(str, given, "a text")
    return _all_of(list, given, "a list of token ids")


def _all_of(kind: type[T], given: list[Input], what: str) -> list[T]:
    for index, each in enumerate(given):
        if not isinstance(each, kind):
            raise invalid(f"input[{index}]", f"expected {what}, as input[0] is; one request takes one kind")
    return cast(list[T], given)


def shortened(vector: bytes, dimensions: int) -> bytes:
    """Keep the first numbers of a packed vector, scaled to the Euclidean length 1 again."""
    kept = _unpacked(vector[: 4 * dimensions])
    length = math.hypot(*kept) or 1.0
    return struct.pack(f"<{dimensions}f", *(number / length for number in kept))


def _unpacked(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


def _check_dimensions(asked: int, own: int, model: str) -> None:
    if asked == own:
        return
    if not any(name in model.lower() for name in SHORTENABLE):
        why = f"{model} was not trained for shorter vectors; leave it out, or ask for {own}"
        raise unsupported("dimensions", why)
    if asked > own:
        raise invalid("dimensions", f"the vectors of {model} have {own} numbers")


ENDPOINTS = (Endpoint("POST", "/v1/embeddings", "embeddings", embeddings, EmbeddingRequest, EmbeddingList),)
