"""Keeps keys that were typed before a question stood there from answering it."""

from collections.abc import Callable
from typing import Final

QUIET: Final = 0.3
"""Seconds for which a question must have been seen, and no key come, before a key answers it."""


class Guard:
    """One question."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: float | None = None
        self._is_open = False

    def drawn(self) -> None:
        """Be told that the question is on the screen."""
        if self._since is None:
            self._since = self._clock()

    def takes(self) -> bool:
        """Tell whether a key that comes now is meant as an answer; one that is not begins the wait anew."""
        now = self._clock()
        if self._since is None:
            return False
        if not self._is_open and now - self._since < QUIET:
            self._since = now
            return False
        self._is_open = True
        return True
