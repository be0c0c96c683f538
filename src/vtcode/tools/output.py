"""What a command or a server prints: both ends for the model, the whole in the spool."""

import codecs
import re
from collections.abc import Callable
from typing import Final

from vtcode.tools.spool import MOST_BYTES, Spool, SpoolFile

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")


class Captured:
    """An output of any length, in memory of at most a few times `limit` characters."""

    def __init__(
        self, limit: int, spool: Spool | None = None, on_output: Callable[[str], None] | None = None
    ) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._on_output = on_output
        self._limit = limit
        self._ends = Ends(limit)
        self._spool = spool
        self._early = bytearray()
        """What came before it was clear that not all of it can be shown."""
        self._file: SpoolFile | None = None

    def feed(self, chunk: bytes) -> None:
        """Add a piece."""
        text = self._decoder.decode(chunk)
        self._ends.add(text)
        if self._file is not None:
            self._file.write(chunk)
        elif self._spool is not None:
            self._early += chunk
            if self._ends.is_cut:
                self._file, self._spool = self._spool.open(), None
                if self._file is not None:
                    self._file.write(bytes(self._early))
                self._early.clear()
        if self._on_output is not None and text:
            self._on_output(text)

    def close(self) -> None:
        """End it; call this on every way out."""
        if self._file is not None:
            self._file.close()

    def text(self) -> str:
        """Return what the model is shown."""
        return plain(self._ends.text(where(self._file))).strip("\n")

    def under(self, head: str) -> str:
        """Return the output beneath a first line."""
        text = self.text()
        return f"{head}\n{text}" if text else f"{head}, no output"


class Ends:
    """The beginning and the end of a text of any length, in memory of at most `limit` characters or so."""

    def __init__(self, limit: int) -> None:
        self._head_limit = limit // 2
        self._tail_limit = limit - self._head_limit
        self._head = ""
        self._tail = ""
        self._total = 0

    @property
    def is_cut(self) -> bool:
        return self._total > self._head_limit + self._tail_limit

    def add(self, text: str) -> None:
        """Add a piece."""
        self._total += len(text)
        room = self._head_limit - len(self._head)
        self._head += text[:room]
        self._tail = (self._tail + text[room:])[-self._tail_limit :] if self._tail_limit else ""

    def text(self, rest: str = "") -> str:
        """Return all of it, or both ends, cut between lines where they have any, with a line about the rest.

        Args:
            rest: where the rest is, for that line.
        """
        if not self.is_cut:
            return self._head + self._tail
        head = self._head[: max(self._head.rfind("\n"), 0)] or self._head
        tail = self._tail[self._tail.find("\n") + 1 :] or self._tail
        left_out = self._total - len(head) - len(tail)
        return f"{head}\n[{left_out:,} characters left out{rest}]\n{tail}"


def bounded(text: str, limit: int, spool: Spool | None) -> str:
    """Return a text as far as the model is shown it; the whole of a longer one goes to the spool."""
    captured = Captured(limit, spool)
    captured.feed(text.encode("utf-8", "replace"))
    captured.close()
    return captured.text()


def where(file: SpoolFile | None) -> str:
    """Say where a whole output is, as a part of a sentence."""
    if file is None:
        return ""
    return f"; whole: {file.name}" if file.is_whole else f"; its first {MOST_BYTES // 1_000_000} MB: {file.name}"


def plain(text: str) -> str:
    """Drop colours, and of lines that were written over (progress bars) all but their last state."""
    lines = _ESCAPES.sub("", text).split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
