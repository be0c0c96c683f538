"""A model and its copy with an adapter merged in, as one engine: each request goes to the one that it is for."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from lmserver.engines import CompletionRequest, Embedded, GenerationRequest, Piece
from lmserver.engines.llama import LlamaEngine
from lmserver.engines.llama_process import begins_with

COPY: Final = True
BASE: Final = False


class MergedEngine:
    """The copy for requests that begin as the adapter was trained, and the base for all others.

    Each is there from the first request that is for it. The copy is loaded beforehand, since most who have it are
    agents; if the first request of all is for the base, the copy makes room.
    """

    def __init__(
        self,
        copy: LlamaEngine,
        prefix: str,
        load_copy: Callable[[], Awaitable[LlamaEngine]],
        load_base: Callable[[], Awaitable[LlamaEngine]],
    ) -> None:
        """Take a loaded copy.

        Args:
            copy: the copy.
            prefix: how the instructions begin that it is for.
            load_copy: loads it once more; raises `ApiError` when it cannot.
            load_base: loads the base; likewise.
        """
        self._first = copy
        self._engines = {COPY: copy}
        self._loads = {COPY: load_copy, BASE: load_base}
        self._prefix = prefix
        self._one_load = asyncio.Lock()
        self._is_used = False
        self._is_closed = False

    @property
    def context_length(self) -> int:
        return self._first.context_length

    @property
    def parallel(self) -> int:
        return self._first.parallel

    @property
    def is_alive(self) -> bool:
        return all(engine.is_alive for engine in self._engines.values())

    async def close(self) -> None:
        self._is_closed = True
        # A load that goes on is waited for: else its child would be left.
        async with self._one_load:
            await asyncio.gather(*(engine.close() for engine in self._engines.values()))

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Piece]:
        engine = await self._engine(is_for=begins_with({"messages": request.messages}, self._prefix))
        async with contextlib.aclosing(engine.generate(request)) as pieces:
            async for piece in pieces:
                yield piece

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Piece]:
        engine = await self._engine(is_for=begins_with({"prompt": request.prompt}, self._prefix))
        async with contextlib.aclosing(engine.complete(request)) as pieces:
            async for piece in pieces:
                yield piece

    async def embed(self, inputs: list[str] | list[list[int]]) -> Embedded:
        return await (await self._engine(is_for=BASE)).embed(inputs)

    async def render(self, request: GenerationRequest) -> str:
        engine = await self._engine(is_for=begins_with({"messages": request.messages}, self._prefix))
        return await engine.render(request)

    async def _engine(self, *, is_for: bool) -> LlamaEngine:
        async with self._one_load:
            if is_for not in self._engines and not self._is_closed:
                self._engines[is_for] = await self._loads[is_for]()
                if not self._is_used:
                    await self._engines.pop(not is_for).close()
            self._is_used = True
        # Of a closed engine, each says itself that it is.
        return self._engines.get(is_for, self._first)
