"""Records a conversation as an animated SVG: a real `vtcode` in a pty, drawn from an emulator's screen."""

import contextlib
import html
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import pexpect
import pyte

from bench.tui import BIN, serve

COLUMNS: Final = 88
ROWS: Final = 26
CELL: Final = (8.4, 18.0)
"""Width and height of a letter, in pixels."""
PALETTE: Final = {
    "default": "#d6d9de",
    "black": "#5c6370",
    "red": "#f28b82",
    "green": "#9ccc9c",
    "brown": "#e6c674",
    "blue": "#8ab4f8",
    "magenta": "#d7aefb",
    "cyan": "#78d9ec",
    "white": "#d6d9de",
}
GROUND: Final = "#1e1f24"

FILES: Final = {
    "crates.py": (
        '"""Crates of fruit."""\n\n\ndef total(weights):\n    result = 0\n    for weight in weights:\n'
        "        result = weight\n    return result\n"
    ),
    "test_crates.py": "from crates import total\n\n\ndef test_total():\n    assert total([1, 2, 3]) == 6\n",
}


def _call(name: str, **arguments: object) -> dict[str, object]:
    return {"calls": [{"name": name, "arguments": arguments}]}


SCRIPT: Final[list[dict[str, object]]] = [
    {"text": "I look at the test and at what it tries.", "delay": 0.03} | _call("read_file", path="test_crates.py"),
    _call("read_file", path="crates.py"),
    _call("edit_file", path="crates.py", old_str="result = weight", new_str="result += weight"),
    _call("run_terminal_cmd", command="python -c 'from test_crates import *; test_total(); print(\"ok\")'"),
    {
        "text": "The loop kept the **last** weight and not the sum. It adds up now:\n\n"
        "```python\nfor weight in weights:\n    result += weight\n```\n\n"
        "| file | change |\n|---|---|\n| `crates.py` | one line |\n\nThe test passes.",
        "delay": 0.03,
    },
]


class Picture(msgspec.Struct):
    """A screen, and for how long it is seen."""

    rows: list[str]
    seconds: float


class Recorder:
    """A terminal that keeps what was on its screen."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self.pictures: list[Picture] = []
        self._last = time.monotonic()

    def watch(self, seconds: float, until: str = "") -> None:
        """Look on for some seconds, or until words are seen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until and until in "\n".join(self.screen.display)):
            with contextlib.suppress(pexpect.TIMEOUT):
                self._stream.feed(self.process.read_nonblocking(65_536, timeout=0.04))
            self._keep()
        if until and until not in "\n".join(self.screen.display):
            raise TimeoutError(f"{until!r} was not seen:\n" + "\n".join(self.screen.display))

    def type(self, text: str) -> None:
        """Type as a person does."""
        for letter in text:
            self.process.send(letter.encode())
            self.watch(0.04)

    def _keep(self) -> None:
        now = time.monotonic()
        rows = [self._row(number) for number in range(ROWS)]
        passed, self._last = now - self._last, now
        if self.pictures and self.pictures[-1].rows == rows:
            self.pictures[-1].seconds += passed
        else:
            self.pictures.append(Picture(rows, passed))

    def _row(self, number: int) -> str:
        """Draw a row as SVG."""
        cells = self.screen.buffer[number]
        runs: list[tuple[tuple[str, bool], int, str]] = []
        for column in range(COLUMNS):
            cell = cells[column]
            at_cursor = (number, column) == (
                self.screen.cursor.y,
                self.screen.cursor.x,
            ) and not self.screen.cursor.hidden
            style = ("reverse" if at_cursor else cell.fg, bool(cell.bold))
            if runs and runs[-1][0] == style:
                runs[-1] = (style, runs[-1][1], runs[-1][2] + cell.data)
            else:
                runs.append((style, column, cell.data))
        y = (number + 1) * CELL[1] + 8
        return "".join(_drawn(style, 12 + column * CELL[0], y, text) for style, column, text in runs)


def _drawn(style: tuple[str, bool], x: float, y: float, text: str) -> str:
    colour, is_bold = style
    drawn = ""
    if colour == "reverse":
        drawn = f'<rect x="{x:.1f}" y="{y - 14:.1f}" width="{CELL[0]}" height="{CELL[1]}" fill="#d6d9de"/>'
    if not text.strip():
        return drawn
    fill = PALETTE.get(colour) or (f"#{colour}" if len(colour) == 6 else PALETTE["default"])
    weight = ' font-weight="bold"' if is_bold else ""
    width = len(text.rstrip()) * CELL[0]
    place = f'x="{x:.1f}" y="{y:.1f}" textLength="{width:.1f}"'
    return drawn + f'<text {place} fill="{fill}"{weight} xml:space="preserve">{html.escape(text.rstrip())}</text>'


def svg(pictures: list[Picture]) -> str:
    """Write the pictures as one that moves; where it cannot, the last one is seen."""
    width, height = COLUMNS * CELL[0] + 24, ROWS * CELL[1] + 24
    # What is still for long is cut short, and the end is left to be read.
    shown = [Picture(picture.rows, min(picture.seconds, 1.2)) for picture in pictures]
    shown[-1].seconds = 5.0
    whole = sum(picture.seconds for picture in shown)
    # Each row of each picture is written once, and used from then on.
    names: dict[str, str] = {}
    for picture in shown:
        for row in picture.rows:
            if row:
                names.setdefault(row, f"r{len(names)}")
    defs = "".join(f'<g id="{name}">{row}</g>' for row, name in names.items())
    frames: list[str] = []
    at = 0.0
    for picture in shown:
        uses = "".join(f'<use href="#{names[row]}"/>' for row in picture.rows if row)
        start, end = at / whole, (at + picture.seconds) / whole
        is_last = picture is shown[-1]
        values = "none;inline;none" if start > 0 else "inline;none"
        times = f"0;{start:.4f};{end:.4f}" if start > 0 else f"0;{end:.4f}"
        if is_last:
            values, times = "none;inline", f"0;{start:.4f}"
        first = "inline" if is_last else "none"
        frames.append(
            f'<g display="{first}">{uses}<animate attributeName="display" values="{values}" keyTimes="{times}" '
            f'dur="{whole:.2f}s" calcMode="discrete" repeatCount="indefinite"/></g>'
        )
        at += picture.seconds
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">'
        f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/><defs>{defs}</defs>{"".join(frames)}</svg>\n'
    )


def record() -> list[Picture]:
    """Run the conversation."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        folder = home / "orchard"
        folder.mkdir()
        for file, text in FILES.items():
            (folder / file).write_text(text)
        state = home / ".local/state/vtcode"
        state.mkdir(parents=True)
        (state / "welcomed").touch()
        script = home / "scripted.json"
        script.write_text(json.dumps(SCRIPT))
        with serve(home, script) as url:
            process: Any = pexpect.spawn(
                str(BIN / "vtcode"),
                env={
                    "HOME": name,
                    "PATH": f"{BIN}:/usr/bin:/bin",
                    "TERM": "xterm-256color",
                    "LANG": "C.UTF-8",
                    "COLORTERM": "truecolor",
                    "COLORFGBG": "15;0",
                    "LMSTUDIO_BASE_URL": url,
                },
                cwd=str(folder),
                dimensions=(ROWS, COLUMNS),
            )
            process.delaybeforesend = None
            recorder = Recorder(process)
            recorder.watch(10, "sandbox")
            recorder.watch(0.8)
            recorder.type("The test in test_crates.py fails. Mend it.")
            recorder.type("\r")
            for _ in range(2):
                recorder.watch(20, "asks to run")
                recorder.watch(1.5)
                recorder.type("y")
                recorder.watch(0.3)
            recorder.watch(20, "tokens read")
            recorder.watch(1.0)
            process.close(force=True)
            return recorder.pictures


if __name__ == "__main__":
    if shutil.which("bwrap") is None:
        sys.exit("The recording needs bubblewrap.")
    Path(sys.argv[1]).write_text(svg(record()))
