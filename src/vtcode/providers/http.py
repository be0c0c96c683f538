"""A server behind HTTP, in either dialect: one request made well, again where that may help, never elsewhere."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from urllib.parse import urlsplit

import httpx2
import msgspec

from lmwire.errors import ErrorCode
from vtcode.messages import AssistantMessage, Finish
from vtcode.providers import (
    Completed,
    Delta,
    Endpoint,
    Interrupted,
    JsonObject,
    ModelInfo,
    Note,
    ProviderError,
    RateLimited,
    ReasoningDelta,
    Rejected,
    Request,
    Retrying,
    TextDelta,
    Waiting,
)
from vtcode.providers.chat import DONE, ChatDialect
from vtcode.providers.dialect import Dialect, Reader, ServerError
from vtcode.providers.discovery import (
    api_url,
    completed,
    is_bare,
    native_url,
    read_efforts,
    read_models,
    read_progress,
)
from vtcode.providers.draft import MAX_REPLY
from vtcode.providers.failures import Answer, Failures, error_of, short
from vtcode.providers.markers import Sieve
from vtcode.providers.pace import Patience, paced
from vtcode.providers.recovery import recover
from vtcode.providers.responses import ResponsesDialect
from vtcode.providers.retry import RETRIED, Attempts, Budget, told_seconds
from vtcode.text import visible

CONNECT_TIMEOUT = 5.0
LOCAL_CONNECT_TIMEOUT = 2.0
"""The same for a server on this machine or beside it."""

LIST_TIMEOUT = 10.0
NATIVE_TIMEOUT = 2.0
"""Of a list that the run can do without."""

_WATCH = 0.2
"""Seconds between two questions how far a load is."""

MAX_ERROR_BODY = 64 << 10
MAX_LIST = 16 << 20
"""Bytes of a list of models."""

_PASSING = (Interrupted, RateLimited)
"""Errors that the next attempt may not meet."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class _Failed(Exception):
    """An answer that is no success, before it is known what follows from it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class HttpProvider:
    """A server at a base URL. It is sent the key on every request, and is never left for another origin."""

    def __init__(self, endpoint: Endpoint, budget: Budget | None = None) -> None:
        self.endpoint = endpoint
        self._budget = budget or Budget()
        self._failures = Failures(endpoint)
        self._chat = ChatDialect()
        self._responses = ResponsesDialect()
        self._has_chat: bool | None = None
        """Whether the newest reply came by Chat Completions, once there was one."""
        self._dropped: dict[str, set[str]] = {}
        """Members of requests that each model was found not to take."""
        headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        host = urlsplit(endpoint.base_url).hostname or ""
        self._client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(
                None, connect=LOCAL_CONNECT_TIMEOUT if endpoint.preset.is_local else CONNECT_TIMEOUT
            ),
            follow_redirects=False,
            # Reading the certificates takes a tenth of the start-up, and plain HTTP has none.
            verify=urlsplit(endpoint.base_url).scheme != "http",
            # A proxy from the environment is for other machines; this one is reached directly.
            trust_env=host not in _LOOPBACK,
        )

    @property
    def address(self) -> str:
        return self.endpoint.base_url

    async def close(self) -> None:
        await self._client.aclose()

    # Models ----------------------------------------------------------------------------------------------

    async def models(self) -> list[ModelInfo]:
        try:
            answer = await self._get(f"{self.address}/models", LIST_TIMEOUT)
        except (TimeoutError, httpx2.RequestError) as error:
            raise self._failures.unreachable(error) from error
        if isinstance(answer, Answer):
            raise self._failures.of(answer)
        try:
            listed = read_models(answer)
        except msgspec.MsgspecError as error:
            raise self._failures.not_a_list() from error
        if self.endpoint.preset.has_native_list and is_bare(listed):
            # LM Studio tells what is loaded, and with how much context, in its own list only.
            with contextlib.suppress(TimeoutError, httpx2.RequestError, msgspec.MsgspecError):
                native = await self._get(native_url(self.address), NATIVE_TIMEOUT)
                return listed if isinstance(native, Answer) else completed(listed, read_models(native))
        return listed

    async def efforts(self, model: str) -> tuple[str, ...]:
        if self.endpoint.preset.has_native_list:
            with contextlib.suppress(TimeoutError, httpx2.RequestError, msgspec.MsgspecError):
                answer = await self._get(api_url(self.address, "models"), NATIVE_TIMEOUT)
                return () if isinstance(answer, Answer) else read_efforts(answer, model)
        return ()

    async def load(self, model: str, tell: Callable[[float], None]) -> bool:
        if not self.endpoint.preset.has_native_list:
            return False
        watching = asyncio.create_task(self._watch(model, tell))
        try:
            # As long as it takes: a large model is read from a slow disk.
            return await self._order("models/load", {"model": model}, model)
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    async def unload(self, model: str) -> bool:
        if not self.endpoint.preset.has_native_list:
            return False
        return await self._order("models/unload", {"instance_id": model}, model)

    async def _watch(self, model: str, tell: Callable[[float], None]) -> None:
        """Tell how far a load is, where the server says."""
        while True:
            await asyncio.sleep(_WATCH)
            with contextlib.suppress(TimeoutError, httpx2.RequestError, msgspec.MsgspecError):
                answer = await self._get(api_url(self.address, "models"), NATIVE_TIMEOUT)
                if not isinstance(answer, Answer) and (share := read_progress(answer, model)) is not None:
                    tell(share)

    async def _order(self, path: str, body: JsonObject, model: str) -> bool:
        """Have the server do something with a model; False where it cannot. Raises a ProviderError."""
        request = self._client.build_request("POST", api_url(self.address, path), json=body)
        try:
            response = await self._client.send(request, stream=True)
        except httpx2.RequestError as error:
            raise self._failures.unreachable(error) from error
        try:
            if response.status_code in (404, 405, 501):
                # An older server, or one without that model: loading, it is found missing with the first request.
                return False
            if response.status_code != 200:
                raise await self._error(await _answer(response), model)
            await _beginning(response, MAX_ERROR_BODY)
            return True
        except httpx2.RequestError as error:
            raise self._failures.unreachable(error) from error
        finally:
            await response.aclose()

    async def _get(self, url: str, limit: float) -> bytes | Answer:
        """Get one small document."""
        async with asyncio.timeout(limit), self._client.stream("GET", url) as response:
            if response.status_code != 200:
                return await _answer(response)
            return await _beginning(response, MAX_LIST)

    # Replies ---------------------------------------------------------------------------------------------

    async def stream(self, request: Request) -> AsyncGenerator[Delta]:
        dialect = self._dialect_for(request)
        attempts = Attempts(self._budget)
        while True:
            reader = dialect.reader(request.model)
            wait: float | None = None
            try:
                async with contextlib.aclosing(self._reply(dialect, reader, request)) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except _Failed as failed:
                answer = failed.answer
                if (dropped := self._drop(dialect, answer, request)) is not None:
                    if dropped:
                        yield Note(dropped)
                    continue
                if (other := self._other(dialect, answer)) is not None:
                    dialect = other
                    continue
                error = await self._error(answer, request.model)
                if answer.status in RETRIED and isinstance(error, _PASSING) and reader.draft.is_empty:
                    wait = attempts.next_wait(told_seconds(answer.retry_after))
                if wait is None:
                    raise error from None
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as failure:
                # Nobody is there: who waits for that, waits for a person.
                raise self._failures.unreachable(failure) from failure
            except httpx2.RequestError as failure:
                error = self._failures.interrupted()
                is_passing = isinstance(failure, (httpx2.NetworkError, httpx2.RemoteProtocolError))
                wait = attempts.next_wait() if is_passing and reader.draft.is_empty else None
                if wait is None:
                    raise error from failure
            except TimeoutError as failure:
                raise self._failures.stalled(request.stall_timeout) from failure
            yield Retrying(str(error), attempts.number, wait)
            await asyncio.sleep(wait)

    async def _reply(self, dialect: Dialect, reader: Reader, request: Request) -> AsyncGenerator[Delta]:
        """Make the request once.

        Raises:
            _Failed: when the server says no.
            httpx2.RequestError: when the connection does.
            TimeoutError: after too long a silence.
        """
        sieve = Sieve() if request.tools else None
        patience = Patience(request.stall_timeout)
        try:
            async with contextlib.aclosing(paced(self._data(dialect, request), request.stall_timeout)) as items:
                async for item in items:
                    if isinstance(item, Waiting):
                        yield msgspec.structs.replace(item, processed=reader.processed, total=reader.total)
                        continue
                    for delta in self._read(dialect, reader, item):
                        if sieve is None or isinstance(delta, ReasoningDelta):
                            yield delta
                        elif shown := sieve.add(delta.text):
                            yield TextDelta(shown)
                    patience.look((reader.draft.size, len(reader.draft.calls), reader.processed, reader.is_ended))
            if not reader.is_ended:
                raise httpx2.RemoteProtocolError("the stream has no end")
        except (_Failed, ProviderError, httpx2.RequestError, TimeoutError):
            # A partial reply is kept as far as it goes; half a call is not.
            if sieve is not None and sieve.is_plain and (rest := sieve.rest()):
                yield TextDelta(rest)
            raise
        self._has_chat = dialect is self._chat
        message = reader.message()
        if sieve is not None:
            message, rest = _recovered(message, request, sieve)
            if rest:
                yield TextDelta(rest)
        if message.finish is Finish.STOP and not message.text.strip():
            yield Note("The model ended its reply without an answer.")
        yield Completed(message)

    async def _data(self, dialect: Dialect, request: Request) -> AsyncGenerator[str]:
        """Send the request and yield the data of each event, up to the one that ends the stream."""
        url = f"{self.address}{dialect.path}"
        async with self._client.stream("POST", url, json=self._body(dialect, request)) as response:
            if response.status_code != 200:
                raise _Failed(await _answer(response))
            await self._require_events(response)
            async for event in httpx2.EventSource(response, max_event_size=MAX_REPLY):
                if event.data.strip() == DONE:
                    yield DONE
                    return
                # A block that only names an event or sets the retry time says nothing.
                if event.data.strip():
                    yield event.data

    def _body(self, dialect: Dialect, request: Request) -> JsonObject:
        body = dialect.body(request)
        dropped = self._dropped.get(request.model, set[str]())
        if "max_tokens" in dropped and "max_tokens" in body:
            # OpenAI's newer models know it by its newer name only.
            body["max_completion_tokens"] = body["max_tokens"]
        if not self.endpoint.preset.is_local:
            body.pop("return_progress", None)
        return {name: value for name, value in body.items() if name not in dropped}

    def _read(self, dialect: Dialect, reader: Reader, data: str) -> Sequence[TextDelta | ReasoningDelta]:
        try:
            return reader.read(data)
        except msgspec.MsgspecError as error:
            raise self._failures.not_an_event(dialect.name, error) from error
        except ServerError as failed:
            raise _Failed(Answer(status=500, error=failed.error)) from failed

    async def _require_events(self, response: httpx2.Response) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            return
        error = error_of(await _beginning(response, MAX_ERROR_BODY))
        if kind == "application/json" and error.message:
            # LM Studio answers 200 with an error object for a path that it does not know.
            if error.message.startswith("Unexpected endpoint"):
                raise _Failed(Answer(status=404, error=error))
            raise Rejected(f"{self._failures.where} refused the request: {short(error.message)}")
        raise self._failures.not_events(kind)

    # What a refusal leads to -----------------------------------------------------------------------------

    def _dialect_for(self, request: Request) -> Dialect:
        match self.endpoint.api:
            case "chat":
                return self._chat
            case "responses":
                return self._responses
            case "auto":
                return self._responses if self._has_chat is False else self._chat

    def _other(self, dialect: Dialect, answer: Answer) -> Dialect | None:
        """Give Responses where a server that may be asked for either has no Chat Completions."""
        is_missing = answer.status in {404, 405} and answer.error.code != ErrorCode.MODEL_NOT_FOUND
        if self.endpoint.api != "auto" or dialect is not self._chat or not is_missing or self._has_chat:
            return None
        return self._responses

    def _drop(self, dialect: Dialect, answer: Answer, request: Request) -> str | None:
        """Leave out from now on what a refusal names, if the request can do without.

        Returns what the user should know of it, or None when the refusal names nothing of the kind.
        """
        if answer.status not in {400, 422}:
            return None
        said = f"{answer.error.message} {answer.error.param or ''}".lower()
        sent = self._body(dialect, request)
        for member, names in dialect.droppable.items():
            if member in sent and any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said) for name in names):
                self._dropped.setdefault(request.model, set()).add(member)
                if member not in _WISHES:
                    return ""
                return (
                    f"{visible(request.model, one_line=True)} at {self.address} does not take {_WISHES[member]} "
                    f"({short(answer.error.message).rstrip('.')}), so it is left out from now on."
                )
        return None

    async def _error(self, answer: Answer, model: str) -> ProviderError:
        """Find the error for an answer; for a model that is not there, with those that are."""
        known: list[str] | None = None
        if answer.status == 404 or answer.error.code == ErrorCode.MODEL_NOT_FOUND:
            with contextlib.suppress(ProviderError):
                known = [info.id for info in await self.models()]
        return self._failures.of(answer, model, known)


_WISHES = {
    "reasoning_effort": "`reasoning_effort`",
    "reasoning": "`reasoning_effort`",
    "parallel_tool_calls": "`parallel_tool_calls`",
    "stream_options": "`stream_options`, so tokens are not counted",
}
"""What the user asked for, or would miss."""


def _recovered(message: AssistantMessage, request: Request, sieve: Sieve) -> tuple[AssistantMessage, str]:
    """Find calls that came as text, and what is still to be shown of the reply."""
    if message.calls or message.finish is not Finish.STOP or request.schema is not None:
        return message, sieve.rest()
    found = recover(message.text, request.tools, prefix=f"call_{len(request.messages)}")
    if not found.calls:
        return message, sieve.rest()
    return msgspec.structs.replace(message, text=found.text, calls=found.calls, finish=Finish.TOOLS), ""


async def _answer(response: httpx2.Response) -> Answer:
    return Answer(
        status=response.status_code,
        error=error_of(await _beginning(response, MAX_ERROR_BODY)),
        url=str(response.url),
        location=response.headers.get("location", ""),
        retry_after=response.headers.get("retry-after", ""),
    )


async def _beginning(response: httpx2.Response, limit: int) -> bytes:
    """Read as much of a body as can be needed: a server may send one without end."""
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) >= limit:
            break
    return bytes(content)
