"""What the log of a session is made of: one JSON line a fact."""

import json
import time
from datetime import datetime
from typing import Annotated, Final

import msgspec

from vtcode.events import Event

VERSION: Final = 1
"""Of the log. One that only adds facts or members keeps it."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="session"):
    """What the session works with; the first line, and once more when any of it changes."""

    id: str
    created: str
    workspace: str
    """Absolute."""
    version: int = VERSION
    program: str = ""
    """The version of vtcode."""
    model: str = ""
    provider: str = ""
    profile: str = ""
    notes: str = ""
    """What the project said of itself (AGENTS.md) when the session began, as it stands in the prompt."""
    prefix: str = ""
    """Digest of what stands before the conversation in each request: instructions, tools, examples."""
    forked_from: str = ""
    """The session that this one is a copy of."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, tag="file.kept"):
    """What a file was, told before it is changed."""

    path: str
    """Relative to the workspace."""
    step: int = 0
    """Of the turn that the line belongs to."""
    blob: str | None = None
    """Digest of the content, by which it is kept; None for a file that is new, or lost."""
    mode: int | None = None
    """Permission bits."""
    lost: str = ""
    """Why the content could not be kept."""

    @property
    def is_new(self) -> bool:
        return self.blob is None and not self.lost


class Left(msgspec.Struct, frozen=True, kw_only=True, tag="file.left"):
    """What a file was right after the call that changed it."""

    path: str
    digest: str | None
    """None for no file."""


Fact = Header | Kept | Left | Event


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: a fact, and what is known of it besides."""

    n: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
    """Its place in the log, from 1."""
    at: str
    """When it was written. It never reaches a prompt."""
    fact: Fact
    turn: int = 0
    """The turn that it belongs to, from 1; 0 before the first."""


_DECODER: Final = msgspec.json.Decoder(Line)
_ENCODER: Final = msgspec.json.Encoder()


def decode(data: bytes) -> Line | None:
    """Read a line; None when it is none."""
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def encode(line: Line) -> bytes:
    """Write a line, newline included; what no encoding has is replaced."""
    try:
        return _ENCODER.encode(line) + b"\n"
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(line), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def stamp(seconds: float) -> str:
    """Write a point in time: UTC, to the millisecond."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


def local_minute(written: str) -> str:
    """Write such a time for people: to the minute, by the clock of this machine."""
    try:
        return datetime.fromisoformat(written).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        # A log that somebody changed.
        return written[:16].replace("T", " ")
