"""Every parameter of Embeddings, with a real embedding model."""

import base64
import math
import struct
from typing import Any

import openai
import pytest

from tests.conformance.strict import Recorder
from tests.conftest import MODEL

EMBEDDER = "all-minilm-l6-v2"


def vectors(embedder: openai.OpenAI, texts: Any, **more: Any) -> list[list[float]]:
    reply = embedder.embeddings.create(model=EMBEDDER, input=texts, **more)
    return [entry.embedding for entry in reply.data]


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_what_is_alike_lies_close(embedder: openai.OpenAI) -> None:
    cat, kitten, tax = vectors(embedder, ["a cat", "a small kitten", "the income tax form"])
    assert likeness(cat, kitten) > likeness(cat, tax) + 0.2
    assert all(math.isclose(likeness(each, each), 1, abs_tol=1e-3) for each in (cat, kitten, tax))


def test_one_text_and_a_list_of_one_are_the_same(embedder: openai.OpenAI) -> None:
    (one,), (listed,) = vectors(embedder, "a cat"), vectors(embedder, ["a cat"])
    assert likeness(one, listed) > 0.9999


def test_base64_holds_the_same_numbers(embedder: openai.OpenAI, recorder: Recorder) -> None:
    body = {"model": EMBEDDER, "input": ["a cat"]}
    plain: Any = embedder.post("/embeddings", body=body | {"encoding_format": "float"}, cast_to=object)
    packed: Any = embedder.post("/embeddings", body=body | {"encoding_format": "base64"}, cast_to=object)
    raw = base64.b64decode(packed["data"][0]["embedding"], validate=True)
    numbers = struct.unpack(f"<{len(raw) // 4}f", raw)
    assert numbers == pytest.approx(plain["data"][0]["embedding"], abs=1e-6)
    default: Any = embedder.post("/embeddings", body=body, cast_to=object)
    assert isinstance(default["data"][0]["embedding"], list), "without a format, numbers"


def test_many_inputs_keep_their_order_and_add_up(embedder: openai.OpenAI) -> None:
    texts = [f"number {at}" for at in range(40)]
    reply = embedder.embeddings.create(model=EMBEDDER, input=texts)
    assert [entry.index for entry in reply.data] == list(range(40))
    alone = embedder.embeddings.create(model=EMBEDDER, input=texts[33])
    assert likeness(reply.data[33].embedding, alone.data[0].embedding) > 0.999
    assert reply.usage.prompt_tokens == pytest.approx(40 * alone.usage.prompt_tokens, abs=40)


def test_token_ids_are_taken(embedder: openai.OpenAI) -> None:
    # 101 and 102 open and close a text in every vocabulary of this family; 4937 is "cat".
    (ids,), (lists, _) = vectors(embedder, [4937, 4937]), vectors(embedder, [[4937, 4937], [4937]])
    assert likeness(ids, lists) > 0.999


def test_dimensions_are_kept_or_refused(embedder: openai.OpenAI, recorder: Recorder) -> None:
    try:
        (short,) = vectors(embedder, "a cat", dimensions=64)
    except openai.BadRequestError as error:
        assert error.param == "dimensions"
    else:
        assert len(short) == 64 and math.isclose(likeness(short, short), 1, abs_tol=1e-3)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": 5}, "input"),
        ({"input": [10**9]}, "input"),
        ({"input": [[-1]]}, "input"),
        ({"input": ["word " * 20_000]}, "input"),
        ({"input": ["x"] * 100_000}, "input"),
        ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
        ({"input": "x", "dimensions": 10**6}, "dimensions"),
        ({"input": "x", "model": f"{MODEL}-onnx"}, "model"),
        ({}, None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_request_is_refused_by_name(embedder: openai.OpenAI, body: Any, param: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        embedder.post("/embeddings", body={"model": EMBEDDER, **body}, cast_to=object)
    if param:
        assert (caught.value.param or "").startswith(param), caught.value


def test_an_embedding_model_does_not_chat(embedder: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        embedder.chat.completions.create(model=EMBEDDER, messages=[{"role": "user", "content": "hi"}], max_tokens=2)
    assert caught.value.param == "model" and caught.value.code == "unsupported_model"


def test_what_concerns_only_a_hosted_service_is_taken(embedder: openai.OpenAI) -> None:
    assert vectors(embedder, "a cat", user="u1", extra_body={"some_future_parameter": 1})
