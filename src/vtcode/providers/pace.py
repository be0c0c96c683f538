"""Gives a stream a pulse: silence is told of each second, and ends the stream when it lasts."""

import asyncio
import time
from collections.abc import AsyncGenerator

from vtcode.providers import Waiting

PULSE = 1.0
"""Seconds of silence between two `Waiting` deltas."""


async def paced(source: AsyncGenerator[str], stall_timeout: float) -> AsyncGenerator[str | Waiting]:
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


class Patience:
    """How long a stream may go on without saying anything, whatever else it sends."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = time.monotonic()
        self._said: object = None

    def look(self, said: object) -> None:
        """Compare what was said so far with what was said the last time.

        Raises:
            TimeoutError: when it was the same for too long.
        """
        now = time.monotonic()
        if said != self._said:
            self._said, self._since = said, now
        elif now - self._since > self._seconds:
            raise TimeoutError
