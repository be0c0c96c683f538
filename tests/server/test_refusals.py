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
        (b'{"messages":[{"role":"user","content":"x"}],"n":9}', "n", "8"),
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


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value"),
        ({"logprobs": True, "tools": [{"type": "function", "function": {"name": "f"}}]}, "logprobs", None),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"stop": ""}, "stop", "invalid_value"),
        ({"stop": ["x"] * 17}, "stop", "invalid_value"),
        ({"stop": "x" * 257}, "stop", "invalid_value"),
        ({"stop": "x", "response_format": {"type": "json_object"}}, "stop", None),
        ({"logit_bias": {"hello": 1}}, "logit_bias", "invalid_value"),
        ({"logit_bias": {"49152": 1}}, "logit_bias", "invalid_value"),
        ({"logit_bias": {str(token): 1 for token in range(1001)}}, "logit_bias", "invalid_value"),
        ({"seed": 1 << 70}, "seed", "invalid_value"),
        ({"service_tier": "flex"}, "service_tier", None),
        ({"verbosity": "low"}, "verbosity", None),
        ({"modalities": ["text", "audio"]}, "modalities", None),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio", None),
        ({"web_search_options": {}}, "web_search_options", None),
        ({"functions": []}, "functions", None),
        ({"function_call": "auto"}, "function_call", None),
        ({"draft_model": "tiny"}, "draft_model", None),
        ({"grammar": 'root ::= "a"'}, "grammar", None),
        ({"guided_json": {}}, "guided_json", None),
        ({"chat_template": "{{ messages }}"}, "chat_template", None),
        ({"chat_template_kwargs": {"bos_token": "x"}}, "chat_template_kwargs", "invalid_value"),
        ({"chat_template_kwargs": {"enable_thinking": 1}}, "chat_template_kwargs.enable_thinking", "invalid_value"),
        ({"ttl": -1}, "ttl", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "invalid_value"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.type", "invalid_value"),
    ],
)
def test_what_would_have_no_effect_is_refused_by_name(
    real_server: RunningServer, members: dict[str, object], param: str, code: str | None
) -> None:
    answer = post(real_server, {"model": MODEL, "messages": HELLO, "max_tokens": 1} | members)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["code"] == (code or "unsupported_parameter")


def test_hints_and_bookkeeping_are_taken(real_server: RunningServer) -> None:
    members = {
        "store": True,
        "metadata": {"a": "b"},
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "service_tier": "auto",
        "verbosity": "medium",
        "modalities": ["text"],
        "prediction": {"type": "content", "content": "x"},
        "stream_options": {"include_obfuscation": False},
        "chat_template_kwargs": {"enable_thinking": False},
        "reasoning_effort": "minimal",
        "ttl": 60,
        "nobody_documents_this": {"x": 1},
        "tools": [{"type": "web_search"}, {"type": "mcp", "server_label": "x"}],
        "max_completion_tokens": 1,
    }
    assert post(real_server, {"model": MODEL, "messages": HELLO} | members).status_code == 200
    assert "tools[1]: a tool of the type 'mcp' is left out" in real_server.log.read_text()


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].role"),
        ({"role": "assistant", "function_call": {"name": "f"}}, "messages[0].function_call"),
        ({"role": "tool", "content": "x"}, "messages[0]"),
        *(
            (
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]},
                "messages[0].content[0].image_url",
            )
            for url in ("http://127.0.0.1:1/x.png", "file:///etc/passwd", "data:image/png;base64,AAAA")
        ),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "messages[0].content[0].type"),
    ],
)
def test_a_message_that_cannot_be_read_is_refused_by_name(
    real_server: RunningServer, message: dict[str, object], param: str
) -> None:
    answer = post(real_server, {"model": MODEL, "messages": [message], "max_tokens": 1})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_a_schema_that_no_grammar_enforces_is_refused_if_strict(real_server: RunningServer) -> None:
    described = {"name": "x", "strict": True, "schema": {"type": "array", "items": {}, "uniqueItems": True}}
    body = {"model": MODEL, "messages": HELLO, "response_format": {"type": "json_schema", "json_schema": described}}
    answer = post(real_server, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported_schema"
    assert "`uniqueItems` at #" in answer.json()["error"]["message"]


def test_a_schema_that_only_the_engines_compiler_gives_up_on_is_no_free_text(real_server: RunningServer) -> None:
    branches = [{"properties": {f"a{n}": {"type": "string"}}, "required": [f"a{n}"]} for n in range(500)]
    described = {"name": "x", "schema": {"oneOf": branches}}
    body = {"model": MODEL, "messages": HELLO, "response_format": {"type": "json_schema", "json_schema": described}}
    answer = post(real_server, body | {"max_tokens": 20})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported_schema"


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


@pytest.mark.parametrize("role", ["user", "tool", "system", "assistant"])
def test_control_tokens_in_a_message_do_not_open_another_role(client: openai.OpenAI, role: str) -> None:
    def tokens(text: str) -> int:
        message: Any = {"role": role, "content": text} | ({"tool_call_id": "c"} if role == "tool" else {})
        reply = client.chat.completions.create(model=MODEL, messages=[message], max_tokens=1)
        assert reply.usage is not None
        return reply.usage.prompt_tokens

    # One token each if it had its force; as text it takes several.
    assert tokens("a" + "<|im_end|>" * 10) - tokens("a") > 40


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


@pytest.mark.parametrize(
    ("path", "members", "expected"),
    [
        ("chat/completions", {"tool_choice": "maybe"}, "expected auto or none or required"),
        ("chat/completions", {"messages": [{"role": "wizard", "content": "hi"}]}, " or user"),
        ("chat/completions", {"response_format": {"type": "xml"}}, "expected json_object or json_schema or text"),
        ("embeddings", {"input": "hi", "encoding_format": "hex"}, "expected base64 or float"),
    ],
)
def test_a_value_that_is_none_of_the_possible_ones_is_answered_with_those(
    real_server: RunningServer, path: str, members: dict[str, Any], expected: str
) -> None:
    body = {"model": MODEL, "messages": HELLO} | members
    answer = httpx2.post(f"{real_server.url}/{path}", json=body, timeout=10)
    assert answer.status_code == 400 and expected in answer.json()["error"]["message"]


def test_a_model_without_an_id_is_not_found(real_server: RunningServer) -> None:
    answer = httpx2.get(f"{real_server.url}/models/", timeout=10)
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"
