"""Responses in the making, so that another connection can look at one and end it; and the store beside them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable
from typing import TypeVar

import msgspec
from starlette.requests import Request

from lmserver.engines import Finished, Piece
from lmserver.errors import ApiError
from lmserver.response_store import ResponseStore, Stored, StoreError
from lmserver.routes.responses_request import renamed
from lmserver.routes.responses_stream import Writer
from lmserver.service import Service
from lmwire import responses as wire
from lmwire.errors import ErrorCode
from lmwire.response_items import Item

log = logging.getLogger("lmstudio")

T = TypeVar("T")

_AHEAD = 64
"""Pieces that an engine may be ahead of a client that reads slowly."""


class Run:
    """One response in the making. The engine's stream lives in one task, which ends it when cancelled."""

    def __init__(self, owner: str, writer: Writer, given: list[Item]) -> None:
        self.owner = owner
        self.writer = writer
        self.given = given
        """The items that it was asked with."""
        self.ended = asyncio.Event()
        """Set when the response is finished and, where it is to be, stored."""
        self._pieces: asyncio.Queue[Piece | Exception | None] = asyncio.Queue(_AHEAD)
        self._task: asyncio.Task[None] | None = None
        self.was_cancelled = False

    def start(self, source: AsyncGenerator[Piece]) -> None:
        """Begin to read the engine's stream."""
        self._task = asyncio.create_task(self._read(source))
        self._task.add_done_callback(self._finish)

    async def next(self) -> Piece | None:
        """Give the next piece; None after the last. Raises what the engine raised."""
        got = await self._pieces.get()
        if isinstance(got, Exception):
            raise renamed(got) if isinstance(got, ApiError) else got
        return got

    def cancel(self) -> None:
        """End the work; who waits for a piece is told that there are no more."""
        self.was_cancelled = True
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """End the work if it still goes on, and wait until the engine is free."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.ended.set()

    async def _read(self, source: AsyncGenerator[Piece]) -> None:
        try:
            async with contextlib.aclosing(source):
                async for piece in source:
                    await self._pieces.put(piece)
                    if isinstance(piece, Finished):
                        break
            await self._pieces.put(None)
        except Exception as error:
            await self._pieces.put(error)

    def _finish(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            # Nobody waits for what is still queued: the end has to fit.
            while self._pieces.full():
                self._pieces.get_nowait()
            self._pieces.put_nowait(None)


class Desk:
    """All responses of one server: those in the making, and those stored."""

    def __init__(self, store: ResponseStore) -> None:
        self.store = store
        self._runs: dict[str, Run] = {}

    def add(self, run: Run) -> None:
        """Let other connections find a response while it is made."""
        self._runs[run.writer.response.id] = run

    async def drop(self, run: Run) -> None:
        """End the work on a response, whether it is finished or not."""
        self._runs.pop(run.writer.response.id, None)
        await run.close()

    def find(self, owner: str, name: str) -> Run | None:
        """Find a response in the making."""
        run = self._runs.get(name)
        if run is None or run.owner != owner or run.writer.response.status != "in_progress":
            return None
        return run

    async def keep(self, run: Run) -> None:
        """Store a finished response that is to be stored. A store that fails costs the storing, not the answer."""
        response = run.writer.response
        if not response.store:
            return
        stored = Stored(
            id=response.id,
            owner=run.owner,
            previous=response.previous_response_id,
            response=msgspec.json.encode(response),
            input=msgspec.json.encode(run.given),
            items=tuple(item.id for item in (*run.given, *response.output)),
        )
        try:
            await self.store.put(stored)
        except StoreError as error:
            log.error("stored responses: %s could not be stored: %s", response.id, error)
            run.writer.not_stored()

    async def read(self, owner: str, name: str) -> tuple[wire.Response, list[Item]]:
        """Give a response, finished or not, and its input. Raises `ApiError` 404 `response_not_found`."""
        run = self.find(owner, name)
        if run is not None and run.writer.response.store:
            return run.writer.response, run.given
        stored = await reading(self.store.get(owner, name))
        if stored is None:
            raise not_found(name)
        return msgspec.json.decode(stored.response, type=wire.Response), items_of(stored.input)


def desk_of(request: Request) -> Desk:
    """Give the desk of the server that a request came to; the first request makes it."""
    state = request.app.state
    if not hasattr(state, "responses"):
        service: Service = state.service
        state.responses = Desk(service.responses)
    return state.responses


def items_of(encoded: bytes) -> list[Item]:
    """Read items as they were stored."""
    return msgspec.json.decode(encoded, type=list[Item])


async def reading(work: Awaitable[T]) -> T:
    """Await a reading of the store. Raises `ApiError` 500 when the file cannot be read."""
    try:
        return await work
    except StoreError as error:
        log.error("stored responses cannot be read: %s", error)
        raise ApiError(
            500,
            "The file of stored responses cannot be read now; the server's log says why.",
            code=ErrorCode.INTERNAL,
            kind="server_error",
        ) from error


def not_found(name: str) -> ApiError:
    """Make the 404 for a response that is not there, or is another's."""
    return ApiError(
        404,
        f"There is no response {name[:80]!r} here: it was never stored, was deleted, or is another key's.",
        code=ErrorCode.RESPONSE_NOT_FOUND,
        param="response_id",
    )
