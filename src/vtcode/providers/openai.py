"""Chat Completions over HTTP, for LM Studio and every server that speaks OpenAI's API."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from typing import cast
from urllib.parse import urlsplit

import httpx2
import msgspec

from lmwire.chat import JsonObject
from lmwire.errors import ErrorCode
from vtcode.messages import (
    AssistantMessage,
    Message,
    ToolCall,
    ToolResult,
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
    Refused,
    Rejected,
    Request,
    Stalled,
    ToolSpec,
    Unauthorised,
    Unreachable,
    Waiting,
    not_found,
)
from vtcode.providers.assembly import MAX_REPLY, Assembly, Chunk, ErrorObject
from vtcode.text import visible

CONNECT_TIMEOUT = 5.0
LIST_TIMEOUT = 10.0
PULSE = 1.0
"""Seconds of silence between two `Waiting` deltas."""

_DONE = "[DONE]"

MAX_ERROR_BODY = 64 << 10
MAX_ERROR = 600
"""Characters of a server's error message that are shown."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class _ErrorBody(msgspec.Struct):
    error: ErrorObject | str = ""
    message: str = ""
    detail: object = None
    code: str | int | None = None


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
        except httpx2.RequestError as error:
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
        reply = Assembly(request.model)
        try:
            async with contextlib.aclosing(_paced(self._data(request), request.stall_timeout)) as items:
                async for item in items:
                    if isinstance(item, Waiting):
                        yield msgspec.structs.replace(item, processed=reply.processed, total=reply.total)
                        continue
                    for delta in self._read(item, reply):
                        yield delta
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise self._unreachable(error) from error
        except httpx2.RequestError as error:
            raise self._interrupted() from error
        except TimeoutError as error:
            raise Stalled(
                f"LM Studio at {self.address} sent nothing for {request.stall_timeout:.0f} seconds. A smaller "
                "model or a shorter conversation answers sooner; `stall_timeout_secs` in [agent] waits longer."
            ) from error
        if not reply.is_ended:
            raise self._interrupted()
        yield Completed(reply.message())

    async def _data(self, request: Request) -> AsyncGenerator[str]:
        """Send the request and yield the data of each event, up to the one that ends the stream."""
        url = f"{self.address}/chat/completions"
        async with self._client.stream("POST", url, json=_body(request)) as response:
            if response.status_code != 200:
                content = await _beginning(response)
                known = await self._known(response.status_code, content)
                raise self._failure(response.status_code, content, request.model, known)
            await self._require_events(response)
            async for event in httpx2.EventSource(response, max_event_size=MAX_REPLY):
                if event.data.strip() == _DONE:
                    yield _DONE
                    return
                # A block that only names an event or sets the retry time says nothing.
                if event.data.strip():
                    yield event.data

    def _read(self, data: str, reply: "Assembly") -> Sequence[Delta]:
        if data == _DONE:
            reply.end()
            return []
        try:
            chunk = msgspec.json.decode(data, type=Chunk)
        except msgspec.MsgspecError as error:
            raise MalformedReply(
                f"LM Studio at {self.address} sent an event that is not a Chat Completions chunk ({error}). Check "
                "that LMSTUDIO_BASE_URL names an OpenAI-compatible server; its log may say more."
            ) from error
        if chunk.error is not None:
            raise self._failure(500, msgspec.json.encode(_ErrorBody(chunk.error)), reply.model, None)
        return reply.add(chunk)

    async def _require_events(self, response: httpx2.Response) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            return
        content = await _beginning(response)
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
        said = _short(error.message) or "it gave no reason."
        where = f"LM Studio at {self.address}"
        if status in {401, 403} and error.code not in {ErrorCode.FORBIDDEN_HOST, ErrorCode.FORBIDDEN_ORIGIN}:
            lack = "refused the API key" if self._endpoint.key else "wants an API key"
            return Unauthorised(f"{where} {lack} ({status}). Put the server's key into LMSTUDIO_API_KEY.")
        if error.code == ErrorCode.CONTEXT_LENGTH_EXCEEDED or _tells_overflow(error.message):
            return ContextOverflow(
                f"The conversation is longer than the context that is loaded: {said} Start a new one, or load "
                "the model with a larger context."
            )
        if error.code in {ErrorCode.FORBIDDEN_HOST, ErrorCode.FORBIDDEN_ORIGIN}:
            return Rejected(f"{where} does not answer to that name: {said} Set LMSTUDIO_BASE_URL to another.")
        if error.code == ErrorCode.MODEL_LOAD_FAILED:
            return ModelLoadFailed(f"{where} could not load {visible(model)}: {said}")
        if error.code == ErrorCode.MODEL_NOT_FOUND or (status == 404 and known is not None and model not in known):
            # A server that still lists the model has a reason of its own.
            listed = known is not None and model in known
            return ModelNotFound(f"{where}: {said}" if listed else not_found(self.address, model, known or []))
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
        kind = Refused if cause == "connection refused" else Unreachable
        return kind(
            f"Could not reach LM Studio at {self.address} ({_short(cause).rstrip('.')}). Start it with `lmstudio "
            "server start`, or set LMSTUDIO_BASE_URL to where it runs."
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


def _error_of(content: bytes) -> ErrorObject:
    """Read an error body of any of the shapes in use: OpenAI's, a string for it, vLLM's flat one, FastAPI's."""
    try:
        body = msgspec.json.decode(content, type=_ErrorBody)
    except msgspec.MsgspecError:
        return ErrorObject()
    error = body.error
    if isinstance(error, ErrorObject):
        return error
    return ErrorObject(error or body.message or (str(body.detail) if body.detail else ""), body.code)


async def _beginning(response: httpx2.Response) -> bytes:
    """Read as much of a body as an error can need: a server may send one without end."""
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) >= MAX_ERROR_BODY:
            break
    return content


def _tells_overflow(message: str) -> bool:
    said = message.lower()
    return "context" in said and any(word in said for word in ("exceed", "greater than the", "too long", "overflow"))


def _short(message: str) -> str:
    text = visible(message, one_line=True).strip()
    text = text if len(text) <= MAX_ERROR else f"{text[:MAX_ERROR]}…"
    return text if not text or text[-1] in ".!?…)" else f"{text}."


async def _paced(source: AsyncGenerator[str], stall_timeout: float) -> AsyncGenerator[str | Waiting]:
    """Yield what comes, and a `Waiting` for each second in which nothing does, from the sending of the request on.

    Raises:
        TimeoutError: after `stall_timeout` seconds of silence.
    """
    quiet_since = time.monotonic()
    coming = asyncio.ensure_future(anext(source))
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
                data = coming.result()
            except StopAsyncIteration:
                return
            yield data
            quiet_since = time.monotonic()
            coming = asyncio.ensure_future(anext(source))
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await source.aclose()
