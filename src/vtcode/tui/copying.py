"""Puts text on the clipboard of the person's terminal, which may be far away: OSC 52 (xterm)."""

import base64
from collections.abc import Mapping
from typing import Final

MOST_BYTES: Final = 74_000
"""What terminals take: 100,000 characters of base64, less some room (tmux, xterm)."""


def osc52(text: str, environ: Mapping[str, str]) -> str | None:
    """Give the bytes that put a text on the clipboard; None for one that is too long for that."""
    data = text.encode("utf-8", "replace")
    if len(data) > MOST_BYTES:
        return None
    told = f"\x1b]52;c;{base64.b64encode(data).decode()}\x07"
    return f"\x1bPtmux;{told.replace(chr(27), chr(27) * 2)}\x1b\\" if environ.get("TMUX") else told
