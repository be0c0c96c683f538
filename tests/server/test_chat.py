"""Chat Completions with the real default model, through the official client."""

import json
from typing import Any

import httpx2
import jsonschema
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.conftest import MODEL
from tests.support.processes import RunningServer

READ_FILE: Any = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read a file.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "lines": {"$ref": "#/$defs/count"}},
            "required": ["path"],
            "$defs": {"count": {"type": "integer", "minimum": 1}},
        },
    },
}
RUN: Any = {
    "type": "function",
    "function": {
        "name": "run",
        "parameters": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        },
    },
}
HELLO: Any = [{"role": "user", "content": "Say hello."}]
OTHER_TOOLS: Any = [{"type": "web_search"}]
POINT: Any = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "name": {"enum": ["a", "b"]}},
    "required": ["x", "name"],
    "additionalProperties": False,
}


def test_streamed_text_is_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0, seed=1, max_tokens=12)
    stream = client.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        temperature=0,
        seed=1,
        max_tokens=12,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]) > 3
    assert chunks[-1].usage is not None and whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_usage_adds_up_and_tells_what_was_cached(client: openai.OpenAI) -> None:
    client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0, max_tokens=5)
    reply = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0, max_tokens=5)
    usage = reply.usage
    assert usage is not None and usage.prompt_tokens_details is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens <= 5
    assert 0 < (usage.prompt_tokens_details.cached_tokens or 0) <= usage.prompt_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_bodies_have_the_published_shape(real_server: RunningServer, stream: bool) -> None:
    body = {"model": MODEL, "messages": HELLO, "max_tokens": 4, "stream": stream, "tools": [READ_FILE]}
    answer = httpx2.post(f"{real_server.url}/chat/completions", json=body, timeout=60)
    if not stream:
        ChatCompletion.model_validate(answer.json(), strict=True)
        assert {"refusal", "content", "role"} <= answer.json()["choices"][0]["message"].keys()
        return
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    for line in lines[:-1]:
        ChatCompletionChunk.model_validate_json(line, strict=True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "run"}}], ids=["required", "named"]
)
def test_a_forced_call_names_an_offered_tool_with_valid_arguments(
    client: openai.OpenAI, choice: Any, stream: bool
) -> None:
    arguments: Any = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Read notes.txt, please."}],
        "tools": [READ_FILE, RUN],
        "tool_choice": choice,
        "temperature": 0,
    }
    if stream:
        with client.chat.completions.stream(**arguments) as events:
            reply = events.get_final_completion()
    else:
        reply = client.chat.completions.create(**arguments)

    assert reply.choices[0].finish_reason == "tool_calls"
    (call,) = reply.choices[0].message.tool_calls or []
    assert call.type == "function"
    tool = {"read_file": READ_FILE, "run": RUN}[call.function.name]
    jsonschema.validate(json.loads(call.function.arguments), tool["function"]["parameters"])
    assert choice == "required" or call.function.name == "run"


def test_a_forced_call_ends_even_when_the_model_repeats_itself(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Call run with: a a a a a a a a a a a a a a a a a a a a a a a a"}],
        tools=[RUN],
        tool_choice="required",
        temperature=0,
        frequency_penalty=-2,
        max_tokens=400,
    )
    assert reply.usage is not None and reply.usage.completion_tokens <= 400
    (call,) = reply.choices[0].message.tool_calls or []
    assert call.type == "function" and json.loads(call.function.arguments)["command"]


def test_a_json_schema_reply_validates(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Give me a point."}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "point", "strict": True, "schema": POINT},
        },
        temperature=0,
    )
    assert reply.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(reply.choices[0].message.content or ""), POINT)


def test_a_truncated_json_schema_reply_says_length(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Give me a point."}],
        response_format={"type": "json_schema", "json_schema": {"name": "point", "schema": POINT}},
        max_tokens=3,
    )
    assert reply.choices[0].finish_reason == "length"


def test_json_object_gives_an_object(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Give me JSON with one key."}],
        response_format={"type": "json_object"},
        temperature=0,
        max_tokens=300,
    )
    if reply.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(reply.choices[0].message.content or ""), dict)
    else:
        assert reply.choices[0].finish_reason == "length"


def test_stop_ends_the_reply_and_is_left_out(client: openai.OpenAI) -> None:
    plain = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0, max_tokens=8)
    text = plain.choices[0].message.content or ""
    word = text.split()[1]
    stopped = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0, max_tokens=8, stop=[word])
    assert stopped.choices[0].message.content == text.partition(word)[0]


def test_content_parts_and_other_tool_types_are_taken(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": "hello."}],
            },
        ],
        tools=OTHER_TOOLS,
        temperature=0,
        max_tokens=4,
        extra_body={"prompt_cache_key": "x", "store": True},
    )
    assert reply.choices[0].message.content


def test_a_whole_tool_conversation_is_taken(client: openai.OpenAI) -> None:
    call: Any = {
        "id": "c1",
        "type": "function",
        "function": {"name": "read_file", "arguments": '{"path": "a.txt"}'},
    }
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "user", "content": "What does a.txt say?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "The colour is green."},
        ],
        tools=[READ_FILE],
        tool_choice="none",
        temperature=0,
        max_tokens=30,
    )
    assert "green" in (reply.choices[0].message.content or "")


def test_malformed_arguments_in_the_history_do_not_fail_the_request(client: openai.OpenAI) -> None:
    call: Any = {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": '{"path": '}}
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "user", "content": "Read a.txt"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "Bad arguments."},
        ],
        tools=[READ_FILE],
        max_tokens=4,
    )
    assert reply.choices[0].finish_reason in {"stop", "length"}


ANIMAL: Any = {
    "type": "object",
    "properties": {"animal": {"enum": ["cat", "dog"]}},
    "required": ["animal"],
    "additionalProperties": False,
}


LOOK: Any = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {
            "type": "object",
            "properties": {"at": {"enum": ["door", "window"]}},
            "required": ["at"],
            "additionalProperties": False,
        },
    },
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("example", ["json", "call"])
def test_json_beside_tools_is_one_or_the_other_and_valid(client: openai.OpenAI, stream: bool, example: str) -> None:
    ask = {"role": "user", "content": "What is there?"}
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "door"}'}}
    if example == "json":
        past: list[Any] = [ask, {"role": "assistant", "content": '{"animal": "cat"}'}]
    else:
        past = [ask, {"role": "assistant", "tool_calls": [call]}]
    arguments: Any = {
        "model": MODEL,
        "messages": [*past * 4, ask],
        "tools": [LOOK],
        "response_format": {"type": "json_schema", "json_schema": {"name": "animal", "schema": ANIMAL}},
        "parallel_tool_calls": False,
        "temperature": 0,
        "max_tokens": 60,
    }
    if stream:
        with client.chat.completions.stream(**arguments) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**arguments).choices[0]
    if example == "json":
        assert choice.finish_reason == "stop"
        jsonschema.validate(json.loads(choice.message.content or ""), ANIMAL)
        return
    assert choice.finish_reason == "tool_calls" and not choice.message.content
    (called,) = choice.message.tool_calls or []
    assert called.type == "function"
    jsonschema.validate(json.loads(called.function.arguments), LOOK["function"]["parameters"])


def test_what_no_grammar_enforces_is_checked_after_and_said_so(real_server: RunningServer) -> None:
    distinct = {"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 2, "uniqueItems": True}
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Write [1, 2]"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "pair", "schema": distinct}},
        "temperature": 1,
    }
    statuses: set[int] = set()
    for seed in range(6):
        answer = httpx2.post(f"{real_server.url}/chat/completions", json=body | {"seed": seed}, timeout=60)
        statuses.add(answer.status_code)
        if answer.status_code == 200:
            assert answer.headers["x-schema-checked-after"] == "uniqueItems at #"
            jsonschema.validate(json.loads(answer.json()["choices"][0]["message"]["content"]), distinct)
        else:
            assert answer.json()["error"]["code"] == "output_invalid"
    assert statuses <= {200, 422} and 200 in statuses


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_parameters_that_only_a_json_schema_reader_knows_are_taken(client: openai.OpenAI, choice: Any) -> None:
    parameters = {
        "type": "object",
        "properties": {"anything": True, "days": {"$ref": "#/$defs/a~1b"}, "more": {"type": "array", "items": True}},
        "required": ["days"],
        "additionalProperties": False,
        "$defs": {"a/b": {"enum": [1, 2]}},
    }
    tool: Any = {"type": "function", "function": {"name": "plan", "parameters": parameters}}
    reply = client.chat.completions.create(
        model=MODEL, messages=HELLO, tools=[tool], tool_choice=choice, temperature=0, max_tokens=400
    )
    if choice == "required":
        (call,) = reply.choices[0].message.tool_calls or []
        assert call.type == "function"
        jsonschema.validate(json.loads(call.function.arguments), parameters)


def test_a_limit_beyond_the_context_ends_with_the_context(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=1 << 31, temperature=0, stop=["hello", "Hello", ".", "?", "!"]
    )
    assert reply.choices[0].finish_reason == "stop"
