"""Checks every exchange with the server against the published shapes, which the official client carries as types.

The client's own types are lenient: they take unknown members, and a required member that may be null becomes an
optional one. So a value is validated strictly, its unknown members are compared with the extensions that we document,
and the members that the API reference requires are looked for by name.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import httpx2
from openai.types import Completion, CompletionChoice, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

EXTENSIONS: Mapping[str, frozenset[str]] = {
    "ChatCompletionMessage": frozenset({"reasoning_content"}),
    "ChoiceDelta": frozenset({"reasoning_content"}),
    "ChatCompletionChunk": frozenset({"prompt_progress"}),
    "Model": frozenset(
        "type publisher arch quantization parameters state max_context_length loaded_context_length "
        "capabilities adapter parallel size_bytes format".split()
    ),
    # The API reference has it, the client's type does not.
    "ResponseFunctionCallArgumentsDoneEvent": frozenset({"name"}),
    # Members of Open Responses that the official client does not know yet.
    "Response": frozenset({"presence_penalty", "frequency_penalty", "store", "service_tier", "next_response_ids"}),
}
"""Members beyond OpenAI's shapes, by the type that holds them."""

REQUIRED: Mapping[str, frozenset[str]] = {
    "ChatCompletion": frozenset({"usage", "system_fingerprint"}),
    "ChatCompletionMessage": frozenset({"content", "refusal"}),
    "CompletionUsage": frozenset({"prompt_tokens_details", "completion_tokens_details"}),
    "ChatCompletionTokenLogprob": frozenset({"bytes"}),
    "TopLogprob": frozenset({"bytes"}),
    "ChoiceLogprobs": frozenset({"content", "refusal"}),
    "Completion": frozenset({"system_fingerprint"}),
    "CompletionChoice": frozenset({"logprobs"}),
    "StreamedCompletionChoice": frozenset({"logprobs", "finish_reason"}),
    "ResponseFunctionToolCall": frozenset({"id", "status"}),
    "ResponseReasoningItem": frozenset({"summary"}),
    "ResponseOutputText": frozenset({"annotations", "logprobs"}),
    "Response": frozenset(
        "id object created_at completed_at status incomplete_details model previous_response_id instructions output "
        "error tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty "
        "top_logprobs temperature reasoning usage max_output_tokens max_tool_calls store background service_tier "
        "metadata safety_identifier prompt_cache_key".split()
    ),
}
"""Members that must be there although they may be null: the API reference's, and for `Response` Open Responses'."""

NUMBERS = frozenset("top_p presence_penalty frequency_penalty temperature".split())
"""Members of a response that Open Responses allows no null for, unlike OpenAI."""


class StreamedCompletionChoice(CompletionChoice):
    """A choice of a text completion's stream, in which the finish reason is null until the end."""

    finish_reason: Literal["stop", "length", "content_filter"] | None = None  # type: ignore[assignment]


class StreamedCompletion(Completion):
    choices: list[StreamedCompletionChoice]  # type: ignore[assignment]


class ErrorObject(BaseModel, extra="forbid"):
    """The error body of the API reference: all four members, always."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel, extra="forbid"):
    error: ErrorObject


class ModelPage(BaseModel, extra="forbid"):
    object: Literal["list"]
    data: list[Model]


class Deleted(BaseModel, extra="forbid"):
    id: str
    object: str
    deleted: Literal[True]


class ItemPage(BaseModel, extra="forbid"):
    object: Literal["list"]
    data: list[Any]
    first_id: str | None
    last_id: str | None
    has_more: bool


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def strict(kind: Any, text: str | bytes) -> Any:
    """Validate JSON text as `kind` without any leniency; raise `AssertionError` or a validation error."""
    value = _adapter(kind).validate_json(text, strict=True)
    faults = list(_faults(value, ""))
    assert not faults, f"{faults} in {text[:2000]!r}"
    return value


def _faults(value: object, path: str) -> Iterator[str]:
    match value:
        case BaseModel():
            name = type(value).__name__
            unknown = set(value.model_extra or {}) - EXTENSIONS.get(name, frozenset())
            present = value.model_fields_set | set(value.model_extra or {})
            yield from (f"{path}.{member} is unknown to {name}" for member in sorted(unknown))
            missing = REQUIRED.get(name, frozenset()) - present
            yield from (f"{path}.{member} is missing of {name}" for member in sorted(missing))
            for member in value.model_fields_set:
                yield from _faults(getattr(value, member, None), f"{path}.{member}")
        case list():
            for index, each in enumerate(value):
                yield from _faults(each, f"{path}[{index}]")
        case dict():
            for key, each in value.items():
                yield from _faults(each, f"{path}.{key}")
        case _:
            pass


# What was said on the wire ------------------------------------------------------------------------------


@dataclass
class Exchange:
    """One request with what came back."""

    method: str
    path: str
    asked: Any
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    has_ended: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether all of it was read: the official client leaves a stream at its end mark, others before that."""
        return self.has_ended or self.body.endswith(b"data: [DONE]\n\n")

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")


@dataclass
class Recorder(httpx2.BaseTransport):
    """A transport that keeps every exchange, so that a test's every answer can be checked at its end."""

    inner: httpx2.BaseTransport = field(default_factory=httpx2.HTTPTransport)
    exchanges: list[Exchange] = field(default_factory=list)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self.inner.handle_request(request)
        content = request.read()
        exchange = Exchange(
            request.method,
            request.url.path,
            json.loads(content) if content else None,
            response.status_code,
            dict(response.headers),
        )
        self.exchanges.append(exchange)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Tee(response.stream, exchange),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self.inner.close()

    def check(self) -> None:
        """Check all exchanges so far."""
        for exchange in self.exchanges:
            check(exchange)


@dataclass
class _Tee(httpx2.SyncByteStream):
    stream: httpx2.SyncByteStream
    exchange: Exchange

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.stream:
            self.exchange.body += chunk
            yield chunk
        self.exchange.has_ended = True

    def close(self) -> None:
        self.stream.close()


def check(exchange: Exchange) -> None:
    """Check one exchange; its path tells which shape it has to have."""
    where = f"{exchange.method} {exchange.path}"
    if exchange.status >= 400:
        error_of(exchange)
        return
    path = exchange.path.removeprefix("/v1/").split("/")
    match [exchange.method, *path]:
        case ["POST", "chat", "completions"] if exchange.is_stream:
            check_chat_stream(exchange)
        case ["POST", "chat", "completions"]:
            _json(ChatCompletion, exchange)
        case ["POST", "completions"] if exchange.is_stream:
            check_completion_stream(exchange)
        case ["POST", "completions"]:
            _json(Completion, exchange)
        case ["POST", "responses"] if exchange.is_stream:
            check_response_stream(exchange)
        case ["POST", "responses"] | ["GET", "responses", _] | ["POST", "responses", _, "cancel"]:
            check_response(_json(Response, exchange))
        case ["DELETE", "responses", _]:
            _json(Deleted, exchange)
        case ["GET", "responses", _, "input_items"]:
            _json(ItemPage, exchange)
        case ["POST", "embeddings"]:
            check_embeddings(exchange)
        case ["GET", "models"]:
            _json(ModelPage, exchange)
        case ["GET", "models", *_]:
            _json(Model, exchange)
        case _:
            raise AssertionError(f"no shape is known for {where}")


def _json(kind: Any, exchange: Exchange) -> Any:
    assert exchange.status == 200
    assert exchange.headers["content-type"].startswith("application/json")
    assert exchange.is_whole
    return strict(kind, exchange.body)


def error_of(exchange: Exchange) -> ErrorObject:
    """Give the error of an exchange, checked."""
    assert exchange.headers["content-type"].startswith("application/json"), exchange.headers
    error = strict(ErrorBody, exchange.body).error
    assert error.message and error.type
    assert b"Traceback" not in exchange.body and b'File "' not in exchange.body
    return error


def events(exchange: Exchange) -> list[tuple[str, str]]:
    """Split a stream into its events: name and data. Comments are left out; anything else is a fault."""
    found: list[tuple[str, str]] = []
    blocks = exchange.body.decode().split("\n\n")
    if exchange.is_whole:
        assert blocks[-1] == "", "the last event is not closed by an empty line"
    for block in blocks[:-1]:
        name, data = "", []
        for line in block.split("\n"):
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data.append(line.removeprefix("data: "))
            else:
                assert line.startswith(":"), f"not a line of an event stream: {line!r}"
        if data:
            found.append((name, "\n".join(data)))
    return found


# Chat Completions and Completions -----------------------------------------------------------------------


def check_chat_stream(exchange: Exchange) -> list[ChatCompletionChunk]:
    """Check a stream of chunks: shapes, identity, roles, finish reasons, tool calls and usage."""
    sent = events(exchange)
    if exchange.is_whole:
        assert sent[-1][1] == "[DONE]", sent[-1]
        sent = sent[:-1]
    assert not any(name for name, _ in sent), "Chat Completions has no event names"
    chunks = [strict(ChatCompletionChunk, data) for _, data in sent]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    _check_usage(exchange, chunks, [json.loads(data) for _, data in sent])
    indices = {choice.index for chunk in chunks for choice in chunk.choices}
    if exchange.is_whole:
        assert indices == set(range(exchange.asked.get("n") or 1))
    for index in indices:
        _check_choice([choice for chunk in chunks for choice in chunk.choices if choice.index == index], exchange)
    for _, data in sent:
        for choice in json.loads(data)["choices"]:
            assert {"index", "delta", "finish_reason"} <= choice.keys()
    return chunks


def _check_usage(exchange: Exchange, chunks: list[Any], raw: list[dict[str, Any]]) -> None:
    wanted = (exchange.asked.get("stream_options") or {}).get("include_usage")
    if not wanted:
        assert not any(chunk.usage for chunk in chunks)
        return
    assert all("usage" in each for each in raw), "every chunk has usage, null before the last"
    with_usage = [chunk for chunk in chunks if chunk.usage]
    if exchange.is_whole:
        assert with_usage == [chunks[-1]] and chunks[-1].choices == []


def _check_choice(choices: list[Any], exchange: Exchange) -> None:
    assert choices[0].delta.role == "assistant"
    assert not any(choice.delta.role for choice in choices[1:]), "the role comes once"
    reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
    if exchange.is_whole:
        assert len(reasons) == 1 and choices[-1].finish_reason == reasons[0], "one finish reason, and it comes last"
    begun: list[int] = []
    for choice in choices:
        for call in choice.delta.tool_calls or []:
            if call.index in begun:
                assert not call.id and not (call.function and call.function.name)
                assert call.index == begun[-1], "calls come one after the other"
                continue
            assert call.index == len(begun), "calls are numbered from 0"
            assert call.id and call.type == "function" and call.function and call.function.name
            begun.append(call.index)
    if begun and exchange.is_whole:
        assert reasons[0] in {"tool_calls", "length", "stop"}


def check_completion_stream(exchange: Exchange) -> list[StreamedCompletion]:
    """Check a stream of text completions."""
    sent = events(exchange)
    if exchange.is_whole:
        assert sent[-1][1] == "[DONE]"
        sent = sent[:-1]
    chunks = [strict(StreamedCompletion, data) for _, data in sent]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    _check_usage(exchange, chunks, [json.loads(data) for _, data in sent])
    if exchange.is_whole:
        for index in {choice.index for chunk in chunks for choice in chunk.choices}:
            reasons = [c.finish_reason for chunk in chunks for c in chunk.choices if c.index == index]
            assert [reason for reason in reasons if reason] == [reasons[-1]]
    return chunks


# Responses ----------------------------------------------------------------------------------------------


def check_response(response: Response) -> None:
    """Check what the shapes of a response do not say: numbers, and a status that fits the rest."""
    everything = response.model_dump()
    for name in NUMBERS:
        assert isinstance(everything[name], (int, float)), f"{name} is a number"
    assert isinstance(everything["store"], bool) and isinstance(everything["service_tier"], str)
    assert isinstance(response.background, bool) and isinstance(response.top_logprobs, int)
    assert response.truncation in {"auto", "disabled"}
    assert isinstance(response.metadata, dict)
    assert response.created_at == int(response.created_at)
    assert response.text is not None and response.text.format is not None
    match response.status:
        case "completed":
            assert response.usage and response.completed_at and not response.error
            assert response.incomplete_details is None
            assert all(getattr(item, "status", "completed") == "completed" for item in response.output)
        case "incomplete":
            assert response.incomplete_details and response.incomplete_details.reason
        case "failed":
            assert response.error
        case _:
            assert response.usage is None
    if response.usage:
        assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def check_response_stream(exchange: Exchange) -> list[Any]:
    """Check a response's events: names, numbers, order of items and parts, and that the deltas add up."""
    sent = events(exchange)
    if exchange.is_whole:
        assert sent[-1] == ("", "[DONE]"), f"Open Responses ends a stream with [DONE], not {sent[-1]}"
        sent = sent[:-1]
    found = [strict(ResponseStreamEvent, data) for _, data in sent]
    for event, (name, _) in zip(found, sent, strict=True):
        assert event.type == name, "the event's name is its type"
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert [event.type for event in found[:2]] == ["response.created", "response.in_progress"]
    for event in found:
        if hasattr(event, "response"):
            check_response(event.response)
    if exchange.is_whole:
        assert found[-1].type in {"response.completed", "response.incomplete", "response.failed"}
        _check_items(found[2:-1], found[-1].response)
    return found


def _check_items(found: list[Any], final: Response) -> None:
    texts: dict[tuple[Any, ...], str] = {}
    open_item: Any = None
    done: list[Any] = []
    for event in found:
        match event.type:
            case "response.output_item.added":
                assert open_item is None and event.output_index == len(done)
                open_item = event.item
            case "response.output_item.done":
                assert open_item is not None and event.item.id == open_item.id
                assert event.item.type == open_item.type and event.output_index == len(done)
                open_item = None
                done.append(event.item)
            case "error":
                raise AssertionError(f"the stream failed: {event}")
            case _:
                assert open_item is not None and event.item_id == open_item.id and event.output_index == len(done)
                _add(texts, event)
    assert open_item is None
    assert [item.model_dump() for item in final.output] == [item.model_dump() for item in done]


def _add(texts: dict[tuple[Any, ...], str], event: Any) -> None:
    kind, _, phase = event.type.rpartition(".")
    place = (kind, event.item_id, getattr(event, "content_index", getattr(event, "summary_index", None)))
    if phase == "delta":
        texts[place] = texts.get(place, "") + event.delta
    elif phase == "done" and (whole := getattr(event, "text", getattr(event, "arguments", None))) is not None:
        assert texts.get(place, "") == whole, "the deltas add up to the whole"


# Embeddings ---------------------------------------------------------------------------------------------


def check_embeddings(exchange: Exchange) -> None:
    """Check vectors: as numbers, or as base64 where the request asked for it (the official client always does)."""
    body = json.loads(exchange.body)
    if exchange.asked.get("encoding_format") == "base64":
        for entry in body["data"]:
            assert isinstance(entry["embedding"], str)
            entry["embedding"] = []
    checked = strict(CreateEmbeddingResponse, json.dumps(body))
    assert [entry.index for entry in checked.data] == list(range(len(checked.data)))
    assert checked.usage.prompt_tokens == checked.usage.total_tokens
