"""Where a step starts: the conversation so far, and what of the workspace bears on it."""

from collections.abc import Callable

import msgspec

from vtcode.messages import Message


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What a step starts from."""

    messages: tuple[Message, ...]
    step: int
    """From 1 in each turn."""
    files: tuple[str, ...] = ()
    """Files of the workspace, relative, with `/`."""
    notes: str = ""
    """What the project says of itself: the end of the instructions."""
    is_program: Callable[[str], bool] | None = None
    """Tells whether a word names a program that commands can begin with; None where nobody knows."""
    may_call: bool = True
    """Whether another call would be answered; without that, it is time for the answer."""
