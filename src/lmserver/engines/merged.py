"""A model and its copy with an adapter merged in, as one engine: each request goes to the one that it is for."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

from lmserver.engines import CompletionRequest, Embedded, GenerationRequest, Piece
from lmserver.engines.llama import LlamaEngine
from lmserver.engines.llama_process import begins_with


class MergedEngine:
    """The copy from the beginning, and the base from the first request that is not for the adapter."""

    def __init__(self, merged: LlamaEngine, prefix: str, load_base: Callable[[], Awaitable[LlamaEngine]]) -> None:
        """Take a loaded copy.

        Args:
            merged: the copy.
            prefix: how the instructions begin that it is for.
            load_base: loads the base; raises `ApiError` when it cannot.
        """
        self._merged = merged
        self._prefix = prefix
        self._load_base = load_base
        self._base: LlamaEngine | None = None
        self._one_load = asyncio.Lock()
        self._is_closed = False

    @property
    def context_length(self) -> int:
        return self._merged.context_length

    @property
    def parallel(self) -> int:
        return self._merged.parallel

    @property
    def is_alive(self) -> bool:
        return self._merged.is_alive and (self._base is None or self._base.is_alive)

    async def close(self) -> None:
        self._is_closed = True
        # A load that goes on is waited for: else its child would be left.
        async with self._one_load:
            base, self._base = self._base, None
        await asyncio.gather(*(engine.close() for engine in (self._merged, base) if engine is not None))

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Piece]:
        engine = await self._engine(is_adapted=begins_with({"messages": request.messages}, self._prefix))
        async with contextlib.aclosing(engine.generate(request)) as pieces:
            async for piece in pieces:
                yield piece

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Piece]:
        engine = await self._engine(is_adapted=begins_with({"prompt": request.prompt}, self._prefix))
        async with contextlib.aclosing(engine.complete(request)) as pieces:
            async for piece in pieces:
                yield piece

    async def embed(self, inputs: list[str] | list[list[int]]) -> Embedded:
        return await self._merged.embed(inputs)

    async def render(self, request: GenerationRequest) -> str:
        return await self._merged.render(request)

    async def _engine(self, *, is_adapted: bool) -> LlamaEngine:
        if is_adapted:
            return self._merged
        async with self._one_load:
            if self._base is None and not self._is_closed:
                self._base = await self._load_base()
        return self._base or self._merged
