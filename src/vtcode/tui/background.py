"""Asks the terminal for its background, so that the colours fit it; its reply comes among the keys."""

import re
import time
from collections.abc import Callable
from typing import Any, Final

QUERY: Final = "\x1b]11;?\x1b\\"
"""OSC 11 (xterm's control sequences)."""

_REPLY: Final = re.compile(r"\x1b\]11;([^\x07\x1b]{0,80})(?:\x07|\x1b\\)")
_BEGUN: Final = re.compile(r"\x1b\]1(?:1(?:;[^\x07\x1b]{0,80}\x1b?)?)?$|\x1b\]?$")
_PATIENCE: Final = 2.0
"""Seconds in which a reply is awaited."""


class Background:
    """Takes the one reply out of what is typed."""

    def __init__(self, found: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to wait.

        Args:
            found: told the reply, such as `rgb:1e1e/1e1e/1e1e`.
            clock: gives the time, in seconds.
        """
        self._found = found
        self._clock = clock
        self._until = clock() + _PATIENCE
        self._held = ""

    def filter(self, data: str) -> str:
        """Give what of the input is for the program."""
        if not self._until and not self._held:
            return data
        data, self._held = self._held + data, ""
        if match := _REPLY.search(data):
            self._until = 0.0
            self._found(match[1])
            return data[: match.start()] + data[match.end() :]
        if self._clock() > self._until:
            self._until = 0.0
            return data
        # An Esc alone is a key of the person's: only what can be nothing else is held back.
        if (begun := _BEGUN.search(data)) is not None and len(begun.group()) > 2:
            self._held = begun.group()
            return data[: begun.start()]
        return data

    def listen(self, parser: Any) -> None:
        """Stand before a parser of prompt_toolkit's."""
        feed: Callable[[str], None] = parser.feed

        def filtered(data: str) -> None:
            feed(self.filter(data))

        parser.feed = filtered
