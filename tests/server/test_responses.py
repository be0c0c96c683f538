"""The Responses API with the real default model, through the official client."""

import base64
import json
from typing import Any

import httpx2
import jsonschema
import openai
import pytest

from tests.conftest import MODEL
from tests.support.openresponses import check_items, check_response, check_stream
from tests.support.processes import RunningServer

RUN: Any = {
    "type": "function",
    "name": "run",
    "description": "Run a command.",
    "parameters": {"type": "object", "properties": {"command": {"enum": ["ls", "pwd"]}}, "required": ["command"]},
}
POINT: Any = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "name": {"enum": ["a", "b"]}},
    "required": ["x", "name"],
    "additionalProperties": False,
}
OTHER_TOOLS: Any = [{"type": "web_search"}, {"type": "local_shell"}, {"type": "custom", "name": "patch"}]


def post(server: RunningServer, **body: Any) -> httpx2.Response:
    return httpx2.post(f"{server.url}/responses", json={"model": MODEL, "temperature": 0, **body}, timeout=60)


def test_whole_and_streamed_answers_are_valid_and_say_the_same(real_server: RunningServer) -> None:
    asked = {"input": "Say hello.", "max_output_tokens": 12, "tools": [RUN, *OTHER_TOOLS], "metadata": {"a": "b"}}
    whole = check_response(post(real_server, **asked).content)
    events = check_stream(post(real_server, **asked, stream=True).text)

    streamed = events[-1]["response"]
    text = whole["output"][0]["content"][0]["text"]
    assert text and streamed["output"][0]["content"][0]["text"] == text
    assert len([event for event in events if event["type"] == "response.output_text.delta"]) > 1
    assert streamed["usage"]["output_tokens"] == whole["usage"]["output_tokens"] <= 12
    usage = whole["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert whole["metadata"] == {"a": "b"} and [tool["name"] for tool in whole["tools"]] == ["run"]
    again = httpx2.get(f"{real_server.url}/responses/{streamed['id']}")
    assert check_response(again.content) == streamed


def test_probabilities_come_with_the_text_where_they_are_asked_for(real_server: RunningServer) -> None:
    asked = {"input": "Say hello.", "max_output_tokens": 6, "top_logprobs": 2}
    asked |= {"include": ["message.output_text.logprobs"]}
    whole = check_response(post(real_server, **asked).content)
    events = check_stream(post(real_server, **asked, stream=True).text)

    part = whole["output"][0]["content"][0]
    assert "".join(token["token"] for token in part["logprobs"]) == part["text"]
    assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) == 2 for token in part["logprobs"])
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert [token for event in deltas for token in event["logprobs"]] == part["logprobs"]
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == part["logprobs"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_no_grammar_enforces_is_named_in_a_header(real_server: RunningServer, stream: bool) -> None:
    shape = {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "maxItems": 1}
    text = {"format": {"type": "json_schema", "name": "numbers", "schema": shape}}
    answer = post(real_server, input="Give a number.", text=text, max_output_tokens=16, stream=stream)
    assert answer.status_code == 200
    assert answer.headers["x-schema-checked-after"] == "uniqueItems at #"


def test_many_references_to_one_item_are_resolved_in_time(real_server: RunningServer) -> None:
    said = {"type": "message", "id": "msg_one", "role": "user", "content": "x"}
    references = [{"type": "item_reference", "id": "msg_one"}] * 30_000
    answer = post(real_server, input=[said, *references, {"type": "item_reference", "id": "msg_none"}])
    assert answer.status_code == 404 and answer.elapsed.total_seconds() < 10


def test_the_limit_of_tokens_makes_a_response_incomplete(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="Tell a long story.", max_output_tokens=3)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None and response.incomplete_details.reason == "max_output_tokens"
    assert response.output[0].type == "message" and response.output[0].status == "incomplete"


def test_a_second_turn_by_id_reads_only_what_is_new(client: openai.OpenAI) -> None:
    story = "Remember this list: " + ", ".join(f"thing number {number}" for number in range(40))
    first = client.responses.create(
        model=MODEL, instructions="Be brief.", input=story, temperature=0, max_output_tokens=6
    )
    assert first.usage is not None
    second = client.responses.create(
        model=MODEL,
        instructions="Be brief.",
        input="And now?",
        previous_response_id=first.id,
        temperature=0,
        max_output_tokens=6,
    )
    assert second.usage is not None and second.previous_response_id == first.id
    # All but the last token of the first turn, whose successor differs, is still in the cache.
    assert second.usage.input_tokens_details.cached_tokens >= first.usage.total_tokens - 2
    assert second.usage.input_tokens > first.usage.total_tokens


def test_going_on_by_id_is_the_same_as_sending_the_whole_conversation(client: openai.OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="Say hello.", temperature=0, max_output_tokens=6)
    by_id = client.responses.create(
        model=MODEL, input="Again!", previous_response_id=first.id, temperature=0, max_output_tokens=8
    )
    sent: Any = [
        {"role": "user", "content": "Say hello."},
        *[item.model_dump() for item in first.output],
        {"role": "user", "content": [{"type": "input_text", "text": "Again!"}]},
    ]
    whole = client.responses.create(model=MODEL, input=sent, temperature=0, max_output_tokens=8, store=False)
    assert by_id.output_text == whole.output_text
    assert by_id.usage is not None and whole.usage is not None
    assert by_id.usage.input_tokens == whole.usage.input_tokens


def test_instructions_are_not_carried_over(client: openai.OpenAI) -> None:
    long = "Always answer in verse. " * 20
    first = client.responses.create(model=MODEL, input="Hi.", instructions=long, temperature=0, max_output_tokens=2)
    second = client.responses.create(
        model=MODEL, input="Hi.", previous_response_id=first.id, temperature=0, max_output_tokens=2
    )
    assert first.usage is not None and second.usage is not None
    assert second.usage.input_tokens < first.usage.input_tokens


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "name": "run"},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "run"}]},
    ],
    ids=["required", "named", "allowed"],
)
def test_a_forced_call_has_valid_arguments(real_server: RunningServer, choice: Any, stream: bool) -> None:
    answer = post(real_server, input="List the files.", tools=[RUN], tool_choice=choice, stream=stream)
    response = check_stream(answer.text)[-1]["response"] if stream else check_response(answer.content)
    assert response["status"] == "completed" and response["tool_choice"] == choice
    (call,) = response["output"]
    assert call["type"] == "function_call" and call["name"] == "run" and call["call_id"]
    jsonschema.validate(json.loads(call["arguments"]), RUN["parameters"])


def test_the_result_of_a_call_goes_on_from_it(client: openai.OpenAI) -> None:
    asked = client.responses.create(
        model=MODEL, input="Where am I?", tools=[RUN], tool_choice="required", temperature=0
    )
    (call,) = asked.output
    assert call.type == "function_call"
    answer = client.responses.create(
        model=MODEL,
        previous_response_id=asked.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "You are in /green/meadow."}],
        tools=[RUN],
        tool_choice="none",
        temperature=0,
        max_output_tokens=30,
    )
    assert "meadow" in answer.output_text.lower()


def test_text_format_is_kept_to(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model=MODEL,
        input="Give me a point.",
        text={"format": {"type": "json_schema", "name": "point", "schema": POINT, "strict": True}},
        temperature=0,
    )
    assert response.status == "completed"
    jsonschema.validate(json.loads(response.output_text), POINT)
    assert response.text is not None and response.text.format is not None
    assert response.text.format.type == "json_schema" and response.text.format.schema_ == POINT


@pytest.mark.parametrize("given", ["", [], None])
@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_input_only_loads_the_model(real_server: RunningServer, given: Any, stream: bool) -> None:
    answer = post(real_server, input=given, max_output_tokens=1, stream=stream)
    response = check_stream(answer.text)[-1]["response"] if stream else check_response(answer.content)
    assert response["status"] == "completed" and response["model"] == MODEL
    assert response["output"] == [] and response["usage"]["total_tokens"] == 0
    models = httpx2.get(f"{real_server.url}/models").json()["data"]
    assert [model["state"] for model in models if model["id"] == MODEL] == ["loaded"]


def test_what_is_deleted_is_gone(client: openai.OpenAI, real_server: RunningServer) -> None:
    response = client.responses.create(model=MODEL, input="Hi.", max_output_tokens=1)
    gone = httpx2.delete(f"{real_server.url}/responses/{response.id}")
    assert gone.json() == {"id": response.id, "object": "response", "deleted": True}
    for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError) as caught:
            call(response.id)
        assert caught.value.code == "response_not_found"
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model=MODEL, input="And?", previous_response_id=response.id)
    assert caught.value.code == "previous_response_not_found" and caught.value.param == "previous_response_id"
    assert response.id in caught.value.message


def test_what_is_not_stored_is_not_found(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="Hi.", max_output_tokens=1, store=False)
    assert response.to_dict()["store"] is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model=MODEL, input="And?", previous_response_id=response.id)


def test_a_conversation_whose_middle_was_deleted_names_what_is_missing(client: openai.OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="Hi.", max_output_tokens=1)
    second = client.responses.create(model=MODEL, input="Ho.", max_output_tokens=1, previous_response_id=first.id)
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model=MODEL, input="And?", previous_response_id=second.id)
    assert first.id in caught.value.message


def test_input_items_are_listed_in_pages(client: openai.OpenAI, real_server: RunningServer) -> None:
    said: Any = [{"role": "user", "content": f"Number {number}."} for number in range(5)]
    said.append({"role": "assistant", "content": [{"type": "output_text", "text": "Yes?"}]})
    said.append({"type": "reasoning", "id": "rs_mine", "summary": [{"type": "summary_text", "text": "Hm."}]})
    said.append({"type": "function_call", "call_id": "c1", "name": "run", "arguments": "{}"})
    said.append({"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "x"}]})
    response = client.responses.create(model=MODEL, input=said, max_output_tokens=1)

    pages = client.responses.input_items.list(response.id, order="asc", limit=2)
    kinds = [item.type for item in pages]
    assert kinds == ["message"] * 6 + ["reasoning", "function_call", "function_call_output"]

    url = f"{real_server.url}/responses/{response.id}/input_items"
    page = check_items(httpx2.get(url, params={"limit": 3}).content)
    assert page["has_more"] and page["first_id"] == page["data"][0]["id"] and page["last_id"] == page["data"][2]["id"]
    assert page["data"][2]["id"] == "rs_mine"
    rest = check_items(httpx2.get(url, params={"limit": 100, "after": page["last_id"]}).content)
    assert len(rest["data"]) == 6 and not rest["has_more"]
    for query, param in [({"limit": "0"}, "limit"), ({"order": "up"}, "order"), ({"after": "no"}, "after")]:
        error = httpx2.get(url, params=query)
        assert error.status_code == 400 and error.json()["error"]["param"] == param


def test_items_are_referred_to_by_their_ids(client: openai.OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="Say hello.", temperature=0, max_output_tokens=6)
    sent: Any = [
        {"role": "user", "content": "Say hello."},
        {"type": "item_reference", "id": first.output[0].id},
        {"role": "user", "content": "Again!"},
    ]
    referred = client.responses.create(model=MODEL, input=sent, temperature=0, max_output_tokens=6)
    by_id = client.responses.create(
        model=MODEL, input="Again!", previous_response_id=first.id, temperature=0, max_output_tokens=6
    )
    assert referred.output_text == by_id.output_text
    unknown: Any = [{"type": "item_reference", "id": "msg_no"}]
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model=MODEL, input=unknown)
    assert caught.value.param == "input[0].id"


def test_what_known_clients_send_besides_is_taken(real_server: RunningServer) -> None:
    answer = post(
        real_server,
        input=[
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"type": "message", "id": None, "role": "user", "content": [{"type": "input_text", "text": "Hi."}]},
        ],
        include=["reasoning.encrypted_content"],
        prompt_cache_key="key",
        client_metadata={"x": "y"},
        stream_options={"include_obfuscation": False},
        text={"verbosity": "low"},
        tools=OTHER_TOOLS,
        tool_choice="auto",
        parallel_tool_calls=False,
        service_tier="auto",
        user="somebody",
        truncation="disabled",
        background=False,
        store=False,
        ttl=600,
        max_output_tokens=2,
    )
    body = check_response(answer.content)
    assert (body["prompt_cache_key"], body["user"], body["store"]) == ("key", "somebody", False)
    assert body["tools"] == [] and body["parallel_tool_calls"] is False


def test_an_image_for_a_model_that_does_not_see_is_refused(real_server: RunningServer) -> None:
    url = "data:image/png;base64," + base64.b64encode(b"x").decode()
    answer = post(real_server, input=[{"role": "user", "content": [{"type": "input_image", "image_url": url}]}])
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]
