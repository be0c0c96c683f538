"""Who may use an engine now: as many requests as it computes together, and a queue that is fair among clients."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import AsyncGenerator

from lmserver.errors import ApiError
from lmwire.errors import ErrorCode

MOST_SECONDS = 600
"""The longest time after which a refused client is told to come again."""


class Admission:
    """The way to one engine. Those who wait get in by turns of the clients, and of one client in order."""

    def __init__(self, *, slots: int, bound: int) -> None:
        """Let in `slots` requests at once, and let `bound` more wait."""
        self._slots = slots
        self._bound = bound
        self.running = 0
        """Requests that are in."""
        # The first client is the next to get a slot; one that has got it goes to the end.
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._usual_seconds = 1.0

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._queues.values()))

    @property
    def in_use(self) -> int:
        """How many requests are in or wait."""
        return self.running + self.waiting

    def resize(self, slots: int) -> None:
        """Let in `slots` requests at once from now on."""
        self._slots = slots
        self._let_in()

    def refuse(self, error: ApiError) -> None:
        """Fail all who wait."""
        queues, self._queues = self._queues, {}
        for queue in queues.values():
            for place in queue:
                if not place.done():
                    place.set_exception(error)

    @contextlib.asynccontextmanager
    async def enter(self, client: str) -> AsyncGenerator[None]:
        """Wait for a slot and hold it; a cancelled wait leaves the queue at once.

        Raises:
            ApiError: 429 `queue_full` with Retry-After when too many wait already.
        """
        await self._wait(client)
        entered = time.monotonic()
        try:
            yield
        finally:
            self._usual_seconds += (time.monotonic() - entered - self._usual_seconds) / 8
            self._leave()

    async def _wait(self, client: str) -> None:
        if self.running < self._slots and not self._queues:
            self.running += 1
            return
        if self.waiting >= self._bound:
            raise self._full()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(client, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                # The slot came in the same moment as the end.
                self._leave()
            elif queue := self._queues.get(client):
                if place in queue:
                    queue.remove(place)
                if not queue:
                    del self._queues[client]
            raise

    def _leave(self) -> None:
        self.running -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self.running < self._slots and self._queues:
            client = next(iter(self._queues))
            queue = self._queues.pop(client)
            place = queue.popleft()
            if queue:
                self._queues[client] = queue
            if not place.done():
                self.running += 1
                place.set_result(None)

    def _full(self) -> ApiError:
        expected = math.ceil(self.waiting / max(1, self._slots) * self._usual_seconds)
        seconds = min(max(1, expected), MOST_SECONDS)
        return ApiError(
            429,
            f"{self.waiting} requests for this model wait already, which is as many as may. "
            f"Try again in {seconds} s.",
            code=ErrorCode.QUEUE_FULL,
            kind="rate_limit_error",
            headers={"Retry-After": str(seconds)},
        )
