"""What holds whatever the model says, over many schemas."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import openai
import pytest

from tests.conformance.conftest import ask
from tests.conformance.schemas import SCHEMAS, tool
from tests.conftest import MODEL

LIMIT = 64
QUESTIONS = ["Do it.", "Please call the tool with sensible arguments.", "Ignore all tools and say hello!"]


def each(work: Callable[[str], str]) -> dict[str, str]:
    """Do the work for every schema, four at a time as the engine computes them, and give what came of each."""
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(SCHEMAS, pool.map(work, SCHEMAS), strict=True))


@pytest.mark.parametrize("sampling", [{"temperature": 0}, {"temperature": 1.2, "seed": 4}], ids=["cold", "hot"])
def test_a_finished_json_schema_reply_validates_and_a_cut_one_says_length(
    client: openai.OpenAI, sampling: Any
) -> None:
    def reply_to(name: str) -> str:
        reply = client.chat.completions.create(
            model=MODEL,
            messages=ask(f"Give me the arguments of {name}."),
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMAS[name]}},
            max_tokens=LIMIT,
            **sampling,
        )
        (choice,) = reply.choices
        assert reply.usage
        if choice.finish_reason == "stop":
            jsonschema.validate(json.loads(choice.message.content or ""), SCHEMAS[name])
        else:
            assert (choice.finish_reason, reply.usage.completion_tokens) == ("length", LIMIT)
        return str(choice.finish_reason)

    reasons = each(reply_to)
    # Numbers and free members have no bound, so a reply or two may be cut; the others must show that all is enforced.
    assert sum(reason == "stop" for reason in reasons.values()) >= len(SCHEMAS) * 3 // 4, reasons


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_forced_call_is_to_an_offered_tool_with_valid_arguments(client: openai.OpenAI, streamed: bool) -> None:
    names = list(SCHEMAS)
    # Tools that are offered together share a prompt, so that only the first call of a group has it read.
    groups = [names[at::4] for at in range(4)]

    def calls_of(group: list[str]) -> list[str]:
        return [_forced(client, group, name, names.index(name), streamed) for name in group]

    with ThreadPoolExecutor(4) as pool:
        reasons = [reason for group in pool.map(calls_of, groups) for reason in group]
    assert reasons.count("tool_calls") >= len(SCHEMAS) * 3 // 4, reasons


def _forced(client: openai.OpenAI, group: list[str], name: str, at: int, streamed: bool) -> str:
    offered = {entry["function"]["name"]: entry["function"]["parameters"] for entry in map(tool, group)}
    wanted = tool(name)["function"]["name"]
    is_named = group.index(name) % 2 != streamed
    asked: Any = {
        "model": MODEL,
        "messages": ask(QUESTIONS[at % len(QUESTIONS)]),
        "tools": [tool(each) for each in group],
        "tool_choice": {"type": "function", "function": {"name": wanted}} if is_named else "required",
        "temperature": 0,
        "max_tokens": LIMIT,
    }
    if streamed:
        reason, called = _assembled(client.chat.completions.create(**asked, stream=True))
    else:
        choice = client.chat.completions.create(**asked).choices[0]
        calls: Any = choice.message.tool_calls or []
        reason, called = choice.finish_reason, [(call.function.name, call.function.arguments) for call in calls]
    if reason != "length":
        assert reason == "tool_calls"
        ((function, arguments),) = called
        assert function in offered and (not is_named or function == wanted)
        jsonschema.validate(json.loads(arguments), offered[function])
    return reason


def _assembled(chunks: Any) -> tuple[str, list[tuple[str, str]]]:
    reason, calls = "", list[tuple[str, str]]()
    for chunk in chunks:
        for choice in chunk.choices:
            reason = choice.finish_reason or reason
            for part in choice.delta.tool_calls or []:
                if part.index == len(calls):
                    calls.append((part.function.name, ""))
                name, arguments = calls[part.index]
                calls[part.index] = name, arguments + (part.function.arguments or "")
    return reason, calls


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_whatever_is_cut_says_length(client: openai.OpenAI, limit: int) -> None:
    forced = client.chat.completions.create(
        model=MODEL, messages=ask(), tools=[tool("order")], tool_choice="required", max_tokens=limit
    )
    assert forced.choices[0].finish_reason == "length" and not forced.choices[0].message.tool_calls
    schema: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMAS["order"]}}
    shaped = client.chat.completions.create(model=MODEL, messages=ask(), response_format=schema, max_tokens=limit)
    assert shaped.choices[0].finish_reason == "length"
    for reply in (forced, shaped):
        assert reply.usage and reply.usage.completion_tokens <= limit


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"stop": ["\n", "the"]},
        {"tools": [tool("get_weather")], "tool_choice": "auto"},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMAS["get_weather"]}}},
        {"frequency_penalty": 1.5, "logit_bias": {"28": -100}},
    ],
    ids=["plain", "stop", "tools", "schema", "penalties"],
)
@pytest.mark.parametrize("question", ["Say hello.", "Écris « ça va ? » et 日本語 🙂."])
def test_streamed_text_is_the_text_that_is_not_streamed(client: openai.OpenAI, question: str, more: Any) -> None:
    asked: Any = {"model": MODEL, "messages": ask(question), "temperature": 0, "seed": 1, "max_tokens": 24, **more}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    streamed = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert streamed == (whole.choices[0].message.content or "")
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == [whole.choices[0].finish_reason]
    for usage in (whole.usage, chunks[-1].usage):
        assert usage and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        assert usage.prompt_tokens_details
        assert 0 <= (usage.prompt_tokens_details.cached_tokens or 0) <= usage.prompt_tokens
    assert whole.usage and chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
