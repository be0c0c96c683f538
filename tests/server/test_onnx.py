"""Chat through ONNX Runtime's generator with a real model, over the real server."""

import asyncio
import importlib.util
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmserver.engines import CallPiece, CompletionRequest, Finished, Piece, Sampling, TextPiece
from lmserver.engines.onnx import OnnxEngine
from lmserver.engines.reading import CallReader, StopFinder
from lmserver.errors import ApiError
from tests.support.onnx_models import ENCODER, GENERATOR
from tests.support.processes import RunningServer, cpu_seconds, descendants

MODEL = "smollm2-135m-instruct-onnx"
FRANCE: Any = {"role": "user", "content": "What is the capital of France?"}
READ_FILE: Any = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read a file.",
        "parameters": {"type": "object", "properties": {"path": {"enum": ["a.txt"]}}, "required": ["path"]},
    },
}
CALL: Any = {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": '{"path": "a.txt"}'}}
POINT: Any = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "name": {"enum": ["a", "b"]}},
    "required": ["x", "name"],
    "additionalProperties": False,
}


def ask(client: openai.OpenAI, *messages: Any, **arguments: Any) -> Any:
    return client.chat.completions.create(
        **{"model": MODEL, "messages": list(messages), "temperature": 0, "max_tokens": 30, **arguments}
    )


def test_it_answers_streamed_and_whole_with_true_counts(other_client: openai.OpenAI) -> None:
    whole = ask(other_client, FRANCE)
    chunks = list(ask(other_client, FRANCE, stream=True, stream_options={"include_usage": True}))

    assert "Paris" in whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "stop"
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len(list(filter(None, pieces))) > 3
    assert whole.usage.prompt_tokens == chunks[-1].usage.prompt_tokens == 37
    assert whole.usage.completion_tokens == chunks[-1].usage.completion_tokens <= 30
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 36, "all but the token to go on from"


def test_a_conversation_goes_on_from_the_cache(other_client: openai.OpenAI) -> None:
    first = ask(other_client, FRANCE)
    said = {"role": "assistant", "content": first.choices[0].message.content}
    second = ask(other_client, FRANCE, said, {"role": "user", "content": "And of Spain?"})
    assert second.usage.prompt_tokens_details.cached_tokens > first.usage.prompt_tokens
    other = ask(other_client, {"role": "system", "content": "Be brief."}, FRANCE, temperature=0.5, max_tokens=2)
    assert other.usage.prompt_tokens_details.cached_tokens == 0, "other options, so nothing is kept"


def test_the_limit_and_a_stop_text_end_a_reply(other_client: openai.OpenAI) -> None:
    cut = ask(other_client, FRANCE, max_tokens=3)
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 3)
    stopped = ask(other_client, FRANCE, stop=["Par", "no such text"])
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].message.content == "The capital of France is "


def test_a_seed_repeats_a_reply(other_client: openai.OpenAI) -> None:
    texts = {
        ask(other_client, FRANCE, temperature=1.5, seed=seed, max_tokens=12).choices[0].message.content
        for seed in (7, 7, 8)
    }
    assert len(texts) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "read_file"}}], ids=str)
def test_a_forced_call_is_valid(other_client: openai.OpenAI, choice: Any, stream: bool) -> None:
    arguments: Any = {"model": MODEL, "messages": [FRANCE], "tools": [READ_FILE], "tool_choice": choice}
    if stream:
        with other_client.chat.completions.stream(**arguments, temperature=0) as events:
            reply = events.get_final_completion()
    else:
        reply = other_client.chat.completions.create(**arguments, temperature=0)
    (call,) = reply.choices[0].message.tool_calls or []
    assert call.type == "function" and call.function.name == "read_file"
    assert json.loads(call.function.arguments) == {"path": "a.txt"}
    assert reply.choices[0].finish_reason == "tool_calls"


def test_a_call_of_the_models_own_is_parsed_unless_calls_are_not_wanted(other_client: openai.OpenAI) -> None:
    # Even a model that knows no tools repeats what it did four times.
    asked: Any = {"role": "user", "content": "Call read_file."}
    history: list[Any] = [*[asked, {"role": "assistant", "content": None, "tool_calls": [CALL]}] * 4, asked]
    reply = ask(other_client, *history, tools=[READ_FILE], max_tokens=60)
    (call, *_) = reply.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"path": "a.txt"}
    assert reply.choices[0].finish_reason == "tool_calls" and not reply.choices[0].message.content
    said = ask(other_client, *history, tools=[READ_FILE], tool_choice="none", max_tokens=4)
    assert not said.choices[0].message.tool_calls


def test_a_json_schema_reply_validates(other_client: openai.OpenAI) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "point", "schema": POINT}}
    reply = ask(other_client, {"role": "user", "content": "Give me a point."}, response_format=wanted, max_tokens=80)
    assert reply.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(reply.choices[0].message.content), POINT)
    assert ask(other_client, FRANCE, response_format=wanted, max_tokens=2).choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("presence_penalty", 1),
        ("frequency_penalty", -1),
        ("logit_bias", {"1": 1}),
        ("min_p", 0.1),
    ],
)
def test_what_would_have_no_effect_is_refused_by_name(other_server: RunningServer, name: str, value: object) -> None:
    body = {"model": MODEL, "messages": [FRANCE], name: value, "stream": True}
    answer = httpx2.post(f"{other_server.url}/chat/completions", json=body, timeout=60)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_parameter", name)


def test_what_changes_nothing_is_taken(other_client: openai.OpenAI) -> None:
    reply = ask(other_client, FRANCE, presence_penalty=0, frequency_penalty=0, logit_bias={}, max_tokens=2)
    assert reply.choices[0].message.content


def test_a_prompt_beyond_the_context_is_refused(other_server: RunningServer) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x " * 9000}], "stream": True}
    answer = httpx2.post(f"{other_server.url}/chat/completions", json=body, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize("words", [2, 3000], ids=["generating", "reading"])
def test_the_work_stops_when_the_client_leaves(other_server: RunningServer, words: int) -> None:
    content = "Write a long story about the sea. " + "word " * words
    body = {"model": MODEL, "messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 2000}
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{other_server.url}/chat/completions", json=body, timeout=0.7)
    # One chunk of the prompt may have been begun.
    time.sleep(2 if words > 1000 else 0.3)
    pids = descendants(other_server.process.pid)
    before = cpu_seconds(pids)
    time.sleep(0.4)
    assert cpu_seconds(pids) - before < 0.2, "still computing for nobody"


def test_a_child_that_dies_fails_its_request_and_the_next_one_starts_another(
    other_server: RunningServer, other_client: openai.OpenAI
) -> None:
    ask(other_client, FRANCE, max_tokens=1)
    stream = ask(other_client, FRANCE, temperature=1.9, max_tokens=1000, stream=True)
    next(stream)
    for pid in descendants(other_server.process.pid):
        if b"onnx_child" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    with pytest.raises(openai.APIError):
        list(stream)
    assert "Paris" in ask(other_client, FRANCE).choices[0].message.content


# The engine, without a server ---------------------------------------------------------------------------


def completed(*requests: CompletionRequest) -> list[list[Piece]]:
    async def all_of_them() -> list[list[Piece]]:
        engine = await OnnxEngine.load(GENERATOR, context_length=256, threads=1)
        try:
            return [[piece async for piece in engine.complete(request)] for request in requests]
        finally:
            await engine.close()

    return asyncio.run(all_of_them())


def test_a_text_or_its_tokens_are_completed_up_to_the_context() -> None:
    greedy = Sampling(temperature=0)
    text, tokens, full = completed(
        CompletionRequest(prompt="One, two, three,", sampling=greedy, max_tokens=4),
        CompletionRequest(prompt=[7338, 28, 827, 28, 1296, 28], sampling=greedy, max_tokens=4),
        CompletionRequest(prompt=[28] * 250, sampling=greedy, max_tokens=100),
    )
    assert [piece for piece in text if isinstance(piece, TextPiece)] == [
        piece for piece in tokens if isinstance(piece, TextPiece)
    ]
    assert "four" in "".join(piece.text for piece in text if isinstance(piece, TextPiece))
    end = full[-1]
    assert isinstance(end, Finished) and end.usage.total_tokens == 256 and end.reason == "length"


def test_a_prompt_that_cannot_be_read_is_refused() -> None:
    async def refusals(*prompts: str | list[int]) -> list[tuple[int, str | None]]:
        engine = await OnnxEngine.load(GENERATOR, context_length=256, threads=1)
        found: list[tuple[int, str | None]] = []
        for prompt in prompts:
            with pytest.raises(ApiError) as raised:
                await anext(engine.complete(CompletionRequest(prompt=prompt, max_tokens=2)))
            found.append((raised.value.status, raised.value.body.param))
        await engine.close()
        return found

    assert asyncio.run(refusals([], "", [49152], [-1], "x " * 300)) == [(400, "prompt")] * 5


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[[str], object] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    with pytest.raises(ApiError, match=r"onnxruntime is not installed.*pip install 'vtcode\[onnx\]'"):
        asyncio.run(OnnxEngine.load(ENCODER, context_length=256, threads=1))


# Reading replies ----------------------------------------------------------------------------------------

words = st.text(st.sampled_from("ab"), max_size=12)


@given(st.lists(words), st.lists(st.text(st.sampled_from("ab"), min_size=1, max_size=3), max_size=3))
def test_a_stop_text_is_found_however_the_text_is_cut(parts: list[str], stops: list[str]) -> None:
    finder = StopFinder(stops)
    given = ""
    for part in parts:
        if not finder.is_found:
            given += finder.feed(part)
    given += finder.rest()
    text = "".join(parts)
    first = min((text.find(stop) for stop in stops if stop in text), default=None)
    assert finder.is_found == (first is not None)
    # A stop text that ends sooner may begin later than one that had not ended yet.
    assert text.startswith(given) and not any(stop in given for stop in stops)
    assert given == text or first is not None


CALL_TEXT = '<tool_call>\n{"name": "run", "arguments": {"a": 1}}\n</tool_call>'


@given(st.sampled_from(["", "Well. ", "<tool", "a < b"]), st.lists(st.integers(1, 9), min_size=1), st.integers(0, 2))
def test_calls_are_read_however_the_text_is_cut(before: str, sizes: list[int], calls: int) -> None:
    text, reader, pieces, at = before + "\n".join([CALL_TEXT] * calls), CallReader({"run"}), list[Piece](), 0
    while at < len(text):
        size = sizes[at % len(sizes)]
        pieces += reader.feed(text[at : at + size])
        at += size
    pieces += reader.rest(is_cut=False)
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextPiece)) == before
    called = [piece for piece in pieces if isinstance(piece, CallPiece)]
    assert [piece.name for piece in called] == ["run", ""] * calls
    assert [piece.arguments for piece in called] == ["", '{"a":1}'] * calls


@pytest.mark.parametrize(
    "text", ["<tool_call>{</tool_call>", '<tool_call>{"name": "other"}</tool_call>', "<tool_call>["]
)
def test_what_is_no_call_stays_text(text: str) -> None:
    reader = CallReader({"run"})
    pieces = [*reader.feed(text), *reader.rest(is_cut=False)]
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextPiece)) == text
    assert reader.calls == 0
