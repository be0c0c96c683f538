"""Loads models on demand, keeps them, and lets go of those that are not used, or that leave no room."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence

import msgspec

from lmserver import memory
from lmserver.admission import Admission
from lmserver.engines import Engine
from lmserver.engines.child import on_spawn
from lmserver.errors import ApiError
from lmserver.logfile import note
from lmserver.memory import Footprint
from lmserver.settings import ModelSettings
from lmwire.errors import ErrorCode

Loader = Callable[[int], Awaitable[Engine]]
"""Starts an engine within so many bytes of memory; raises `ApiError` when it cannot."""

MOST_LOADS = 3
"""Times that a model is loaded for one request, whose engine ends before the request's turn comes."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A model as a request needs it: what to load if it is not there."""

    id: str
    stamp: tuple[object, ...] = ()
    """Which file the id means now; another stamp is another model."""
    settings: ModelSettings = ModelSettings()
    footprint: Footprint = Footprint()
    parallel: int = 4
    ttl: float | None = None
    """Seconds without a request after which it is let go; None means never."""
    load: Loader


class Resident:
    """A model that is loaded or on the way, and who uses it."""

    def __init__(self, wanted: Wanted, bound: int) -> None:
        self.wanted = wanted
        self.ttl = wanted.ttl
        self.admission = Admission(slots=wanted.parallel, bound=bound)
        self.engine: Engine | None = None
        """None while it loads."""
        self.begun = self.last_used = time.monotonic()
        self.task: asyncio.Task[Engine] | None = None
        self._child = 0
        """Process id of the engine's child, from its start on."""

    def watch(self, child: int) -> None:
        """Be told which process the model is loaded in."""
        self._child = child

    @property
    def load_progress(self) -> float | None:
        """Which share of the weights is in memory while it loads, from 0 to 1; None where the system does not say.

        llama.cpp maps the file, so that what of it was read counts as the child's memory.
        """
        weights = self.wanted.footprint.weights
        if self.engine is not None or not weights:
            return None
        held = memory.resident(self._child) if self._child else 0
        return None if held is None else min(held / weights, 0.99)

    @property
    def is_alive(self) -> bool:
        """False once it can serve no more requests."""
        return self.engine is None or self.engine.is_alive

    @property
    def is_idle(self) -> bool:
        """Whether it is loaded and nobody uses it."""
        return self.engine is not None and not self.admission.in_use

    @property
    def idle_seconds(self) -> float:
        return time.monotonic() - self.last_used

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it is let go if nobody asks; None while it is used, and if it is never let go."""
        return None if self.ttl is None or not self.is_idle else self.ttl - self.idle_seconds

    async def ready(self) -> Engine:
        """Wait for the load, which goes on when the wait is cancelled. Raises what the load raises."""
        assert self.task is not None
        # Not awaited itself: a cancelled waiter must not end the load of the others.
        await asyncio.wait({self.task})
        if self.task.cancelled():
            raise _unloaded(self.wanted.id)
        return self.task.result()


class Pool:
    """The loaded models. Only the pool starts and ends engines; a request borrows one through `lease`."""

    def __init__(
        self, *, limit: int, bound: int = 64, available: Callable[[Sequence[Footprint]], int] = memory.available
    ) -> None:
        """Make an empty pool.

        Args:
            limit: models that stay loaded; one in use is never let go, and one without an end does not count.
            bound: requests that may wait for one model.
            available: bytes that another model may take beside those that are loaded.
        """
        self._limit = limit
        self._bound = bound
        self._available = available
        self._residents: dict[str, Resident] = {}
        # Replaced, and still in use by requests that began before.
        self._retired: list[Resident] = []
        self._ending = set[asyncio.Task[None]]()
        self._one_load = asyncio.Lock()
        self._changed = asyncio.Event()
        self._reaper: asyncio.Task[None] | None = None

    def residents(self) -> dict[str, Resident]:
        """Give what is loaded or on the way, by id."""
        return {name: resident for name, resident in self._residents.items() if resident.is_alive}

    @property
    def loaded(self) -> int:
        """How many models are in memory, those too that were replaced and are still used."""
        return sum(each.engine is not None and each.is_alive for each in (*self._residents.values(), *self._retired))

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn at a model, or for the model."""
        every = (*self._residents.values(), *self._retired)
        return sum(each.admission.waiting + (0 if each.engine else each.admission.running) for each in every)

    def keep_only(self, known: Collection[str]) -> None:
        """Let go of models that are not among the `known` ids; requests that use one go on."""
        for name in self._residents.keys() - known:
            self._retire(self._residents[name])

    @contextlib.asynccontextmanager
    async def lease(self, wanted: Wanted, *, ttl: float | None = None, client: str = "") -> AsyncGenerator[Engine]:
        """Borrow the engine of a model, loaded first if need be, when it is this request's turn.

        Args:
            ttl: seconds without a request after which the model may go, from now on; a model that was loaded
                to stay keeps staying.

        Raises:
            ApiError: what the load raises, and 429 when too many wait.
        """
        for _ in range(MOST_LOADS):
            resident = self._present(wanted) or self._begin(wanted)
            if ttl is not None and resident.ttl is not None:
                resident.ttl = ttl
            try:
                async with resident.admission.enter(client):
                    engine = await resident.ready()
                    if engine.is_alive:
                        yield engine
                        return
                    # It died while this request waited; another one takes its place.
            finally:
                resident.last_used = time.monotonic()
                self._changed.set()
        raise ApiError(
            500,
            f"The engine of {wanted.id} ended each of the {MOST_LOADS} times that it was started for this request. "
            "The server's log says how.",
            code=ErrorCode.ENGINE_FAILED,
            kind="server_error",
        )

    async def load(self, wanted: Wanted, *, is_exact: bool) -> Resident:
        """Load a model before anybody asks, and keep it as long as `wanted` says.

        Args:
            is_exact: whether one that is loaded with other settings is replaced; requests that use it go on.

        Raises:
            ApiError: what the load raises.
        """
        resident = self._present(wanted)
        if resident is not None and is_exact and resident.wanted.settings != wanted.settings:
            self._retire(resident)
            resident = None
        resident = resident or self._begin(wanted)
        await resident.ready()
        resident.ttl, resident.last_used = wanted.ttl, time.monotonic()
        self._changed.set()
        return resident

    async def unload(self, name: str, *, is_forced: bool) -> bool:
        """End a model; return False when it is not loaded.

        Raises:
            ApiError: 409 `model_in_use` when requests use it, unless it is forced, which fails them.
        """
        resident = self._residents.get(name)
        if resident is None:
            return False
        if (users := resident.admission.in_use) and not is_forced:
            raise ApiError(
                409,
                f"{users} {'request uses' if users == 1 else 'requests use'} {name} now. Wait for the end, or "
                'send `"force": true` to cut them off.',
                code=ErrorCode.MODEL_IN_USE,
            )
        await self._end(resident, "as asked")
        return True

    async def close(self) -> None:
        """End every engine."""
        if self._reaper is not None:
            self._reaper.cancel()
            await asyncio.wait({self._reaper})
        every = [*self._residents.values(), *self._retired]
        await asyncio.gather(*(self._end(resident, "as the server stops") for resident in every))
        if self._ending:
            await asyncio.wait(self._ending)

    def _present(self, wanted: Wanted) -> Resident | None:
        resident = self._residents.get(wanted.id)
        if resident is None:
            return None
        if resident.wanted.stamp != wanted.stamp:
            note("model", f"{wanted.id} has changed on disk", {"model": wanted.id, "action": "change"})
        elif resident.is_alive:
            return resident
        else:
            # As it was loaded, so it comes back.
            self._retire(resident)
            return self._begin(msgspec.structs.replace(resident.wanted, ttl=resident.ttl))
        self._retire(resident)
        return None

    def _begin(self, wanted: Wanted) -> Resident:
        resident = Resident(wanted, self._bound)
        self._residents[wanted.id] = resident
        resident.task = asyncio.create_task(self._load(resident))
        # Looked at here, so that a load that fails after all have left is no surprise to the event loop.
        resident.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap())
        return resident

    async def _load(self, resident: Resident) -> Engine:
        try:
            # One load at a time: two at once would both measure the same free memory.
            async with self._one_load:
                await self._make_room(resident.wanted)
                on_spawn.set(resident.watch)
                engine = resident.engine = await resident.wanted.load(self._free())
        except BaseException:
            self._forget(resident)
            raise
        resident.admission.resize(engine.parallel)
        resident.last_used = time.monotonic()
        self._changed.set()
        return engine

    async def _make_room(self, wanted: Wanted) -> None:
        await self._end_retired()
        # What is about to end still counts as memory in use.
        if self._ending:
            await asyncio.wait(self._ending)
        going = sorted(
            (each for each in self._residents.values() if each.ttl is not None and each.engine is not None),
            key=lambda each: each.last_used,
        )
        surplus = len(going) + 1 - self._limit
        for resident in going:
            is_short = self._free() < wanted.footprint.total
            if surplus <= 0 and not is_short:
                return
            if resident.is_idle:
                await self._end(resident, f"to make room for {wanted.id}")
                surplus -= 1

    def _free(self) -> int:
        every = [*self._residents.values(), *self._retired]
        return self._available([each.wanted.footprint for each in every if each.engine is not None])

    # The end of models -------------------------------------------------------------------------------------

    async def _reap(self) -> None:
        """End what nobody has asked for in its time, and what was replaced and is used no more."""
        while True:
            left = [each.seconds_left for each in self._residents.values()]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min((max(0.0, each) for each in left if each is not None), default=None)):
                    await self._changed.wait()
            self._changed.clear()
            for resident in [*self._residents.values()]:
                if resident.seconds_left is not None and resident.seconds_left <= 0:
                    await self._end(resident, f"unused for {resident.idle_seconds:.0f} s")
            await self._end_retired()

    def _retire(self, resident: Resident) -> None:
        self._forget(resident)
        self._retired.append(resident)
        self._changed.set()

    def _forget(self, resident: Resident) -> None:
        if self._residents.get(resident.wanted.id) is resident:
            del self._residents[resident.wanted.id]
        if resident in self._retired:
            self._retired.remove(resident)

    async def _end_retired(self) -> None:
        for resident in [each for each in self._retired if not each.admission.in_use]:
            await self._end(resident, "replaced")

    async def _end(self, resident: Resident, why: str) -> None:
        self._forget(resident)
        name = resident.wanted.id
        note("model", f"unloading {name}, {why}", {"model": name, "action": "unload", "reason": why})
        resident.admission.refuse(_unloaded(name))
        assert resident.task is not None
        resident.task.cancel()
        # A load, or the server, may be cancelled here; the engine has to end all the same.
        ending = asyncio.create_task(_close(resident, resident.task))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)


async def _close(resident: Resident, load: asyncio.Task[Engine]) -> None:
    await asyncio.wait({load})
    if resident.engine is not None:
        await resident.engine.close()


def _unloaded(name: str) -> ApiError:
    return ApiError(
        503,
        f"The model {name} was unloaded while this request waited for it. Send the request again to load it anew.",
        code=ErrorCode.MODEL_UNLOADED,
        kind="server_error",
    )
