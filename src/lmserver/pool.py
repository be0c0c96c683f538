"""Loads models on demand, keeps them, and lets the least recently used one go when there are too many."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec

from lmserver.engines import Engine

Loader = Callable[[], Awaitable[Engine]]


class _Resident(msgspec.Struct):
    """A loaded model, and how many requests use it now."""

    engine: Engine
    leases: int = 0


class Pool:
    """The loaded models. Only the pool starts and ends engines; a request borrows one through `lease`."""

    def __init__(self, *, limit: int) -> None:
        """Make an empty pool that keeps `limit` models; one in use is never let go, even beyond that."""
        self._limit = limit
        # Insertion order is the order of last use.
        self._residents: dict[str, _Resident] = {}
        self._loading = asyncio.Lock()

    def loaded(self) -> dict[str, int]:
        """Give the ids of loaded models with their context lengths in tokens."""
        return {
            name: resident.engine.context_length
            for name, resident in self._residents.items()
            if resident.engine.is_alive
        }

    @contextlib.asynccontextmanager
    async def lease(self, name: str, load: Loader) -> AsyncGenerator[Engine]:
        """Borrow the engine of model `name`, started with `load` if it is not there; `load` may raise."""
        resident = await self._resident(name, load)
        resident.leases += 1
        try:
            yield resident.engine
        finally:
            resident.leases -= 1

    async def close(self) -> None:
        """End every engine."""
        residents, self._residents = list(self._residents.values()), {}
        await asyncio.gather(*(resident.engine.close() for resident in residents))

    async def _resident(self, name: str, load: Loader) -> _Resident:
        resident = self._residents.get(name)
        if resident is not None and resident.engine.is_alive:
            # The newest is the last; and nobody waits here for the load of another model.
            self._residents[name] = self._residents.pop(name)
            return resident
        # One load at a time: two at once would both measure the same free memory.
        async with self._loading:
            resident = self._residents.pop(name, None)
            if resident is not None and not resident.engine.is_alive:
                await resident.engine.close()
                resident = None
            if resident is None:
                await self._make_room()
                resident = _Resident(await load())
            self._residents[name] = resident
            return resident

    async def _make_room(self) -> None:
        idle = [name for name, resident in self._residents.items() if not resident.leases]
        for unused in idle[: max(0, len(self._residents) - self._limit + 1)]:
            await self._residents.pop(unused).engine.close()
