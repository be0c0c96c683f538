"""Where the log goes: lines for a person on standard error, and JSON lines in a file that is kept short."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

log = logging.getLogger("lmstudio")

MAX_SIZE = 10 << 20
"""Bytes of a log file before the next one is begun."""
KEPT = 5
"""Older files that are kept."""


def log_file(state: Path) -> Path:
    """Say where the log of the server with this state folder is."""
    return state / "log" / "server.jsonl"


def begin(state: Path, *, with_prompts: bool, may_rotate: bool) -> None:
    """Send the log of this process to standard error and to the file.

    Args:
        state: the server's state folder.
        with_prompts: whether prompts are written, to the file alone.
        may_rotate: whether this process begins new files while it runs. The servers of a parent, of which there
            may be many at once, do so only with their first line.
    """
    people = logging.StreamHandler(sys.stderr)
    people.setLevel(logging.INFO)
    people.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    file = LogFile(log_file(state), may_rotate=may_rotate)
    file.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[people, file])
    logging.getLogger("lmstudio").setLevel(logging.DEBUG if with_prompts else logging.INFO)
    # The client of the engines would log each of its requests a second time.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # The journal tells of requests, and of those that fail; what clients send amiss is no event.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)


def note(event: str, message: str, members: Mapping[str, Any], *, level: int = logging.INFO) -> None:
    """Write one line to the log: for a person the message, for a program the members."""
    log.log(level, "%s", message, extra={"event": event, "members": members})


class _JsonLines(logging.Formatter):
    """Formats an event as one JSON object, in ASCII: control characters of any kind are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "server"),
            "message": record.getMessage(),
            **getattr(record, "members", {}),
        }
        if record.exc_info:
            event["trace"] = self.formatException(record.exc_info)
        return json.dumps(event)


class LogFile(RotatingFileHandler):
    """A file that several servers may append to; what the disk refuses is said once, and nothing stops for it."""

    def __init__(self, path: Path, *, may_rotate: bool, max_size: int = MAX_SIZE) -> None:
        super().__init__(path, maxBytes=max_size, backupCount=KEPT, encoding="utf-8", delay=True)
        self._path = path
        self._may_rotate_later = may_rotate
        self._may_rotate = True
        self._has_complained = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # One write a line, so that the lines of several processes do not mix.
            line = self.format(record).encode() + b"\n"
            stream = self._current()
            if self._may_rotate and 0 < os.fstat(stream.fileno()).st_size > self.maxBytes - len(line):
                self.doRollover()
                stream = self._current()
            self._may_rotate = self._may_rotate_later
            os.write(stream.fileno(), line)
        except OSError as error:
            self._complain(error)

    def _current(self) -> TextIOWrapper:
        """Open the file, anew where another server has begun a new one."""
        stream = self.stream
        if stream is not None and _is_at(self._path, stream):
            return stream
        if stream is not None:
            stream.close()
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.stream = opened = self._open()
        return opened

    def _open(self) -> TextIOWrapper:
        return open(self._path, "a", encoding="utf-8", opener=_private)

    def _complain(self, error: OSError) -> None:
        if not self._has_complained:
            self._has_complained = True
            why = error.strerror or str(error)
            print(f"WARNING: the log {self._path} cannot be written ({why}); going on without it.", file=sys.stderr)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_at(path: Path, stream: TextIOWrapper) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
