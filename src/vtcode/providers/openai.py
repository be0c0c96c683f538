"""Chat Completions over HTTP, for LM Studio and every server that speaks OpenAI's API."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import cast
from urllib.parse import urlsplit

import httpx2
import msgspec

from lmwire.chat import JsonObject
from lmwire.errors import ErrorCode
from vtcode.messages import (
    AssistantMessage,
    Finish,
    Message,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
)
from vtcode.providers import (
    Completed,
    ContextOverflow,
    Delta,
    Endpoint,
    Interrupted,
    MalformedReply,
    ModelInfo,
    ModelLoadFailed,
    ModelNotFound,
    ProviderError,
    RateLimited,
    ReasoningDelta,
    Rejected,
    Request,
    Stalled,
    TextDelta,
    ToolSpec,
    Unauthorised,
    Unreachable,
    Waiting,
    not_found,
)
from vtcode.text import visible

CONNECT_TIMEOUT = 5.0
LIST_TIMEOUT = 10.0
PULSE = 1.0
"""Seconds of silence between two `Waiting` deltas."""

MAX_ERROR = 600
"""Characters of a server's error message that are shown."""

MAX_REPLY = 16 << 20
"""Characters of one reply; more is a server gone wrong."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


# What the server sends: read leniently, since every server leaves something out -------------------------


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Progress(msgspec.Struct):
    total: int = 0
    processed: int = 0


class _ErrorObject(msgspec.Struct):
    message: str = ""
    code: str | int | None = None
    type: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    prompt_progress: _Progress | None = None
    error: _ErrorObject | str | None = None
    model: str | None = None


class _ErrorBody(msgspec.Struct):
    error: _ErrorObject | str


class _Card(msgspec.Struct):
    """A model as servers list it; members beyond the id differ in meaning and type, so they are looked at."""

    id: str
    type: object = None
    parameters: object = None
    state: object = None
    loaded_context_length: object = None
    max_context_length: object = None
    capabilities: object = None


class _ModelList(msgspec.Struct):
    data: list[_Card]


class OpenAIProvider:
    """A server at a base URL. It is sent the key on every request, and is never left for another origin."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        host = urlsplit(endpoint.base_url).hostname or ""
        self._client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT),
            follow_redirects=False,
            # A proxy from the environment is for other machines; this one is reached directly.
            trust_env=host not in _LOOPBACK,
        )

    @property
    def address(self) -> str:
        return self._endpoint.base_url

    async def close(self) -> None:
        await self._client.aclose()

    async def models(self) -> list[ModelInfo]:
        try:
            response = await self._client.get(f"{self.address}/models", timeout=LIST_TIMEOUT)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        if response.status_code != 200:
            raise self._failure(response.status_code, response.content, "", None)
        try:
            cards = msgspec.json.decode(response.content, type=_ModelList).data
        except msgspec.MsgspecError as error:
            raise MalformedReply(
                f"{self.address}/models did not answer with a list of models. Check that LMSTUDIO_BASE_URL names "
                "an OpenAI-compatible server, its path (usually /v1) included."
            ) from error
        return [_info(card) for card in cards]

    async def stream(self, request: Request) -> AsyncGenerator[Delta]:
        body = _body(request)
        reply = _Assembly(request.model)
        try:
            async with self._client.stream("POST", f"{self.address}/chat/completions", json=body) as response:
                if response.status_code != 200:
                    content = (await response.aread())[: 64 << 10]
                    known = await self._known(response.status_code, content)
                    raise self._failure(response.status_code, content, request.model, known)
                await self._require_events(response)
                async for item in _paced(httpx2.EventSource(response), request.stall_timeout):
                    if isinstance(item, Waiting):
                        yield msgspec.structs.replace(item, processed=reply.processed, total=reply.total)
                        continue
                    for delta in self._read(item.data, reply):
                        yield delta
        except httpx2.ConnectError as error:
            raise self._unreachable(error) from error
        except httpx2.ConnectTimeout as error:
            raise self._unreachable(error) from error
        except httpx2.TransportError as error:
            raise self._interrupted() from error
        except TimeoutError as error:
            raise Stalled(
                f"LM Studio at {self.address} sent nothing for {request.stall_timeout:.0f} seconds. A smaller "
                "model or a shorter conversation answers sooner; `stall_timeout_secs` in [agent] waits longer."
            ) from error
        if not reply.is_ended:
            raise self._interrupted()
        yield Completed(reply.message())

    def _read(self, data: str, reply: "_Assembly") -> list[Delta]:
        if data == "[DONE]":
            reply.is_ended = True
            return []
        try:
            chunk = msgspec.json.decode(data, type=_Chunk)
        except msgspec.MsgspecError as error:
            raise MalformedReply(
                f"LM Studio at {self.address} sent an event that is not a Chat Completions chunk ({error})."
            ) from error
        if chunk.error is not None:
            raise self._failure(500, msgspec.json.encode(_ErrorBody(chunk.error)), reply.model, None)
        return reply.add(chunk)

    async def _require_events(self, response: httpx2.Response) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            return
        content = (await response.aread())[: 64 << 10]
        # LM Studio answers 200 with an error object for what it does not know.
        if kind == "application/json" and (message := _error_of(content).message):
            raise Rejected(f"LM Studio at {self.address} refused the request: {_short(message)}")
        raise MalformedReply(
            f"LM Studio at {self.address} answered with {kind or 'no content type'} where a stream of events was "
            "expected. Check that LMSTUDIO_BASE_URL names an OpenAI-compatible server and its path, usually /v1."
        )

    # Errors ----------------------------------------------------------------------------------------------

    async def _known(self, status: int, content: bytes) -> list[str] | None:
        """List the models for a message about one that is not there."""
        if status != 404 and _error_of(content).code != ErrorCode.MODEL_NOT_FOUND:
            return None
        with contextlib.suppress(ProviderError):
            return [model.id for model in await self.models()]
        return None

    def _failure(self, status: int, content: bytes, model: str, known: list[str] | None) -> ProviderError:
        error = _error_of(content)
        said = _short(error.message) or f"HTTP status {status}"
        where = f"LM Studio at {self.address}"
        if status in {401, 403} and error.code not in {ErrorCode.FORBIDDEN_HOST, ErrorCode.FORBIDDEN_ORIGIN}:
            lack = "refused the API key" if self._endpoint.key else "wants an API key"
            return Unauthorised(f"{where} {lack} ({status}). Put the server's key into LMSTUDIO_API_KEY.")
        if error.code == ErrorCode.CONTEXT_LENGTH_EXCEEDED or _tells_overflow(error.message):
            return ContextOverflow(
                f"The conversation is longer than the context that is loaded: {said} Start a new one, or load "
                "the model with a larger context."
            )
        if error.code == ErrorCode.MODEL_LOAD_FAILED:
            return ModelLoadFailed(f"{where} could not load {visible(model)}: {said}")
        if status == 404 and known is not None and model not in known:
            return ModelNotFound(not_found(self.address, model, known))
        if status == 404:
            return Rejected(
                f"{where} has no such endpoint (404: {said}). Check that LMSTUDIO_BASE_URL ends with the API's path, "
                "usually /v1."
            )
        if 300 <= status < 400:
            return Rejected(
                f"{where} redirects elsewhere, and a key is not taken along. Set LMSTUDIO_BASE_URL to where it leads."
            )
        if status == 429:
            return RateLimited(f"{where} has too much to do (429: {said}). Try again in a moment.")
        if 400 <= status < 500:
            return Rejected(
                f"{where} refused the request ({status}): {said} Check the server's log for whether the model's "
                "runtime supports these tools and structured outputs."
            )
        return Interrupted(f"{where} failed ({status}): {said} Its log says more; try again.")

    def _unreachable(self, error: Exception) -> Unreachable:
        cause = "connection refused" if "refused" in str(error).lower() or not str(error) else str(error)
        if isinstance(error, httpx2.TimeoutException):
            cause = "no answer in time"
        elif isinstance(error, httpx2.ConnectError) and "attempts failed" in str(error).lower():
            cause = "connection refused"
        return Unreachable(
            f"Could not reach LM Studio at {self.address} ({_short(cause)}). Start it with `lmstudio server start`, "
            "or set LMSTUDIO_BASE_URL to where it runs."
        )

    def _interrupted(self) -> Interrupted:
        return Interrupted(
            f"LM Studio at {self.address} broke off before the reply was finished. Try again; its log may say why."
        )


# Request ------------------------------------------------------------------------------------------------


def _body(request: Request) -> JsonObject:
    body: JsonObject = {
        "model": request.model,
        "messages": [
            {"role": "system", "content": request.system},
            *(_message(message) for message in request.messages),
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
    }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "strict": True, "schema": request.schema},
        }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    return body


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def _message(message: Message) -> JsonObject:
    match message:
        case UserMessage(text=text):
            return {"role": "user", "content": text}
        case ToolResult(call_id=call_id, text=text):
            return {"role": "tool", "tool_call_id": call_id, "content": text}
        case AssistantMessage(text=text, calls=calls):
            body: JsonObject = {"role": "assistant", "content": text}
            if calls:
                body["tool_calls"] = [_call(call) for call in calls]
            return body


def _call(call: ToolCall) -> JsonObject:
    """Write a call back; malformed arguments would be refused by the server, or break its template."""
    try:
        msgspec.json.decode(call.arguments, type=JsonObject)
        arguments = call.arguments
    except msgspec.MsgspecError:
        arguments = msgspec.json.encode({"malformed": call.arguments}).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


# Reply --------------------------------------------------------------------------------------------------


class _Assembly:
    """A reply while its chunks come in."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.is_ended = False
        self.processed = 0
        self.total = 0
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._usage = Usage()
        self._finish = ""
        self._size = 0

    def add(self, chunk: _Chunk) -> list[Delta]:
        """Take in one chunk, and give what of it can be shown."""
        deltas: list[Delta] = []
        if chunk.prompt_progress:
            self.processed, self.total = chunk.prompt_progress.processed, chunk.prompt_progress.total
        if chunk.usage:
            self._usage = _usage(chunk.usage)
        for choice in chunk.choices[:1]:
            if choice.finish_reason:
                self._finish, self.is_ended = choice.finish_reason, True
            if thought := choice.delta.reasoning_content or choice.delta.reasoning:
                self._reasoning.append(thought)
                deltas.append(ReasoningDelta(thought))
            if choice.delta.content:
                self._text.append(choice.delta.content)
                deltas.append(TextDelta(choice.delta.content))
            for call in choice.delta.tool_calls or []:
                self._add_call(call)
            self._size += sum(len(delta.text) for delta in deltas if not isinstance(delta, (Waiting, Completed)))
        if self._size > MAX_REPLY:
            raise MalformedReply(f"The reply passed {MAX_REPLY >> 20} million characters without an end.")
        return deltas

    def _add_call(self, piece: _Call) -> None:
        # Some servers leave the index out; then an id opens a new call.
        index = piece.index
        if index is None:
            index = len(self._calls) if piece.id or not self._calls else max(self._calls)
        call = self._calls.setdefault(index, _Call(function=_Function("", "")))
        call.id = call.id or piece.id
        call.function.name = (call.function.name or "") + (piece.function.name or "")
        call.function.arguments = (call.function.arguments or "") + (piece.function.arguments or "")
        self._size += len(piece.function.arguments or "")

    def message(self) -> AssistantMessage:
        """Give the whole reply. A reply that was cut runs no call: its arguments may be half of what was meant."""
        calls = tuple(
            ToolCall(call.id or f"call_{index}", call.function.name or "", call.function.arguments or "{}")
            for index, call in sorted(self._calls.items())
        )
        finish = Finish.LENGTH if self._finish == "length" else Finish.TOOLS if calls else Finish.STOP
        return AssistantMessage(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            calls=() if finish is Finish.LENGTH else calls,
            finish=finish,
            usage=self._usage,
            model=self.model,
        )


async def _paced(
    source: httpx2.EventSource, stall_timeout: float
) -> AsyncGenerator[httpx2.ServerSentEvent | Waiting]:
    """Yield events, and a `Waiting` for each second in which none came.

    Raises:
        TimeoutError: after `stall_timeout` seconds of silence.
    """
    events = aiter(source)
    quiet_since = time.monotonic()
    coming = asyncio.ensure_future(anext(events))
    try:
        while True:
            await asyncio.wait({coming}, timeout=PULSE)
            if not coming.done():
                quiet = time.monotonic() - quiet_since
                if quiet > stall_timeout:
                    raise TimeoutError
                yield Waiting(quiet)
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            yield event
            quiet_since = time.monotonic()
            coming = asyncio.ensure_future(anext(events))
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


def _usage(usage: _Usage) -> Usage:
    details = usage.prompt_tokens_details
    cached = details.cached_tokens if details else None
    return Usage(*(max(0, count or 0) for count in (usage.prompt_tokens, cached, usage.completion_tokens)))


def _info(card: _Card) -> ModelInfo:
    context = card.loaded_context_length or card.max_context_length
    abilities = cast("list[object]", card.capabilities) if isinstance(card.capabilities, list) else None
    return ModelInfo(
        id=card.id,
        is_chat=card.type not in {"embeddings", "embedding"},
        parameters=card.parameters if isinstance(card.parameters, int) else None,
        context_length=context if isinstance(context, int) else None,
        is_loaded=card.state == "loaded" if isinstance(card.state, str) else None,
        trained_for_tools=None if abilities is None else "tool_use" in abilities,
    )


def _error_of(content: bytes) -> _ErrorObject:
    """Read an error body of any of the shapes in use."""
    try:
        error = msgspec.json.decode(content, type=_ErrorBody).error
    except msgspec.MsgspecError:
        return _ErrorObject()
    return _ErrorObject(error) if isinstance(error, str) else error


def _tells_overflow(message: str) -> bool:
    said = message.lower()
    return "context" in said and any(word in said for word in ("exceed", "greater than the", "too long", "overflow"))


def _short(message: str) -> str:
    text = visible(message, one_line=True).strip()
    text = text if len(text) <= MAX_ERROR else f"{text[:MAX_ERROR]}…"
    return text if not text or text[-1] in ".!?…)" else f"{text}."
