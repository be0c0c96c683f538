"""What the dialects share: a request's use of an engine, and the end of it when the client leaves."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lmserver.engines import (
    CallPiece,
    CompletionRequest,
    Embedded,
    Engine,
    Finished,
    GenerationRequest,
    Loading,
    Piece,
    Progress,
    ReasoningPiece,
    Renders,
    TextPiece,
    Work,
)
from lmserver.errors import ApiError
from lmserver.journal import note_prompt, record_of
from lmserver.service import Kind, Service
from lmwire import sse
from lmwire.errors import ErrorCode

T = TypeVar("T")

QUIET_LOAD = 2.0
"""Seconds that a client waits for a model before it is told so."""
LOADING_INTERVAL = 1.0


class Job:
    """One request's use of one model: borrows the engine, and tells the journal what came of it."""

    def __init__(self, request: Request, name: str, *, ttl: int | None = None) -> None:
        """Take the name that the request gave the model.

        Args:
            ttl: seconds without a request after which the model may be let go; None is the model's own.
        """
        self._service: Service = request.app.state.service
        self._record = record_of(request)
        self._name = name
        self._ttl = ttl
        self.model = name
        """What the reply calls the model: its id, once the first piece has come."""

    async def run(self, work: Work, *, is_first: bool = True) -> AsyncGenerator[Piece]:
        """Stream the engine's pieces; closing the iterator frees the engine.

        Args:
            work: what the engine is asked.
            is_first: whether this is the first choice of its prompt, with which the journal counts the prompt.

        Raises:
            ApiError: what `Service.lease` and the engine raise, and 400 for a prompt beyond the context.
        """
        async with contextlib.AsyncExitStack() as stack:
            entering = asyncio.ensure_future(stack.enter_async_context(self._lease("llm")))
            async with contextlib.aclosing(self._while_loading(entering)) as waiting:
                async for sign in waiting:
                    yield sign
            engine = await entering
            _check_fits(work, engine)
            await self._note_prompt(work, engine)
            begun = engine.generate(work) if isinstance(work, GenerationRequest) else engine.complete(work)
            async with contextlib.aclosing(begun) as pieces:
                async for piece in pieces:
                    if isinstance(piece, (TextPiece, ReasoningPiece, CallPiece)):
                        self._record.first_piece()
                    elif isinstance(piece, Finished):
                        self._record.spent(piece.usage, is_first=is_first)
                    yield piece

    async def _while_loading(self, entering: asyncio.Future[Engine]) -> AsyncGenerator[Loading]:
        """Give signs of life until the engine is there, but none of a short load: the first fixes the status."""
        try:
            await asyncio.wait({entering}, timeout=QUIET_LOAD)
            while not entering.done():
                seconds = self._service.loading_seconds(self._name)
                if seconds is not None:
                    yield Loading(seconds)
                await asyncio.wait({entering}, timeout=LOADING_INTERVAL)
        finally:
            entering.cancel()
            await asyncio.wait({entering})

    async def embed(self, inputs: list[str] | list[list[int]]) -> Embedded:
        """Turn inputs into vectors. Raises `ApiError` as `run` does."""
        async with self._lease("embeddings") as engine:
            embedded = await engine.embed(inputs)
            self._record.prompt_tokens = embedded.tokens
            return embedded

    async def _note_prompt(self, work: Work, engine: Engine) -> None:
        if not self._service.settings.log_prompts:
            return
        if isinstance(work, CompletionRequest):
            note_prompt(self._record, work.prompt)
        elif isinstance(engine, Renders):
            note_prompt(self._record, await engine.render(work))

    @contextlib.asynccontextmanager
    async def _lease(self, kind: Kind) -> AsyncGenerator[Engine]:
        leased = self._service.lease(self._name, kind=kind, ttl=self._ttl, client=self._record.client)
        try:
            async with leased as (model, engine):
                self.model = self._record.model = model
                yield engine
        except ApiError as error:
            # In a stream that has begun, no answer with this status tells the log.
            self._record.failed(error.body)
            raise


def _check_fits(work: Work, engine: Engine) -> None:
    # The engine counts exactly, but only after it has tokenised everything. No vocabulary packs more than
    # some 64 characters into a token, so text beyond that is refused without the work.
    if isinstance(work, CompletionRequest):
        shortest = len(work.prompt) // 64 if isinstance(work.prompt, str) else len(work.prompt)
        param = "prompt"
    else:
        shortest = sum(len(str(message.get("content", ""))) for message in work.messages) // 64
        param = "messages"
    if shortest > engine.context_length:
        raise ApiError(
            400,
            f"The prompt is far larger than the context of {engine.context_length} tokens.",
            code=ErrorCode.CONTEXT_LENGTH_EXCEEDED,
            param=param,
        )


def waiting(piece: Loading | Progress) -> bytes:
    """Write how far things are as a comment of the stream, which also keeps a quiet connection open."""
    match piece:
        case Loading(seconds=seconds):
            return sse.comment(f"loading the model, {seconds:.0f} s so far")
        case Progress(total=total, cached=cached, processed=processed):
            return sse.comment(f"prompt {processed}/{total} tokens, {cached} cached")


class EventStream(StreamingResponse):
    """A stream of events whose work ends with the connection, even where no event was ever asked for."""

    def __init__(
        self,
        events: AsyncGenerator[bytes],
        work: AsyncGenerator[object],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take the events, and the work that they tell of."""
        super().__init__(events, headers=headers, media_type="text/event-stream")
        self._events = events
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()
            await self._work.aclose()


# The client leaves --------------------------------------------------------------------------------------


class ClientLeft(Exception):
    """The client closed its connection before there was anything to answer."""


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Await `work`, and cancel it when the client leaves: a reply that nobody reads holds a slot for nothing.

    Raises:
        ClientLeft: when the client went first.
    """
    task = asyncio.ensure_future(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeft
        return task.result()
    finally:
        for pending in (task, leaving):
            pending.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
