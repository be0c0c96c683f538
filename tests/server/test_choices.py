"""Several choices, and the probabilities of tokens, with the real default model."""

from typing import Any

import openai
import pytest

from tests.conftest import MODEL

HELLO: Any = [{"role": "user", "content": "Say hello."}]
TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
POINT: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "point",
        "schema": {
            "type": "object",
            "properties": {"x": {"type": "integer", "minimum": 0, "maximum": 99}},
            "required": ["x"],
            "additionalProperties": False,
        },
    },
}


def test_each_choice_has_its_number_and_counts(client: openai.OpenAI) -> None:
    # Replies that are computed together differ where two tokens are as good: only one reply is possible here.
    described = {"name": "x", "schema": {"const": "hello there"}}
    arguments: Any = {
        "model": MODEL,
        "messages": HELLO,
        "response_format": {"type": "json_schema", "json_schema": described},
    }
    three = client.chat.completions.create(n=3, **arguments)
    texts = [choice.message.content for choice in three.choices]
    assert [choice.index for choice in three.choices] == [0, 1, 2]

    chunks = list(
        client.chat.completions.create(n=3, stream=True, stream_options={"include_usage": True}, **arguments)
    )
    streamed = ["", "", ""]
    for chunk in chunks:
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == texts == ['"hello there"'] * 3
    ends = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert sorted(ends) == [0, 1, 2]
    single = client.chat.completions.create(**arguments)
    assert three.usage is not None and single.usage is not None and chunks[-1].usage is not None
    assert three.usage.prompt_tokens == single.usage.prompt_tokens == chunks[-1].usage.prompt_tokens
    assert three.usage.completion_tokens > 2 * single.usage.completion_tokens
    assert chunks[-1].usage.completion_tokens > 2 * single.usage.completion_tokens
    assert three.usage.total_tokens == three.usage.prompt_tokens + three.usage.completion_tokens


def test_choices_differ_though_the_request_has_a_seed(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=HELLO, seed=5, temperature=1.5, max_tokens=8, n=4)
    assert len({choice.message.content for choice in reply.choices}) > 1


@pytest.mark.parametrize(
    "extra",
    [{}, {"stop": ["zebra"]}, {"tools": [TOOL], "tool_choice": "none"}, {"response_format": POINT}],
    ids=["plain", "stop", "tools shown", "json"],
)
def test_log_probabilities_cover_the_content_streamed_or_not(client: openai.OpenAI, extra: Any) -> None:
    arguments: Any = {
        "model": MODEL,
        "messages": HELLO,
        "temperature": 0,
        "max_tokens": 12,
        "logprobs": True,
        "top_logprobs": 2,
        **extra,
    }
    whole = client.chat.completions.create(**arguments).choices[0]
    assert whole.logprobs is not None and whole.logprobs.content is not None
    tokens = whole.logprobs.content
    assert b"".join(bytes(token.bytes or []) for token in tokens).decode() == whole.message.content
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)

    chunks = [chunk for chunk in client.chat.completions.create(stream=True, **arguments) if chunk.choices]
    streamed = [
        token.token
        for chunk in chunks
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content or []
    ]
    assert streamed == [token.token for token in tokens]


def test_no_alternatives_are_given_unless_asked_for(client: openai.OpenAI) -> None:
    asked = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=2, logprobs=True, temperature=0)
    assert asked.choices[0].logprobs is not None
    assert all(token.top_logprobs == [] for token in asked.choices[0].logprobs.content or [])
    silent = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=2)
    assert silent.choices[0].logprobs is None
