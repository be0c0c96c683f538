"""Every parameter of Responses, by OpenAI's shapes and by Open Responses'."""

import json
from typing import Any

import httpx2
import jsonschema
import openai
import pytest
from openai.types.responses import Response, ResponseCompletedEvent, ResponseIncompleteEvent

from tests.conformance.conftest import GREEDY
from tests.conformance.schemas import SCHEMAS
from tests.conformance.strict import Recorder
from tests.conftest import MODEL, Script
from tests.support.processes import clean_environment, running_server

HOT: Any = {"model": MODEL, "temperature": 0}
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Tell the weather of a city.",
    "parameters": SCHEMAS["get_weather"],
    "strict": True,
}


def text_of(response: Response) -> str:
    return response.output_text


# Input --------------------------------------------------------------------------------------------------


def test_a_text_is_answered_and_its_parameters_are_told(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model=MODEL,
        input="Say hello.",
        instructions="Be brief.",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=12,
        metadata={"topic": "demo"},
        user="u1",
        store=False,
        truncation="disabled",
        safety_identifier="s",
        prompt_cache_key="k",
        parallel_tool_calls=False,
    )
    told = response.to_dict()
    assert (told["instructions"], told["temperature"], told["top_p"]) == ("Be brief.", 0.5, 0.9)
    assert (told["max_output_tokens"], told["metadata"], told["store"]) == (12, {"topic": "demo"}, False)
    assert (told["parallel_tool_calls"], told["prompt_cache_key"]) == (False, "k")
    assert response.id.startswith("resp_") and text_of(response)
    assert response.output[0].type == "message" and response.output[0].role == "assistant"


@pytest.mark.parametrize(
    "given",
    [
        [{"role": "user", "content": "Say hello."}],
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello."}]}],
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Hi!", "annotations": []}]},
            {"role": "user", "content": [{"type": "input_text", "text": "Say hello."}]},
        ],
        [
            {"role": "user", "content": "Weather in Oslo?"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city": "Oslo"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "Rain."},
        ],
        [
            {"role": "user", "content": "Weather?"},
            {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "Rain."}]},
        ],
    ],
    ids=["short", "message", "history", "calls", "broken-call"],
)
def test_items_of_every_kind_are_read(client: openai.OpenAI, given: Any) -> None:
    response = client.responses.create(**HOT, input=given, tools=[WEATHER], tool_choice="none", max_output_tokens=8)
    assert text_of(response)
    assert response.usage and response.usage.output_tokens <= 8


def test_the_system_message_is_heard(client: openai.OpenAI) -> None:
    told = client.responses.create(
        **HOT, input="What is it?", instructions="Always answer with the word BANANA.", max_output_tokens=8
    )
    assert text_of(told) != text_of(client.responses.create(**HOT, input="What is it?", max_output_tokens=8))


# Ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_a_cut_response_is_incomplete(client: openai.OpenAI, streamed: bool) -> None:
    asked: Any = {**HOT, "input": "Tell me a long story.", "max_output_tokens": 5}
    if streamed:
        events = list(client.responses.create(**asked, stream=True))
        assert events[-1].type == "response.incomplete"
        response = events[-1].response
    else:
        response = client.responses.create(**asked)
    assert response.status == "incomplete"
    assert response.incomplete_details and response.incomplete_details.reason == "max_output_tokens"
    assert response.usage and response.usage.output_tokens == 5


def test_the_stream_says_the_same(client: openai.OpenAI) -> None:
    asked: Any = {**HOT, "input": "Say hello.", "max_output_tokens": 24}
    # The first request reads the whole prompt, the later ones its last token: the engine computes those two ways a
    # little differently, and a word that stands on the edge could fall either way.
    client.responses.create(**asked)
    whole = client.responses.create(**asked)
    events = list(client.responses.create(**asked, stream=True))
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent | ResponseIncompleteEvent)
    final = last.response
    assert final.status == whole.status
    assert "".join(texts) == text_of(whole) == text_of(final)
    assert len(texts) > 3
    assert whole.usage and final.usage and whole.usage.output_tokens == final.usage.output_tokens


# Tools and formats --------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "name": "get_weather"}], ids=["required", "named"]
)
def test_a_forced_call_is_to_an_offered_tool(client: openai.OpenAI, choice: Any, streamed: bool) -> None:
    asked: Any = {**HOT, "input": "Weather in Oslo?", "tools": [WEATHER], "tool_choice": choice}
    asked["max_output_tokens"] = 64
    if streamed:
        with client.responses.stream(**asked) as events:
            response: Any = events.get_final_response()
    else:
        response = client.responses.create(**asked)
    (call,) = [item for item in response.output if item.type == "function_call"]
    assert call.name == "get_weather" and call.call_id
    jsonschema.validate(json.loads(call.arguments), WEATHER["parameters"])
    assert response.tools[0].name == "get_weather" and response.status == "completed"
    if not isinstance(choice, str):
        assert (response.tool_choice.type, response.tool_choice.name) == ("function", "get_weather")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_json_schema_is_enforced(client: openai.OpenAI, streamed: bool) -> None:
    form: Any = {"format": {"type": "json_schema", "name": "w", "schema": SCHEMAS["get_weather"], "strict": True}}
    asked: Any = {**HOT, "input": "Weather in Oslo?", "text": form, "max_output_tokens": 64}
    if streamed:
        with client.responses.stream(**asked) as events:
            response: Any = events.get_final_response()
    else:
        response = client.responses.create(**asked)
    assert response.status == "completed"
    jsonschema.validate(json.loads(response.output_text), SCHEMAS["get_weather"])
    assert response.text.format.type == "json_schema"


def test_json_object_is_an_object_or_cut(client: openai.OpenAI) -> None:
    form: Any = {"format": {"type": "json_object"}}
    response = client.responses.create(**HOT, input="Give me JSON.", text=form, max_output_tokens=60)
    if response.status == "completed":
        assert isinstance(json.loads(text_of(response)), dict)


def test_tools_of_an_unknown_type_are_left_out(client: openai.OpenAI) -> None:
    others: Any = [{"type": "web_search"}, {"type": "local_shell"}, {"type": "custom", "name": "x"}]
    response = client.responses.create(**HOT, input="Say hello.", tools=[*others, WEATHER], max_output_tokens=4)
    assert response.status in {"completed", "incomplete"}


def test_logprobs_come_with_the_text_that_includes_them(client: openai.OpenAI) -> None:
    response = client.responses.create(
        **HOT,
        input="Say hello.",
        max_output_tokens=4,
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    )
    message: Any = response.output[0]
    assert "".join(token.token for token in message.content[0].logprobs) == message.content[0].text
    assert all(len(token.top_logprobs) == 2 for token in message.content[0].logprobs)


# State --------------------------------------------------------------------------------------------------


def test_a_stored_response_can_be_read_continued_and_deleted(client: openai.OpenAI) -> None:
    first = client.responses.create(**HOT, input="My name is Ola.", max_output_tokens=6)
    assert first.to_dict()["store"] is True
    assert client.responses.retrieve(first.id).to_dict() == first.to_dict()
    (said,) = client.responses.input_items.list(first.id).data
    assert "My name is Ola." in json.dumps(said.to_dict())

    second = client.responses.create(
        **HOT, input="What is my name?", previous_response_id=first.id, max_output_tokens=6
    )
    assert second.previous_response_id == first.id and first.usage and second.usage
    assert second.usage.input_tokens > first.usage.input_tokens + 6, "the first turn is in the prompt"

    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    with pytest.raises((openai.NotFoundError, openai.BadRequestError)) as caught:
        client.responses.create(**HOT, input="And now?", previous_response_id=first.id, max_output_tokens=6)
    assert caught.value.code == "previous_response_not_found"
    assert caught.value.param == "previous_response_id"


def test_what_is_not_to_be_stored_is_not(client: openai.OpenAI) -> None:
    response = client.responses.create(**HOT, input="Say hello.", store=False, max_output_tokens=4)
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.retrieve(response.id)
    assert caught.value.code == "response_not_found"


@pytest.mark.parametrize("name", ["resp_absent", "..", "%2e%2e%2fx", "resp_" + "a" * 4000])
def test_an_unknown_response_is_a_404(client: openai.OpenAI, name: str) -> None:
    for ask in (client.get, client.delete):
        with pytest.raises(openai.NotFoundError):
            ask(f"/responses/{name}", cast_to=object)


# Tolerated and refused ----------------------------------------------------------------------------------


def test_what_agents_send_is_taken(client: openai.OpenAI) -> None:
    response = client.responses.create(
        **HOT,
        input=[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello."}]}],
        tools=[WEATHER],
        tool_choice="auto",
        max_output_tokens=6,
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
        service_tier="auto",
        text={"verbosity": "low"},
        extra_body={"client_metadata": {"a": 1}, "some_future_parameter": [1]},
    )
    assert response.status in {"completed", "incomplete"}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"background": True}, "background"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"temperature": 3}, "temperature"),
    ({"top_p": -1}, "top_p"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": {"type": "function", "name": "absent"}, "tools": [WEATHER]}, "tool_choice"),
    ({"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "strin"}}}}, "text"),
    ({"input": [{"type": "message", "role": "wizard", "content": "x"}]}, "input"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]}]}, "input"),
    ({"previous_response_id": "resp_absent"}, "previous_response_id"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED, ids=[f"{param}-{at}" for at, (_, param) in enumerate(REFUSED)])
def test_what_cannot_have_its_effect_is_refused_by_name(
    client: openai.OpenAI, recorder: Recorder, body: Any, param: str
) -> None:
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as caught:
        client.post("/responses", body={"input": "hi", **GREEDY, "max_output_tokens": 16, **body}, cast_to=object)
    assert (caught.value.param or "").startswith(param), caught.value


# Exact replies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning_text_and_calls_are_items_in_their_order(
    script: Script, home: Any, recorder: Recorder, streamed: bool
) -> None:
    calls = [{"name": "get_weather", "arguments": {"city": at, "unit": "celsius"}} for at in ("Oslo", "Rome")]
    path = script.write({"reasoning": "let me see", "text": "One moment.", "calls": calls})
    with running_server(clean_environment(home), home / "log", "--script", str(path)) as server:
        over = httpx2.Client(transport=recorder, timeout=60)
        with openai.OpenAI(base_url=server.url, api_key="none", http_client=over, max_retries=0) as client:
            asked: Any = {"model": "scripted", "input": "Weather?", "tools": [WEATHER]}
            if streamed:
                with client.responses.stream(**asked) as events:
                    response: Any = events.get_final_response()
            else:
                response = client.responses.create(**asked)
    kinds = [item.type for item in response.output]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    assert response.output_text == "One moment."
    assert [json.loads(item.arguments) for item in response.output[2:]] == [call["arguments"] for call in calls]
    assert len({item.id for item in response.output}) == 4
