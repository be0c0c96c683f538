"""A terminal: a pty with an emulator behind it, and `vtcode` in it."""

import contextlib
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pexpect
import pyte

from tests.agent.recording import Recording
from tests.agent.support import Bench
from tests.support.processes import BIN, clean_environment

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "tab": "\t",
    "backspace": "\x7f",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "alt-enter": "\x1b\r",
    **{f"ctrl-{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
    "ctrl-_": "\x1f",
}

READY = "›"


class Terminal:
    """What a person sees and types."""

    def __init__(self, process: "pexpect.spawn[bytes]", columns: int, rows: int) -> None:
        self.process = process
        self.raw = bytearray()
        """All that the program wrote."""
        self._screen = pyte.HistoryScreen(columns, rows, history=20_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)

    # Seeing ------------------------------------------------------------------------------------------------

    def pump(self, seconds: float = 0.0) -> bool:
        """Take in what was written; tell whether the program still runs."""
        end = time.monotonic() + seconds
        while True:
            left = max(0.0, end - time.monotonic())
            try:
                data = self.process.read_nonblocking(65_536, timeout=min(0.02, left))
            except pexpect.TIMEOUT:
                if left <= 0:
                    return True
                continue
            except pexpect.EOF:
                return False
            self.raw += data
            self._stream.feed(data)
            if left <= 0:
                return True

    @property
    def lines(self) -> list[str]:
        """The rows on the screen, without the blanks at their ends."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def status(self) -> str:
        """The last line that holds something."""
        return next((line for line in reversed(self.lines) if line), "")

    @property
    def everything(self) -> str:
        """The scrollback and the screen."""
        above = [_row(row, self._screen.columns) for row in self._screen.history.top]
        return "\n".join([*above, *self.lines])

    @property
    def cursor(self) -> tuple[int, int]:
        return self._screen.cursor.y, self._screen.cursor.x

    def wait(self, words: str, seconds: float = 15.0) -> None:
        """Wait until words are on the screen."""
        self.until(lambda: words in self.text, f"{words!r} to be seen", seconds)

    def gone(self, words: str, seconds: float = 15.0) -> None:
        """Wait until words are not on the screen any more."""
        self.until(lambda: words not in self.text, f"{words!r} to go", seconds)

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
        end = time.monotonic() + seconds
        while True:
            runs = self.pump(0.02)
            if not self._is_within_frame and holds():
                return
            assert runs, f"vtcode ended before {what}:\n{self.everything}"
            assert time.monotonic() < end, f"waited in vain for {what}:\n{self.everything}"

    def ready(self) -> None:
        """Wait until it is connected and nothing runs."""
        self.until(lambda: self._is_ready(), "the prompt of a window that is connected")

    @property
    def _is_within_frame(self) -> bool:
        """Whether the end of a frame is still on its way: a pty cuts long writes."""
        return self.raw.rfind(b"\x1b[?2026h") > self.raw.rfind(b"\x1b[?2026l")

    def _is_ready(self) -> bool:
        return "(Esc interrupts)" not in self.text and "connecting" not in self.text and READY in self.text

    def ended(self) -> int:
        """Wait until the program ends; give its exit status."""
        end = time.monotonic() + 15
        while self.pump(0.05):
            assert time.monotonic() < end, f"it does not end:\n{self.everything}"
        self.process.wait()
        return -(self.process.signalstatus or 0) or int(self.process.exitstatus or 0)

    def columns_of(self, letter: str) -> set[int]:
        """Give the columns of the screen in which a letter stands."""
        buffer = self._screen.buffer
        places = ((row, at) for row in range(self._screen.lines) for at in range(self._screen.columns))
        return {at for row, at in places if buffer[row][at].data == letter}

    # Typing ------------------------------------------------------------------------------------------------

    def type(self, text: str) -> None:
        self.process.send(text.encode())

    def press(self, *keys: str) -> None:
        for key in keys:
            self.type(KEYS[key])
            if key == "escape":
                # As with fingers: what follows at once would be part of a sequence.
                self.pump(0.1)

    def say(self, text: str) -> None:
        """Type a line and send it."""
        self.type(text)
        self.press("enter")

    def paste(self, text: str) -> None:
        self.type(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int, rows: int) -> None:
        self.process.setwinsize(rows, columns)
        self._screen.resize(rows, columns)


def _row(row: Any, columns: int) -> str:
    return "".join(row[at].data for at in range(columns)).rstrip()


class Place:
    """A workspace without a scripted server beside it."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.workspace = home / "work"
        self.workspace.mkdir()
        self.environment = clean_environment(home, environment)


@contextlib.contextmanager
def window(
    b: Bench | Recording | Place,
    *arguments: str,
    columns: int = 80,
    rows: int = 24,
    in_shell: bool = False,
    env: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Run `vtcode` in a terminal. It is no first run, unless `FIRST` is set.

    Args:
        b: where, with which server.
        arguments: of the command line.
        columns: of the terminal.
        rows: of the terminal.
        in_shell: type its name at the prompt of a shell that has job control.
        env: environment beyond that of the place.
    """
    environment = dict(env or {})
    state = b.home / ".local" / "state" / "vtcode"
    state.mkdir(parents=True, exist_ok=True)
    if not environment.pop("FIRST", ""):
        (state / "welcomed").touch()
    process: pexpect.spawn[bytes] = pexpect.spawn(
        "bash" if in_shell else str(BIN / "vtcode"),
        ["--norc", "--noprofile", "-i"] if in_shell else list(arguments),
        env={**b.environment, "TERM": "xterm-256color", "NO_COLOR": "1", "COLORFGBG": "15;0", **environment},
        cwd=str(b.workspace),
        timeout=20,
        dimensions=(rows, columns),
    )
    process.delaybeforesend = None
    terminal = Terminal(process, columns, rows)
    try:
        if in_shell:
            terminal.say(shlex.join([str(BIN / "vtcode"), *arguments]))
        yield terminal
    finally:
        process.close(force=True)


def stable(text: str, b: Bench) -> str:
    """Take out what differs from run to run."""
    for pattern, word in (
        (re.escape(str(b.workspace)), "WORKSPACE"),
        (re.escape(b.server.url), "SERVER"),
        (r"\d+\.\d s", "N.N s"),
        (r"\d{8}T\d{6}-[0-9a-f]{6}", "SESSION"),
    ):
        text = re.sub(pattern, word, text)
    return text
