"""When a request that failed is made again, and after how long."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

RETRIED = frozenset({408, 429, *range(500, 600)} - {501, 505})
"""Statuses that may pass. 501 and 505 tell what the server will never do, and every other 4xx is about the request,
which would be no better the second time."""

FIRST_WAIT = 0.5
"""Seconds; each further wait is twice as long."""


class Budget(msgspec.Struct, frozen=True):
    """How much a request may be repeated."""

    attempts: int = 3
    """With the first."""
    seconds: float = 30.0
    """From the first on, the waits included."""


class Attempts:
    """The attempts of one request."""

    def __init__(
        self,
        budget: Budget,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.number = 1
        self._budget = budget
        self._clock = clock
        self._chance = chance
        self._started = clock()

    def next_wait(self, told: float | None = None) -> float | None:
        """Give the seconds until the next attempt, or None when there is to be none.

        Args:
            told: what the server asked for. It is never asked earlier than that: when the budget does not last
                so long, there is no further attempt.
        """
        if self.number >= self._budget.attempts:
            return None
        own = FIRST_WAIT * 2 ** (self.number - 1)
        # A little less at random, so that clients that failed together do not come back together.
        wait = told if told is not None else own * (1 - self._chance() / 4)
        if self._clock() - self._started + wait > self._budget.seconds:
            return None
        self.number += 1
        return wait


def told_seconds(header: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Read `Retry-After`: seconds or a date. What is neither is as good as nothing."""
    text = header.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < 16:
        return float(text)
    if not text or text[0].isdigit() or len(text) > 60:
        return None
    # Loaded for the one server in many that writes a date.
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now()).total_seconds())
