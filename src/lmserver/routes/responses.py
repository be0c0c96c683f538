"""`/v1/responses`: the Responses API, streamed or whole, with responses that are stored and gone on from."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from lmserver.engines import Finished, Loading, Piece, Progress
from lmserver.errors import ApiError, invalid, unsupported
from lmserver.guard import parse
from lmserver.journal import record_of
from lmserver.response_store import MAX_CONVERSATION, MAX_HOPS, ConversationTooLong, MissingLink
from lmserver.routes import Endpoint
from lmserver.routes.chat_request import checked_after
from lmserver.routes.responses_items import check_calls, read_input
from lmserver.routes.responses_request import begun, check, read_tools, work_of
from lmserver.routes.responses_running import Desk, Run, desk_of, items_of, not_found, reading
from lmserver.routes.responses_stream import Writer
from lmserver.routes.work import Job, waiting, while_connected
from lmserver.service import Service
from lmwire import response_items as items
from lmwire import responses as wire
from lmwire import sse
from lmwire.chat import Usage
from lmwire.errors import ErrorCode
from lmwire.response_events import Event, name_of
from lmwire.response_items import Item

log = logging.getLogger("lmstudio")

_MAX_PAGE = 100
"""Items of one list."""

_PATIENCE = 10.0
"""Seconds to wait until a cancelled response is written to its end."""


async def create(request: Request) -> Response:
    """Answer a conversation.

    A response whose client leaves before its end is not stored.
    """
    service: Service = request.app.state.service
    asked = await parse(request, wire.ResponsesRequest)
    check(asked)
    plan = read_tools(asked)
    desk, owner = desk_of(request), record_of(request).client
    before = await _before(desk, owner, asked.previous_response_id)
    given = await _resolve(desk, owner, before, read_input(asked.input))
    check_calls(before, given)
    conversation = [*before, *given]
    # Checked even where only the model is to be loaded: what is wrong does not wait for the first word.
    work = await asyncio.to_thread(work_of, asked, plan, conversation, service.settings.output_limit)
    headers = checked_after(work)
    job = Job(request, asked.model, ttl=asked.ttl)
    source = job.run(work) if work.messages else _load(request, job, asked)
    run = Run(owner, Writer(begun(asked, plan)), given)
    if not asked.stream:
        return _json(await while_connected(request, _whole(desk, run, job, source)), headers)
    desk.add(run)
    try:
        # The first piece is awaited before the status is sent, so that a refusal is a status and not an event.
        first = await while_connected(request, _first(run, source))
    except BaseException:
        await desk.drop(run)
        raise
    return _Stream(desk, run, run.writer.begin(job.model), first, headers)


async def _before(desk: Desk, owner: str, previous: str | None) -> list[Item]:
    """Give every item of the conversation that a request goes on with."""
    if previous is None:
        return []
    try:
        chain = await reading(desk.store.chain(owner, previous))
    except MissingLink as error:
        missing = str(error)
        which = "it" if missing == previous else f"{missing[:80]!r}, which it goes on from,"
        raise ApiError(
            404,
            f"previous_response_id: {previous[:80]!r} cannot be gone on from: {which} is not stored here. It was "
            "made with `store: false`, was deleted, or is another key's. Send the whole conversation as input.",
            code=ErrorCode.PREVIOUS_RESPONSE_NOT_FOUND,
            param="previous_response_id",
        ) from error
    except ConversationTooLong as error:
        raise ApiError(
            400,
            f"previous_response_id: the conversation is longer than {MAX_HOPS} responses or "
            f"{MAX_CONVERSATION >> 20} MiB. Begin a new one, with what matters of this one as input.",
            code=ErrorCode.CONTEXT_LENGTH_EXCEEDED,
            param="previous_response_id",
        ) from error
    before: list[Item] = []
    for stored in chain:
        before += items_of(stored.input)
        before += msgspec.json.decode(stored.response, type=_Output).output
    return before


class _Output(msgspec.Struct):
    output: list[Item]


async def _resolve(
    desk: Desk, owner: str, before: Sequence[Item], given: Sequence[Item | items.ItemReferenceParam]
) -> list[Item]:
    """Put the items that are meant in the place of references."""
    resolved: list[Item] = []
    known = {each.id: each for each in before}
    for index, item in enumerate(given):
        if not isinstance(item, items.ItemReferenceParam):
            resolved.append(item)
            known[item.id] = item
            continue
        if item.id not in known and (holder := await reading(desk.store.holding(owner, item.id))):
            output = msgspec.json.decode(holder.response, type=_Output).output
            for each in (*items_of(holder.input), *output):
                known.setdefault(each.id, each)
        if item.id not in known:
            raise ApiError(
                404,
                f"input[{index}].id: no stored response has an item {item.id[:80]!r}. Send the item itself.",
                code=ErrorCode.NOT_FOUND,
                param=f"input[{index}].id",
            )
        resolved.append(known[item.id])
    return resolved


# The answer ---------------------------------------------------------------------------------------------


async def _first(run: Run, source: AsyncGenerator[Piece]) -> Piece | None:
    """Start the work and wait for the first piece of it; None when it was cancelled before."""
    run.start(source)
    return await run.next()


async def _load(request: Request, job: Job, asked: wire.ResponsesRequest) -> AsyncGenerator[Piece]:
    """Only load the model: known clients ask nothing, so that it is there when they ask something."""
    service: Service = request.app.state.service
    record = record_of(request)
    async with service.lease(asked.model, ttl=asked.ttl, client=record.client) as (model, _):
        job.model = record.model = model
        yield Finished("stop", Usage())


async def _fold(run: Run, first: Piece | None) -> AsyncGenerator[list[Event] | Loading | Progress]:
    """Give the pieces to the writer, up to the end of the reply or its cancellation."""
    piece = first
    while True:
        match piece:
            case None:
                yield run.writer.cancel()
                return
            case Finished():
                yield run.writer.finish(piece)
                return
            case Loading() | Progress():
                yield piece
            case _:
                yield run.writer.take(piece)
        piece = await run.next()


async def _whole(desk: Desk, run: Run, job: Job, source: AsyncGenerator[Piece]) -> wire.Response:
    """Give the finished response: the answer that is not streamed is the same stream, collected."""
    desk.add(run)
    try:
        first = await _first(run, source)
        run.writer.begin(job.model)
        async for _ in _fold(run, first):
            pass
        await desk.keep(run)
        return run.writer.response
    finally:
        await desk.drop(run)


class _Stream(StreamingResponse):
    """A response as events, whose work ends with the connection, even if no event was ever asked for."""

    def __init__(
        self, desk: Desk, run: Run, begun: list[Event], first: Piece | None, headers: Mapping[str, str]
    ) -> None:
        super().__init__(_encoded(desk, run, begun, first), headers=headers, media_type="text/event-stream")
        self._desk = desk
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._desk.drop(self._run)


async def _encoded(desk: Desk, run: Run, begun: list[Event], first: Piece | None) -> AsyncIterator[bytes]:
    yield _encode(begun)
    try:
        async for told in _fold(run, first):
            if isinstance(told, (Loading, Progress)):
                yield waiting(told)
            elif told:
                yield _encode(told)
    except ApiError as error:
        yield _encode(run.writer.fail(error))
    except Exception:
        log.exception("the response %s failed", run.writer.response.id)
        unforeseen = ApiError(500, "The server failed on this response; its log says why.", code=ErrorCode.INTERNAL)
        yield _encode(run.writer.fail(unforeseen))
    # Stored first: who has read the last event may go on from this response at once.
    await desk.keep(run)
    yield _encode([run.writer.last()])
    yield sse.DONE


def _encode(told: Sequence[Event]) -> bytes:
    return b"".join(sse.event(event, name_of(event)) for event in told)


def _json(value: msgspec.Struct, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), headers=headers, media_type="application/json")


# What was answered before -------------------------------------------------------------------------------


async def retrieve(request: Request) -> Response:
    """Give a response, finished or not."""
    for name in ("stream", "starting_after"):
        if request.query_params.get(name, "false").lower() not in {"false", "0", ""}:
            why = f"A response is streamed only while it is made; leave `{name}` out to get it whole"
            raise unsupported(name, why)
    response, _ = await desk_of(request).read(record_of(request).client, _name(request))
    return _json(response)


async def delete(request: Request) -> Response:
    """Forget a response. What goes on from it can then not be gone on from."""
    desk, owner, name = desk_of(request), record_of(request).client, _name(request)
    if desk.find(owner, name):
        raise invalid("response_id", "the response is still being made; cancel it first")
    if not await reading(desk.store.delete(owner, name)):
        raise not_found(name)
    return _json(wire.Deleted(name))


async def cancel(request: Request) -> Response:
    """End the making of a response, streamed or not, from any connection of the same client."""
    desk, owner, name = desk_of(request), record_of(request).client, _name(request)
    run = desk.find(owner, name)
    if run is None:
        response, _ = await desk.read(owner, name)
        raise invalid("response_id", f"the response is {response.status} already and cannot be cancelled")
    run.cancel()
    # Who reads slowly may keep the end from being written; the work has ended all the same.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(run.ended.wait(), _PATIENCE)
    response = run.writer.response
    if response.status not in {"cancelled", "in_progress"}:
        raise invalid("response_id", f"the response is {response.status} already and cannot be cancelled")
    return _json(response)


async def input_items(request: Request) -> Response:
    """List the items that a response was asked with, without those of the responses before it."""
    _, given = await desk_of(request).read(record_of(request).client, _name(request))
    query = request.query_params
    order = query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise invalid("order", "expected `asc` or `desc`")
    limit = query.get("limit", "20")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:4]) <= _MAX_PAGE and len(limit) <= len("100")):
        raise invalid("limit", f"expected a number from 1 to {_MAX_PAGE}")
    found = given if order == "asc" else given[::-1]
    if after := query.get("after"):
        places = [index for index, item in enumerate(found) if item.id == after]
        if not places:
            raise invalid("after", f"this response was asked with no item {after[:80]!r}")
        found = found[places[0] + 1 :]
    page = found[: int(limit)]
    return _json(
        items.ItemList(
            data=page,
            first_id=page[0].id if page else "",
            last_id=page[-1].id if page else "",
            has_more=len(found) > len(page),
        )
    )


def _name(request: Request) -> str:
    return request.path_params["name"]


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/responses",
        "Responses: items, tools, stored conversations",
        create,
        body=wire.ResponsesRequest,
        reply=wire.Response,
    ),
    Endpoint("GET", "/v1/responses/{name}", "a response again", retrieve, reply=wire.Response),
    Endpoint("DELETE", "/v1/responses/{name}", "forget a response", delete, reply=wire.Deleted, is_listed=False),
    Endpoint("POST", "/v1/responses/{name}/cancel", "end a response", cancel, reply=wire.Response, is_listed=False),
    Endpoint(
        "GET",
        "/v1/responses/{name}/input_items",
        "what a response was asked with",
        input_items,
        reply=items.ItemList,
        is_listed=False,
    ),
)
