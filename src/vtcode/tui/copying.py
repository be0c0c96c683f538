"""Puts text on the clipboard of the person's terminal, which may be far away: OSC 52 (xterm)."""

import base64
import re
from collections.abc import Mapping
from typing import Final

MOST_BYTES: Final = 74_000
"""What terminals take: 100,000 characters of base64, less some room (tmux, xterm)."""
_PIECE: Final = 700
"""Characters that GNU screen passes on at once."""
_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """Leave out what would steer the program that it is pasted into: a shell runs what an escape ends a paste for."""
    return _STEERING.sub("", text.encode("utf-8", "replace").decode())


def osc52(text: str, environ: Mapping[str, str]) -> str | None:
    """Give the bytes that put a text on the clipboard; None for one that is too long, or a terminal without one."""
    data = plain(text).encode()
    if len(data) > MOST_BYTES or environ.get("TERM") in ("dumb", "linux"):
        return None
    told = f"\x1b]52;c;{base64.b64encode(data).decode()}\x07"
    if environ.get("TMUX"):
        # By its options (`set-clipboard`, `allow-passthrough`) it passes on the one, or takes the other.
        return f"\x1bPtmux;{told.replace(chr(27), chr(27) * 2)}\x1b\\{told}"
    if environ.get("STY"):
        return "".join(f"\x1bP{told[at : at + _PIECE]}\x1b\\" for at in range(0, len(told), _PIECE))
    return told
