"""What the Responses API refuses: always in OpenAI's shape, naming the member, and never a 5xx."""

from typing import Any

import httpx2
import pytest

from tests.conftest import MODEL
from tests.support.processes import RunningServer

FUNCTION: Any = {"type": "function", "name": "run", "parameters": {"type": "object"}}
UNENFORCEABLE: Any = {"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}}


def deep(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 3}, "input"),
        ({"input": ["text"]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"input": [{"type": ["message"]}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": 1}]}, "input[0].content"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].content[0].type",
        ),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "data:,"}]}]},
            "input[0].content[0]",
        ),
        ({"input": [{"role": "user", "content": "x", "id": 7}]}, "input[0].id"),
        ({"input": [{"type": "function_call", "name": "x", "arguments": "{}"}]}, "input[0]"),
        (
            {"input": [{"type": "function_call", "call_id": "c", "name": "x", "arguments": {}}]},
            "input[0].arguments",
        ),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": 1}]}, "input[0].output"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]}, "input[0].call_id"),
        ({"input": [{"type": "reasoning", "summary": "x"}]}, "input[0].summary"),
        ({"input": [{"type": "item_reference"}]}, "input[0]"),
        ({"instructions": ["x"]}, "instructions"),
        ({"previous_response_id": 5}, "previous_response_id"),
        ({"store": "yes"}, "store"),
        ({"stream": 1}, "stream"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 1e308}, "max_output_tokens"),
        ({"max_tool_calls": 0}, "max_tool_calls"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"metadata": {"a": "x" * 513}}, "metadata[...]"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"tools": [{"type": "web_search"}, {**FUNCTION, "parameters": []}]}, "tools[1].parameters"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "web_search"}, "tools": [{"type": "web_search"}]}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}, "tools": [FUNCTION]}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "other"}, "tools": [FUNCTION]}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "tools": []}, "tools": [FUNCTION]}, "tool_choice.tools"),
        ({"tool_choice": "required", "tools": [{**FUNCTION, "parameters": UNENFORCEABLE}]}, "tools[0].parameters"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format"),
        ({"text": {"format": {"type": "json_schema", "name": "x", "schema": UNENFORCEABLE}}}, "text.format.schema"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity"),
        ({"reasoning": {"effort": "enormous"}}, "reasoning.effort"),
        ({"reasoning": {"summary": "long"}}, "reasoning.summary"),
        ({"include": ["everything"]}, "include[0]"),
        ({"truncation": "auto"}, "truncation"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"ttl": 0}, "ttl"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_is_named(real_server: RunningServer, body: Any, param: str) -> None:
    answer = httpx2.post(f"{real_server.url}/responses", json={"model": MODEL, "input": "Hi.", **body}, timeout=30)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["param"] is not None and error["param"].startswith(param), error
    assert error["type"] == "invalid_request_error" and error["code"] and error["param"] in error["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("given", ["Hi.", ""])
def test_an_unknown_model_is_not_found(real_server: RunningServer, given: str, stream: bool) -> None:
    body = {"model": "no-such-model", "input": given, "stream": stream}
    answer = httpx2.post(f"{real_server.url}/responses", json=body, timeout=30)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("name", ["resp_no", "..%2f..%2fetc", "%00", "x" * 5000, "%ff", "' OR 1=1 --"])
def test_an_unknown_response_is_not_found(real_server: RunningServer, name: str) -> None:
    url = f"{real_server.url}/responses/{name}"
    for answer in (
        httpx2.get(url),
        httpx2.delete(url),
        httpx2.post(f"{url}/cancel"),
        httpx2.get(f"{url}/input_items"),
    ):
        assert answer.status_code == 404, answer.text
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize("query", ["stream=true", "starting_after=3"])
def test_a_stored_response_is_not_streamed_again(real_server: RunningServer, query: str) -> None:
    answer = httpx2.get(f"{real_server.url}/responses/resp_x?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == query.partition("=")[0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"input": "\\ud800"}',
        b"\xff\xfe{\x00}\x00",
        b'{"input": ' + b"[" * 200_000,
        b'{"temperature": 1e999, "input": "x"}',
        b'{"seed": ' + b"9" * 100_000 + b"}",
    ],
    ids=["empty", "list", "null", "surrogate", "utf-16", "nested", "infinite", "digits"],
)
def test_what_is_no_request_is_refused(real_server: RunningServer, body: bytes) -> None:
    answer = httpx2.post(f"{real_server.url}/responses", content=body, timeout=30)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_conversation_beyond_the_context_is_refused(real_server: RunningServer) -> None:
    for size in (10_000, 1_000_000):
        answer = httpx2.post(
            f"{real_server.url}/responses", json={"model": MODEL, "input": "word " * size}, timeout=30
        )
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("context_length_exceeded", "input")


def test_deep_parameters_of_a_tool_are_no_server_error(real_server: RunningServer) -> None:
    tool = {**FUNCTION, "parameters": deep(50)}
    body = {"model": MODEL, "input": "Hi.", "tools": [tool], "max_output_tokens": 1}
    answer = httpx2.post(f"{real_server.url}/responses", json=body, timeout=30)
    assert answer.status_code < 500, answer.text
