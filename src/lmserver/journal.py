"""What the server remembers of each request: who asked what, and what it cost."""

import time

import msgspec
from starlette.requests import Request

from lmwire.chat import Usage


class Record(msgspec.Struct):
    """One request, as the log tells it. Never a key, and no text of a prompt."""

    client: str = ""
    """Who asks: the name of the key, or the address."""
    model: str = ""
    started: float = 0.0
    """On the monotonic clock, in seconds."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    time_to_first_token: float | None = None
    """Seconds."""

    def first_piece(self) -> None:
        """Note that the first token is there, if it is the first."""
        if self.time_to_first_token is None:
            self.time_to_first_token = time.monotonic() - self.started

    def spent(self, usage: Usage) -> None:
        """Add what one reply cost."""
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        if usage.prompt_tokens_details:
            self.cached_tokens += usage.prompt_tokens_details.cached_tokens


def record_of(request: Request) -> Record:
    """Give the record of a request, which the outermost layer made."""
    return request.scope.setdefault("state", {}).setdefault("record", Record(started=time.monotonic()))
