"""Tells a person who looks elsewhere that a long turn has ended."""

from collections.abc import Mapping
from typing import Final, Literal

from vtcode.text import visible

_BELL: Final = "\x07"
_KNOWN: Final = ("iTerm.app", "WezTerm", "ghostty")
"""Terminals that take OSC 9, by TERM_PROGRAM; others may print it."""
_TERMS: Final = ("xterm-kitty", "xterm-ghostty")
_AROUND_TMUX: Final = ("KITTY_WINDOW_ID", "WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR", "ITERM_SESSION_ID")
"""What those terminals leave in the environment within tmux, which puts its own name in both variables."""


def attention(environ: Mapping[str, str], how: Literal["auto", "bell", "off"], text: str = "vtcode is done") -> str:
    """Give the bytes that call for attention: a notification where the terminal shows them, else a bell.

    Notifications are OSC 9 (iTerm2). Windows Terminal takes none, and keeps those digits for other things. tmux
    passes them on only where its user lets it (`allow-passthrough`), so that a bell goes with them there.
    """
    if how == "off":
        return ""
    in_tmux = bool(environ.get("TMUX"))
    shows = environ.get("TERM_PROGRAM") in _KNOWN or environ.get("TERM") in _TERMS
    shows = shows or (in_tmux and any(environ.get(name) for name in _AROUND_TMUX))
    if how == "bell" or not shows:
        return _BELL
    told = f"\x1b]9;{visible(text, one_line=True)}\x07"
    return f"\x1bPtmux;{told.replace(chr(27), chr(27) * 2)}\x1b\\{_BELL}" if in_tmux else told
