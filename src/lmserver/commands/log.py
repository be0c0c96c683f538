"""`lmstudio log`: what the server did, request by request."""

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from lmserver.commands.arguments import SUCCESS, add_json, command, positive
from lmserver.places import state_dir
from lmserver.text import one_line

if TYPE_CHECKING:
    from lmserver.commands.arguments import Commands

POLL = 0.2
"""Seconds between two looks at a log that is followed."""

_UNSERVED = "other"
"""The route that the log gives a request for a path which is not served."""

_EXAMPLES = """  lmstudio log                          the last 20 entries
  lmstudio log --follow                 and all that come, until Ctrl-C
  lmstudio log --errors -n 5            the last five that went wrong
  lmstudio log --json -n 1000 | jq 'select(.event == "request") | .tokens_per_second'"""

Line = dict[str, Any]


def add(commands: "Commands") -> None:
    """Add `log` to the commands."""
    parser = command(
        commands,
        "log",
        summary="show what the server did",
        description="Show the server's log: a line for each request, and for each model that came or went.",
        examples=_EXAMPLES,
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what comes, until Ctrl-C")
    parser.add_argument("--lines", "-n", type=positive, default=20, metavar="N", help="how many (default: 20)")
    parser.add_argument("--errors", "-e", action="store_true", help="only what went wrong")
    add_json(parser)
    parser.set_defaults(command=_log)


def _log(options: argparse.Namespace) -> int:
    path = state_dir(os.environ) / "log" / "server.jsonl"
    reader = Reader(path)
    wanted: deque[Line] = deque(maxlen=options.lines)
    wanted += (line for line in reader.past() if not options.errors or is_error(line))
    for line in wanted:
        _show(line, is_json=options.json)
    if not wanted and not options.follow:
        print(f"There is nothing to show in {path}.", file=sys.stderr)
    try:
        while options.follow:
            for line in reader.new():
                if not options.errors or is_error(line):
                    _show(line, is_json=options.json)
            time.sleep(POLL)
    finally:
        if reader.garbled:
            lines = "1 line was" if reader.garbled == 1 else f"{reader.garbled} lines were"
            print(f"{lines} not readable and left out.", file=sys.stderr)
    return SUCCESS


def _show(line: Line, *, is_json: bool) -> None:
    # json.dumps escapes all that is not ASCII, so that nothing steers a terminal this way either.
    print(json.dumps(line) if is_json else sentence(line), flush=True)


def is_error(line: Line) -> bool:
    """Tell whether the line is of something that went wrong."""
    status = line.get("status")
    return str(line.get("level", "")).lower() in {"error", "warning", "critical"} or (
        isinstance(status, int) and status >= 400
    )


def sentence(line: Line) -> str:
    """Write a line of the log for a person: time, level, and what there is of the rest."""
    parts = [_clock(line.get("time")), f"{str(line.get('level', '')).upper():<7}"]
    if line.get("event") == "request":
        # The message of such a line says the same once more.
        parts += [_asked(line), str(line.get("status", "?"))]
        parts += [str(line[name]) for name in ("error", "model", "client") if line.get(name)]
        parts += _figures(line)
    else:
        parts.append(str(line.get("message") or ""))
    return one_line("  ".join(part for part in parts if part))


def _asked(line: Line) -> str:
    """Give what was asked for: the route, or the path where none is served."""
    route = line.get("route")
    path = line.get("path") if route == _UNSERVED else route
    return " ".join(str(part) for part in (line.get("method"), path or "?") if part)


def _clock(written: object) -> str:
    """Give the time as this machine's clock shows it."""
    try:
        return datetime.fromisoformat(str(written)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return str(written)


def _figures(line: Line) -> list[str]:
    prompt, cached, completion = (line.get(f"{name}_tokens") for name in ("prompt", "cached", "completion"))
    figures: list[str] = []
    if prompt or completion:
        figures.append(f"{prompt or 0} → {completion or 0} tokens" + (f" ({cached} cached)" if cached else ""))
    units = {"seconds": "s", "time_to_first_token": "s to the first", "tokens_per_second": "tok/s"}
    for name, unit in units.items():
        if isinstance(value := line.get(name), int | float):
            figures.append(f"{value:.3g} {unit}")
    return figures


class Reader:
    """Reads a log that grows and is rotated away: `name`, and before it `name.1`, `name.2`, the oldest last."""

    def __init__(self, path: Path) -> None:
        """Take the path, where nothing need be yet."""
        self._path = path
        self._file: IO[bytes] | None = None
        self._rest = b""
        self.garbled = 0
        """Lines that were no JSON object and were passed over."""

    def past(self) -> Iterator[Line]:
        """Give the lines so far, the oldest first; `new` goes on from there."""
        rotated = [path for path in self._path.parent.glob(f"{self._path.name}.*") if path.suffix[1:].isdecimal()]
        for path in sorted(rotated, key=lambda path: int(path.suffix[1:]), reverse=True):
            try:
                with path.open("rb") as file:
                    yield from self._parsed(file)
            except OSError:
                # Rotated further meanwhile.
                continue
            self._rest = b""
        yield from self.new()

    def new(self) -> Iterator[Line]:
        """Give what came since the last call, also beyond a rotation."""
        if self._file is not None:
            yield from self._appended(self._file)
            if self._is_current(self._file):
                return
            # What was written to the old file between the last read and the rotation.
            yield from self._appended(self._file)
            self._file.close()
            self._file, self._rest = None, b""
        try:
            self._file = self._path.open("rb")
        except OSError:
            return
        yield from self._appended(self._file)

    def _appended(self, file: IO[bytes]) -> Iterator[Line]:
        if os.fstat(file.fileno()).st_size < file.tell():
            # Emptied in place.
            file.seek(0)
            self._rest = b""
        yield from self._parsed(file)

    def _is_current(self, file: IO[bytes]) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except OSError:
            return False

    def _parsed(self, file: IO[bytes]) -> Iterator[Line]:
        while raw := file.readline():
            self._rest += raw
            # The rest of a line that is being written comes with the next look.
            if not raw.endswith(b"\n"):
                return
            whole, self._rest = self._rest, b""
            try:
                yield msgspec.json.decode(whole, type=Line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self.garbled += 1 if whole.strip() else 0
