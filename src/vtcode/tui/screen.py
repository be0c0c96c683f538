"""The terminal's output: lines that are done go to its own scrollback, the live region below is redrawn.

Each frame is one write, between the marks of a synchronized update (mode 2026), so that a terminal never shows half
of one. Only rows that changed are written. What a frame costs depends on the live region alone, which the terminal's
height bounds, and never on how much was said before.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from prompt_toolkit.application import Application
from prompt_toolkit.layout import Layout
from prompt_toolkit.output import Output
from prompt_toolkit.renderer import Renderer
from prompt_toolkit.styles import DummyStyle
from prompt_toolkit.utils import get_cwidth

FRAMES_A_SECOND: Final = 20
"""At most, for what changes by itself. What a key changes is drawn at once."""

_BEGIN: Final = "\x1b[?2026h\x1b[?25l\x1b[?7l"
_END: Final = "\x1b[?7h\x1b[?2026l"
_SHOW: Final = "\x1b[?25h"
_SEQUENCE: Final = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)")


class Frame(msgspec.Struct, frozen=True):
    """The live region."""

    lines: Sequence[str]
    """No wider and no more than the screen has room for."""
    cursor: tuple[int, int] | None = None
    """Row and column in them; None to hide it."""


class Resizing(msgspec.Struct, frozen=True):
    """What a terminal does when its size changes."""

    reflows: bool = True
    """Whether it wraps lines anew when it gets narrower: xterm itself and the console of Linux leave them cut."""
    settles: float = 0.06
    """Seconds without another size after which it can be drawn on again."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Resizing":
        """Tell by an environment. tmux tells of a size up to 250 ms late (`server_client_check_pane_resize`)."""
        return cls(
            reflows="XTERM_VERSION" not in environ and environ.get("TERM") != "linux",
            settles=0.3 if "TMUX" in environ else 0.06,
        )


class Screen(Renderer):
    """Draws frames where an Application's own renderer would draw its layout."""

    def __init__(self, output: Output, compose: Callable[[int, int], Frame], resizing: Resizing) -> None:
        """Take over an output.

        Args:
            output: of a terminal.
            compose: draws the live region for a number of columns and rows.
            resizing: what the terminal does then.
        """
        self._compose = compose
        self._resizing = resizing
        self._done: list[str] = []
        self._lines: list[str] = []
        self._cursor: tuple[int, int] | None = None
        self._at = (0, 0)
        """Row and column where the terminal's cursor is, from the first of the lines."""
        self._columns = 0
        self._size: tuple[int, int] | None = None
        self._still_until = 0.0
        """Until when nothing is drawn, since the terminal is being resized."""
        self._is_drawn = False
        self._pastes = False
        """Whether the terminal marks what is pasted."""
        self._later: asyncio.TimerHandle | None = None
        self._last = 0.0
        super().__init__(DummyStyle(), output)

    def request_absolute_cursor_position(self) -> None:
        """Ask nothing: where on the screen the region stands does not matter here."""

    def commit(self, lines: Sequence[str]) -> None:
        """Have lines stand above the live region for good, from the next frame on."""
        self._done += lines

    def request(self, application: Application[Any]) -> None:
        """Have a frame drawn soon, and no more of them a second than are worth it."""
        if self._later is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._last + 1 / FRAMES_A_SECOND - loop.time()
        if wait <= 0:
            self._draw_now(application)
        else:
            self._later = loop.call_later(wait, self._draw_now, application)

    def _draw_now(self, application: Application[Any]) -> None:
        self._later = None
        self._last = asyncio.get_running_loop().time()
        application.invalidate()

    def render(self, app: Application[Any], layout: Layout, is_done: bool = False) -> None:
        """Draw a frame; the last one leaves nothing of the live region."""
        del layout
        size = self.output.get_size()
        columns, rows = max(1, size.columns), max(1, size.rows)
        if not is_done and self._is_settling(app, (columns, rows)):
            return
        frame = Frame(()) if is_done else self._compose(columns, rows)
        lines = list(frame.lines)[:rows]
        if not self._pastes and not is_done:
            self._pastes = True
            self.output.enable_bracketed_paste()
        if self._done or columns != self._columns or not self._is_drawn:
            written, row = self._anew(lines, columns), max(0, len(lines) - 1)
        else:
            written, row = self._changed(lines)
            if not written and frame.cursor == self._cursor:
                return
        self._lines, self._columns, self._is_drawn, self._cursor = lines, columns, True, frame.cursor
        self._at = frame.cursor or (row, 0)
        written += _moved(self._at[0] - row) + "\r" + (f"\x1b[{self._at[1]}C" if self._at[1] else "")
        shown = _SHOW if frame.cursor is not None or is_done else ""
        self.send(f"{_BEGIN}{written}{shown}{_END}")

    def _is_settling(self, application: Application[Any], size: tuple[int, int]) -> bool:
        """Whether the terminal is being resized: what is drawn before its lines are wrapped anew lands elsewhere."""
        loop = asyncio.get_running_loop()
        if self._is_drawn and size != self._size:
            self._still_until = loop.time() + self._resizing.settles
            loop.call_at(self._still_until, application.invalidate)
        self._size = size
        return loop.time() < self._still_until

    def send(self, sequence: str) -> None:
        """Write to the terminal. One that has gone away is no error: the hang-up that follows ends the program."""
        with contextlib.suppress(OSError):
            self.output.write_raw(sequence)
            self.output.flush()

    def _anew(self, lines: Sequence[str], columns: int) -> str:
        """Draw everything, below what is done."""
        written = self._to_top(columns) + "\x1b[J"
        if self._done:
            # Wrapped by the terminal where it counts columns in another way: nothing of it may be lost.
            written += "\x1b[?7h" + "\r\n".join(self._done) + "\r\n\x1b[?7l"
            self._done.clear()
        return written + "\r\n".join(lines)

    def _changed(self, lines: Sequence[str]) -> tuple[str, int]:
        """Draw the rows that changed; tell where that leaves the cursor."""
        written, row = "", self._at[0]
        for at, line in enumerate(lines):
            if at < len(self._lines):
                if line == self._lines[at]:
                    continue
                written += _moved(at - row) + "\r\x1b[K" + line
            else:
                # Beyond the last row, where the screen may have to scroll.
                written += _moved(max(0, at - 1) - row) + ("\r\n" if at else "\r") + line
            row = at
        if len(lines) < len(self._lines):
            written += _moved(len(lines) - row) + "\r\x1b[J"
            row = len(lines)
        return written, row

    def _to_top(self, columns: int) -> str:
        """Go to the first row of what was drawn, which takes more rows where the terminal has got narrower."""
        row = self._at[0]
        if self._resizing.reflows and 0 < columns < self._columns:
            row = sum(_rows(line, columns) for line in self._lines[:row]) + self._at[1] // columns
        return _moved(-row) + "\r"

    def erase(self, leave_alternate_screen: bool = True) -> None:
        """Take the live region off the screen, for what else is to use it."""
        if not leave_alternate_screen:
            # The size has changed: the frame that follows sees that by itself.
            return
        written = self._to_top(self._columns) + "\x1b[J" if self._is_drawn else ""
        self.send(f"{written}{_SHOW}")
        self._stop_pastes()
        self._forget()

    def clear(self) -> None:
        """Clear the screen; what went into the scrollback stays there."""
        self.send("\x1b[H\x1b[2J")
        self._forget()

    def reset(self, _scroll: bool = False, leave_alternate_screen: bool = True) -> None:
        """Leave the terminal as it was found, and draw everything at the next frame."""
        super().reset(_scroll=False, leave_alternate_screen=leave_alternate_screen)
        self._stop_pastes()
        self._forget()

    def _stop_pastes(self) -> None:
        if self._pastes:
            self._pastes = False
            self.send("\x1b[?2004l")

    def _forget(self) -> None:
        self._lines, self._at, self._is_drawn = [], (0, 0), False


def _moved(rows: int) -> str:
    if not rows:
        return ""
    return f"\x1b[{rows}B" if rows > 0 else f"\x1b[{-rows}A"


def _rows(line: str, columns: int) -> int:
    return max(1, -(-get_cwidth(_SEQUENCE.sub("", line)) // columns))
