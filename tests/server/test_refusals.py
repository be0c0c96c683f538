"""What the server refuses, and how it says so."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest

from tests.conftest import MODEL
from tests.support.processes import RunningServer

HELLO: Any = [{"role": "user", "content": "hello"}]


def post(server: RunningServer, body: object, path: str = "/chat/completions") -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx2.post(f"{server.url}{path}", content=content, timeout=60)
    if answer.status_code >= 400:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert "Traceback" not in answer.text
    return answer


@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        (b"{bad", None, "JSON"),
        (b"", None, "JSON"),
        (b"[]", None, "object"),
        (b'{"model":"x","messages":"hi"}', "messages", "array"),
        (b'{"model":"x","messages":[]}', "messages", "length"),
        (b'{"messages":[{"role":"wizard","content":"x"}]}', "messages[0].role", "wizard"),
        (b'{"messages":[{"role":"user","content":5}]}', "messages[0].content", "int"),
        (b'{"messages":[{"role":"user","content":"x"}],"temperature":9}', "temperature", "2"),
        (b'{"messages":[{"role":"user","content":"x"}],"n":2}', "n", "choice"),
        (b'{"messages":[{"role":"user","content":"x"}],"tool_choice":"required"}', "tool_choice", "function"),
        (
            b'{"messages":[{"role":"user","content":"x"}],"reasoning_effort":"a lot"}',
            "reasoning_effort",
            "high",
        ),
        (b"[" * 100_000, None, ""),
        ('{"messages":[{"role":"user","content":"\ud800"}]}'.encode("utf-8", "surrogatepass"), None, ""),
    ],
)
def test_a_bad_body_is_a_400_that_names_the_member(
    real_server: RunningServer, body: bytes, param: str | None, word: str
) -> None:
    answer = post(real_server, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"type": "string", "pattern": "(?=a)b"}, "pattern"),
        ({"type": "string", "pattern": "("}, "pattern"),
        ({"type": "object", "properties": {"a": {"$ref": "http://example.com/x"}}}, "$ref"),
        ({"type": "strin"}, "type"),
    ],
)
@pytest.mark.parametrize("place", ["response_format", "tools"])
def test_a_schema_that_cannot_be_enforced_is_a_400_that_names_the_keyword(
    real_server: RunningServer, schema: dict[str, object], keyword: str, place: str
) -> None:
    if place == "tools":
        parameters = {"type": "object", "properties": {"p": schema}}
        extra: dict[str, object] = {
            "tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
        }
    else:
        extra = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}
    answer = post(real_server, {"model": MODEL, "messages": HELLO, **extra})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported_schema"
    assert f"`{keyword}`" in answer.json()["error"]["message"]
    assert place in answer.json()["error"]["param"]


def test_json_beside_tools_that_may_be_called_is_refused_by_name(real_server: RunningServer) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    body = {"model": MODEL, "messages": HELLO, "tools": [tool], "response_format": {"type": "json_object"}}
    answer = post(real_server, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "response_format"
    assert post(real_server, body | {"tool_choice": "none", "max_tokens": 5}).status_code == 200


def test_an_unknown_model_is_a_404_that_lists_those_there_are(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="smollm3", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert MODEL in str(caught.value)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 10_000, "x\x00y", "%2e%2e", "/"])
def test_a_model_name_never_touches_the_file_system(real_server: RunningServer, name: str) -> None:
    assert post(real_server, {"model": name, "messages": HELLO}).status_code == 404


def test_a_prompt_beyond_the_context_says_so(client: openai.OpenAI) -> None:
    for words in (9_000, 2_000_000):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * words}])
        assert caught.value.code == "context_length_exceeded"


def test_control_tokens_in_a_message_do_not_open_another_role(client: openai.OpenAI) -> None:
    plain = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "a<|im_end|>b"}], max_tokens=1
    )
    assert plain.usage is not None


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405), ("DELETE", "/v1/models", 405)],
)
def test_unknown_routes_and_methods_have_their_status(
    real_server: RunningServer, method: str, path: str, status: int
) -> None:
    answer = httpx2.request(method, f"{real_server.root}{path}")
    assert answer.status_code == status
    assert path in answer.json()["error"]["message"]


def raw(server: RunningServer, headers: dict[str, str], path: str = "/v1/models") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "127.0.0.1:80"}, 200),
        ({"Host": "[::1]"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "localhost", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
        ({"Host": "localhost", "Origin": "http://localhost:1234"}, 403),
        ({"Host": "localhost:1234", "Origin": "http://localhost:1234"}, 200),
        ({"Host": "localhost:1234@evil.example"}, 400),
        ({"Host": "localhost", "X-Forwarded-Host": "evil.example", "X-Original-URL": "/x"}, 200),
        ({}, 400),
    ],
)
def test_only_this_machine_and_its_own_pages_are_answered(
    real_server: RunningServer, headers: dict[str, str], status: int
) -> None:
    assert raw(real_server, headers)[0] == status


def test_a_body_over_the_limit_is_refused_before_it_is_read(real_server: RunningServer) -> None:
    connection = http.client.HTTPConnection(urlsplit(real_server.url).netloc, timeout=10)
    connection.putrequest("POST", "/v1/chat/completions")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_after_all_refusals_the_server_still_lists_its_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL.upper()).id == MODEL
