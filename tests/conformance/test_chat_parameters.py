"""Every parameter of Chat Completions has its effect, with the real default model."""

import itertools
import json
import math
from typing import Any

import httpx2
import jsonschema
import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.conformance.conftest import GREEDY, ask
from tests.conformance.strict import Recorder
from tests.conftest import MODEL, Script
from tests.support.processes import RunningServer, clean_environment, running_server

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
CLOCK: Any = {
    "type": "function",
    "function": {
        "name": "clock",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    },
}
ANSWER: Any = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "n": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["ok", "n"],
    "additionalProperties": False,
}


def text_of(reply: ChatCompletion) -> str:
    return reply.choices[0].message.content or ""


# Messages -----------------------------------------------------------------------------------------------


def test_all_roles_and_content_parts_are_read(client: openai.OpenAI) -> None:
    call: Any = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Use English."}]},
        {
            "role": "user",
            "name": "ann",
            "content": [{"type": "text", "text": "Which time"}, {"type": "text", "text": "is it?"}],
        },
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "It is noon."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "It is noon."}]},
        {"role": "user", "content": "Say it again."},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I would rather not."}]},
        {"role": "user", "content": "Please."},
    ]
    reply = client.chat.completions.create(**GREEDY, messages=messages, tools=[CLOCK], max_tokens=8)
    without = client.chat.completions.create(**GREEDY, messages=messages[:1] + messages[-1:], max_tokens=8)
    assert reply.usage and without.usage
    assert reply.usage.prompt_tokens > without.usage.prompt_tokens + 30


def test_the_system_message_is_heard(client: openai.OpenAI) -> None:
    told: Any = [{"role": "system", "content": "You always answer with the single word BANANA."}, *ask("What is it?")]
    assert text_of(client.chat.completions.create(**GREEDY, messages=told, max_tokens=8)) != text_of(
        client.chat.completions.create(**GREEDY, messages=ask("What is it?"), max_tokens=8)
    )


# Sampling -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "only_the_likeliest",
    [{"top_p": 0.0}, {"extra_body": {"top_k": 1}}, {"extra_body": {"min_p": 1.0}}],
    ids=["top_p", "top_k", "min_p"],
)
def test_a_sampler_that_leaves_one_token_makes_any_temperature_greedy(
    client: openai.OpenAI, only_the_likeliest: Any
) -> None:
    greedy = client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=12)
    hot = client.chat.completions.create(
        model=MODEL, messages=ask(), temperature=2, seed=5, max_tokens=12, **only_the_likeliest
    )
    assert text_of(hot) == text_of(greedy)


def test_a_seed_repeats_a_reply_and_another_seed_does_not(client: openai.OpenAI) -> None:
    def sampled(seed: int) -> str:
        reply = client.chat.completions.create(
            model=MODEL, messages=ask("Tell me a story."), temperature=1.5, seed=seed, max_tokens=12
        )
        return text_of(reply)

    first = sampled(7)
    assert sampled(7) == first
    assert any(sampled(seed) != first for seed in (8, 9))


def test_penalties_change_a_reply_that_repeats_itself(client: openai.OpenAI) -> None:
    def reply(**penalty: Any) -> str:
        question = ask("Repeat the word la: la la la la la la la la")
        return text_of(client.chat.completions.create(**GREEDY, messages=question, max_tokens=24, **penalty))

    plain = reply()
    # Two equal requests agree, so that a difference is the penalty's.
    assert reply(presence_penalty=0, frequency_penalty=0, extra_body={"repeat_penalty": 1.0}) == plain
    assert reply(frequency_penalty=2) != plain
    assert reply(presence_penalty=2) != plain
    assert reply(extra_body={"repeat_penalty": 1.9}) != plain


def test_logit_bias_bans_a_token_and_forces_another(client: openai.OpenAI, vocabulary: dict[str, int]) -> None:
    plain = client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=1, logprobs=True)
    assert plain.choices[0].logprobs and plain.choices[0].logprobs.content
    first = plain.choices[0].logprobs.content[0].token
    banned = client.chat.completions.create(
        **GREEDY, messages=ask(), max_tokens=1, logit_bias={str(vocabulary[first]): -100}
    )
    assert text_of(banned) != first
    forced = client.chat.completions.create(
        **GREEDY, messages=ask(), max_tokens=1, logit_bias={str(vocabulary["blue"]): 100}
    )
    assert text_of(forced) == "blue"


# Length -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("limit", [1, 7])
def test_a_limit_is_kept_to_the_token(client: openai.OpenAI, name: str, limit: int) -> None:
    limits: Any = {name: limit}
    reply = client.chat.completions.create(**GREEDY, messages=ask("Tell me a long story."), **limits)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage and reply.usage.completion_tokens == limit


def test_the_newer_name_of_the_limit_wins(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        **GREEDY, messages=ask("Tell me a long story."), max_tokens=9, max_completion_tokens=3
    )
    assert reply.usage and reply.usage.completion_tokens == 3


def test_minus_one_is_no_limit_of_the_clients(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(**GREEDY, messages=ask("Count: 1 2 3"), max_tokens=-1, stop=["."])
    assert reply.choices[0].finish_reason in {"stop", "length"}
    assert reply.usage and reply.usage.completion_tokens >= 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("many", [False, True])
def test_stop_ends_the_reply_before_the_stop_text(client: openai.OpenAI, many: bool, streamed: bool) -> None:
    plain = text_of(client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=16))
    # Two words are several tokens, so a stop text can begin in one chunk and end in another.
    stop = " ".join(plain.split()[2:4])
    wanted: Any = ["never said", stop] if many else stop
    if streamed:
        chunks = client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=16, stop=wanted, stream=True)
        choices = [chunk.choices[0] for chunk in chunks]
        text, reason = "".join(choice.delta.content or "" for choice in choices), choices[-1].finish_reason
    else:
        reply = client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=16, stop=wanted)
        text, reason = text_of(reply), reply.choices[0].finish_reason
    assert text == plain.partition(stop)[0]
    assert reason == "stop"


# Probabilities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_logprobs_are_those_of_the_tokens_said(client: openai.OpenAI, streamed: bool) -> None:
    asked: Any = {**GREEDY, "messages": ask(), "max_tokens": 6, "logprobs": True, "top_logprobs": 4}
    if streamed:
        choices = [chunk.choices[0] for chunk in client.chat.completions.create(**asked, stream=True)]
        text = "".join(choice.delta.content or "" for choice in choices)
        tokens = [token for choice in choices if choice.logprobs for token in choice.logprobs.content or []]
    else:
        choice = client.chat.completions.create(**asked).choices[0]
        assert choice.logprobs and choice.logprobs.content
        text, tokens = choice.message.content or "", choice.logprobs.content
    assert "".join(token.token for token in tokens) == text
    assert b"".join(bytes(token.bytes or []) for token in tokens).decode() == text
    for token in tokens:
        assert len(token.top_logprobs) == 4
        likelihoods = [each.logprob for each in token.top_logprobs]
        assert likelihoods == sorted(likelihoods, reverse=True)
        assert sum(math.exp(each) for each in likelihoods) <= 1.0001
        assert token.token == token.top_logprobs[0].token, "greedy takes the likeliest"
        assert token.logprob == pytest.approx(token.top_logprobs[0].logprob)


def test_logprobs_without_alternatives(client: openai.OpenAI) -> None:
    choice = client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=2, logprobs=True).choices[0]
    assert choice.logprobs and choice.logprobs.content
    assert all(token.top_logprobs == [] and token.logprob <= 0 for token in choice.logprobs.content)
    plain = client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=2).choices[0]
    assert plain.logprobs is None


# Several choices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3])
def test_n_gives_that_many_choices_and_their_tokens(client: openai.OpenAI, n: int) -> None:
    reply = client.chat.completions.create(
        model=MODEL, messages=ask("Tell me a story."), temperature=1.5, seed=3, n=n, max_tokens=8
    )
    assert [choice.index for choice in reply.choices] == list(range(n))
    assert len({choice.message.content for choice in reply.choices}) > 1, "the choices are not copies"
    one = client.chat.completions.create(model=MODEL, messages=ask("Tell me a story."), max_tokens=8)
    assert reply.usage and one.usage
    assert reply.usage.prompt_tokens == one.usage.prompt_tokens, "the prompt is counted once"
    assert n < reply.usage.completion_tokens <= 8 * n


def test_n_streams_each_choice_under_its_index(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            **GREEDY, messages=ask(), n=2, max_tokens=6, stream=True, stream_options={"include_usage": True}
        )
    )
    texts = {0: "", 1: ""}
    for choice in itertools.chain.from_iterable(chunk.choices for chunk in chunks):
        texts[choice.index] += choice.delta.content or ""
    # Not compared with a reply alone: what is computed beside a sequence changes its logits in their last bits.
    assert texts[0].startswith("Hello") and texts[1].startswith("Hello")
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == 12


# Streaming ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", [True, False, None])
def test_usage_is_streamed_to_those_who_ask(client: openai.OpenAI, usage: bool | None) -> None:
    options: Any = {} if usage is None else {"stream_options": {"include_usage": usage}}
    chunks = list(client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=3, stream=True, **options))
    assert bool(chunks[-1].usage) is bool(usage)


# Tools --------------------------------------------------------------------------------------------------


def test_tool_choice_none_shows_the_tools_and_forbids_them(client: openai.OpenAI) -> None:
    shown = client.chat.completions.create(
        **GREEDY, messages=ask("Weather in Oslo?"), tools=[WEATHER], tool_choice="none", max_tokens=12
    )
    assert not shown.choices[0].message.tool_calls
    bare = client.chat.completions.create(**GREEDY, messages=ask("Weather in Oslo?"), max_tokens=1)
    assert shown.usage and bare.usage and shown.usage.prompt_tokens > bare.usage.prompt_tokens + 30


@pytest.mark.parametrize("parallel", [True, False])
def test_tool_choice_auto_leaves_it_to_the_model(client: openai.OpenAI, parallel: bool) -> None:
    reply = client.chat.completions.create(
        **GREEDY,
        messages=ask("Weather in Oslo?"),
        tools=[WEATHER, CLOCK],
        tool_choice="auto",
        parallel_tool_calls=parallel,
        max_tokens=40,
    )
    calls = reply.choices[0].message.tool_calls or []
    assert parallel or len(calls) <= 1
    assert (reply.choices[0].finish_reason == "tool_calls") == bool(calls)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "get_weather"}}], ids=["required", "named"]
)
def test_a_forced_call_is_a_call(client: openai.OpenAI, choice: Any, streamed: bool) -> None:
    asked: Any = {**GREEDY, "messages": ask("Weather in Oslo?"), "tools": [WEATHER, CLOCK], "tool_choice": choice}
    asked["max_tokens"] = 64
    if streamed:
        with client.chat.completions.stream(**asked) as events:
            reply: Any = events.get_final_completion()
    else:
        reply = client.chat.completions.create(**asked)
    (call,) = reply.choices[0].message.tool_calls or []
    offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in (WEATHER, CLOCK)}
    jsonschema.validate(json.loads(call.function.arguments), offered[call.function.name])
    assert reply.choices[0].finish_reason == "tool_calls"
    assert choice == "required" or call.function.name == "get_weather"


def test_tools_of_an_unknown_type_are_left_out(client: openai.OpenAI) -> None:
    others: Any = [{"type": "web_search"}, {"type": "custom", "custom": {"name": "x"}}]
    beside = client.chat.completions.create(**GREEDY, messages=ask(), tools=[*others, CLOCK], max_tokens=2)
    alone = client.chat.completions.create(**GREEDY, messages=ask(), tools=[CLOCK], max_tokens=2)
    assert beside.usage and alone.usage and beside.usage.prompt_tokens == alone.usage.prompt_tokens


# Formats ------------------------------------------------------------------------------------------------


def test_text_is_the_default_format(client: openai.OpenAI) -> None:
    default = client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=6)
    said = client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=6, response_format={"type": "text"})
    assert text_of(said) == text_of(default)


@pytest.mark.parametrize("mode", [True, False, None, "true"], ids=str)
def test_a_json_schema_is_enforced_strict_or_not(client: openai.OpenAI, mode: Any) -> None:
    wanted: Any = {"name": "answer", "schema": ANSWER} | ({} if mode is None else {"strict": mode})
    reply = client.chat.completions.create(
        **GREEDY, messages=ask(), max_tokens=40, response_format={"type": "json_schema", "json_schema": wanted}
    )
    assert reply.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(text_of(reply)), ANSWER)


def test_json_object_is_an_object_or_cut(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        **GREEDY, messages=ask("Give me JSON."), max_tokens=60, response_format={"type": "json_object"}
    )
    if reply.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text_of(reply)), dict)
    else:
        assert reply.choices[0].finish_reason == "length" and text_of(reply).lstrip().startswith("{")


def test_the_clients_own_parse_helper_works(client: openai.OpenAI) -> None:
    from pydantic import BaseModel

    class Answer(BaseModel):
        ok: bool

    reply = client.chat.completions.parse(**GREEDY, messages=ask(), response_format=Answer, max_tokens=40)
    assert isinstance(reply.choices[0].message.parsed, Answer)


# Tolerated ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh"])
def test_reasoning_efforts_of_the_api_are_taken(client: openai.OpenAI, effort: Any) -> None:
    reply = client.chat.completions.create(**GREEDY, messages=ask(), reasoning_effort=effort, max_tokens=2)
    assert reply.usage and reply.usage.completion_tokens_details
    assert reply.usage.completion_tokens_details.reasoning_tokens == 0


def test_what_concerns_only_a_hosted_service_is_taken(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        **GREEDY,
        messages=ask(),
        max_tokens=2,
        user="u1",
        metadata={"a": "b"},
        store=False,
        service_tier="auto",
        prompt_cache_key="k",
        safety_identifier="s",
        modalities=["text"],
        extra_body={"some_future_parameter": {"deep": [1, 2]}},
    )
    plain = client.chat.completions.create(**GREEDY, messages=ask(), max_tokens=2)
    assert text_of(reply) == text_of(plain)


def test_nulls_mean_the_same_as_absent_members(real_server: RunningServer, client: openai.OpenAI) -> None:
    names = (
        "stream stream_options max_tokens max_completion_tokens top_p top_k min_p repeat_penalty presence_penalty "
        "frequency_penalty stop logit_bias tools tool_choice parallel_tool_calls response_format reasoning_effort n "
        "logprobs top_logprobs user metadata store"
    ).split()
    body = GREEDY | {"messages": ask()} | dict.fromkeys(names) | {"stop": ["."]}
    answer = httpx2.post(f"{real_server.url}/chat/completions", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    plain = client.chat.completions.create(**GREEDY, messages=ask(), stop=["."])
    assert answer.json()["choices"][0]["message"]["content"] == text_of(plain)


# Refused ------------------------------------------------------------------------------------------------

IMAGE = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a.png"}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"functions": [{"name": "f", "parameters": {}}]}, "functions"),
    ({"function_call": "auto"}, "function_call"),
    ({"n": 1000}, "n"),
    ({"n": 0}, "n"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"chat_template": "{{ messages }}"}, "chat_template"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages"),
    (
        {"messages": [{"role": "user", "content": [IMAGE | {"image_url": {"url": "file:///etc/passwd"}}]}]},
        "messages",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "messages"),
    ({"tool_choice": {"type": "function", "function": {"name": "absent"}}, "tools": [CLOCK]}, "tool_choice"),
    ({"reasoning_effort": "a lot"}, "reasoning_effort"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED, ids=[f"{param}-{at}" for at, (_, param) in enumerate(REFUSED)])
def test_what_cannot_have_its_effect_is_refused_by_name(
    client: openai.OpenAI, recorder: Recorder, body: Any, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body={"messages": ask(), **GREEDY, "max_tokens": 2, **body}, cast_to=object)
    assert (caught.value.param or "").startswith(param), caught.value
    assert param in str(caught.value)


# Exact replies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning_and_several_calls_keep_their_shape(
    script: Script, home: Any, recorder: Recorder, streamed: bool
) -> None:
    calls = [{"name": "clock", "arguments": {}}, {"name": "get_weather", "arguments": {"city": "Oslo", "unit": "C"}}]
    path = script.write({"reasoning": "let me see", "text": "One moment.", "calls": calls})
    with running_server(clean_environment(home), home / "log", "--script", str(path)) as server:
        over = httpx2.Client(transport=recorder, timeout=60)
        with openai.OpenAI(base_url=server.url, api_key="none", http_client=over, max_retries=0) as client:
            asked: Any = {"model": "scripted", "messages": ask(), "tools": [WEATHER, CLOCK]}
            if streamed:
                with client.chat.completions.stream(**asked) as events:
                    message: Any = events.get_final_completion().choices[0].message
            else:
                message = client.chat.completions.create(**asked).choices[0].message
    assert message.content == "One moment." and message.reasoning_content == "let me see"
    assert [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls] == [
        (call["name"], call["arguments"]) for call in calls
    ]
    assert len({call.id for call in message.tool_calls}) == 2
