"""Tells a person who looks elsewhere that a long turn has ended."""

from collections.abc import Mapping
from typing import Final, Literal

from vtcode.text import visible

_BELL: Final = "\x07"
_KNOWN: Final = ("iTerm.app", "WezTerm", "ghostty")
"""Terminals that take OSC 9, by TERM_PROGRAM; others may print it."""
_TERMS: Final = ("xterm-kitty", "xterm-ghostty")


def attention(environ: Mapping[str, str], how: Literal["auto", "bell", "off"], text: str = "vtcode is done") -> str:
    """Give the bytes that call for attention: a notification where the terminal shows them, else a bell.

    Notifications are OSC 9 (iTerm2); tmux is asked to pass them on, which it does where its user lets it.
    """
    if how == "off":
        return ""
    shows = environ.get("TERM_PROGRAM") in _KNOWN or environ.get("TERM") in _TERMS or "WT_SESSION" in environ
    if how == "bell" or not shows:
        return _BELL
    told = f"\x1b]9;{visible(text, one_line=True)}\x07"
    return f"\x1bPtmux;{told.replace(chr(27), chr(27) * 2)}\x1b\\" if environ.get("TMUX") else told
