"""Text put into the clipboard by the terminal itself (OSC 52), so that it works over SSH and in tmux too."""

import base64
import os
import re
from collections.abc import Mapping
from typing import Final

MOST_BYTES: Final = 74_000
"""Of a text. Terminals drop longer sequences than some 100,000 characters, and base64 makes four of three."""
_SCREEN_PIECE: Final = 700
"""Bytes that GNU screen passes on in one piece."""

_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FENCED: Final = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})[^\n]*\n(.*?)^[ ]{0,3}\1[`~]*[ \t]*$", re.DOTALL | re.MULTILINE)


def code_blocks(text: str) -> list[str]:
    """Give what stands between fences in Markdown, in order."""
    return [found[2].removesuffix("\n") for found in _FENCED.finditer(text)]


def plain(text: str) -> str:
    """Leave out what would steer the terminal that it is pasted into."""
    return _STEERING.sub("", text)


def sequence(text: str, environ: Mapping[str, str]) -> bytes | None:
    """Give what has the terminal take a text into its clipboard; None when it would not (too long, no clipboard)."""
    data = plain(text).encode(errors="replace")
    if len(data) > MOST_BYTES or environ.get("TERM", "dumb") in ("dumb", "linux", ""):
        return None
    bare = b"\x1b]52;c;" + base64.b64encode(data) + b"\x07"
    if environ.get("TMUX"):
        # tmux takes it by itself or passes it on, as its options say, and drops the other of these.
        return bare + b"\x1bPtmux;" + bare.replace(b"\x1b", b"\x1b\x1b") + b"\x1b\\"
    if environ.get("STY"):
        pieces = (bare[at : at + _SCREEN_PIECE] for at in range(0, len(bare), _SCREEN_PIECE))
        return b"".join(b"\x1bP" + piece + b"\x1b\\" for piece in pieces)
    return bare


def send(data: bytes) -> None:
    """Write to the terminal, between two frames of the screen. Raises OSError."""
    with open(os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC), "wb", buffering=0) as terminal:
        rest = memoryview(data)
        while rest:
            rest = rest[terminal.write(rest) :]
