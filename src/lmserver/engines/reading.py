"""Reads a reply while it is written: where a stop text comes, and which part of the text is a call."""

from collections.abc import Collection, Sequence

import msgspec

from lmserver.engines import CallPiece, JsonObject, TextPiece
from lmserver.engines.llama_wire import new_call_id


def held_back(text: str, wanted: str) -> int:
    """Tell how many characters at the end of `text` could be the beginning of `wanted`."""
    longest = min(len(text), len(wanted) - 1)
    return next((size for size in range(longest, 0, -1) if wanted.startswith(text[-size:])), 0)


class StopFinder:
    """Lets text through up to the first stop text, and keeps back what could be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._kept: str = ""
        self.is_found = False

    def feed(self, text: str) -> str:
        """Take what was written, and give what surely belongs to the reply."""
        text = self._kept + text
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.is_found, self._kept = True, ""
            return text[: min(places)]
        size = max((held_back(text, stop) for stop in self._stops), default=0)
        self._kept = text[len(text) - size :]
        return text[: len(text) - size]

    def rest(self) -> str:
        """Give what was kept back, since no stop text came of it."""
        kept, self._kept = self._kept, ""
        return kept


class _Call(msgspec.Struct, frozen=True):
    name: str
    arguments: JsonObject = {}


class CallReader:
    """Parts text from calls that are written as `<tool_call>{"name": …, "arguments": {…}}</tool_call>`."""

    OPEN, CLOSE = "<tool_call>", "</tool_call>"

    def __init__(self, names: Collection[str]) -> None:
        """Take the names of the functions that are offered; a call to any other is text."""
        self._names = names
        self._kept: str = ""
        self._is_in_call = False
        self.calls = 0

    def feed(self, text: str) -> list[TextPiece | CallPiece]:
        """Take what was written, and give what it surely is."""
        pieces: list[TextPiece | CallPiece] = []
        self._kept += text
        while True:
            wanted = self.CLOSE if self._is_in_call else self.OPEN
            before, found, after = self._kept.partition(wanted)
            if not found:
                break
            pieces += self._call(before, found) if self._is_in_call else _text(before)
            self._is_in_call, self._kept = not self._is_in_call, after
            # The white space between two calls belongs to their form.
            if self.calls and not self._is_in_call and not after.strip():
                self._kept = ""
        if not self._is_in_call:
            size = held_back(self._kept, self.OPEN)
            sure = self._kept[: len(self._kept) - size]
            if not (self.calls and not sure.strip()):
                pieces += _text(sure)
            self._kept = self._kept[len(self._kept) - size :]
        return pieces

    def rest(self, *, is_cut: bool) -> list[TextPiece | CallPiece]:
        """Give what was kept back when the reply ended; a call that the limit cut is no call."""
        kept, self._kept = self._kept, ""
        if not self._is_in_call:
            return _text(kept)
        self._is_in_call = False
        return _text(self.OPEN + kept) if is_cut else self._call(kept, "")

    def _call(self, content: str, end: str) -> list[TextPiece | CallPiece]:
        try:
            call = msgspec.json.decode(content.strip(), type=_Call)
        except msgspec.MsgspecError:
            return _text(self.OPEN + content + end)
        if call.name not in self._names:
            return _text(self.OPEN + content + end)
        index, self.calls = self.calls, self.calls + 1
        return [
            CallPiece(index=index, id=new_call_id(), name=call.name),
            CallPiece(index=index, arguments=msgspec.json.encode(call.arguments).decode()),
        ]


def _text(text: str) -> list[TextPiece | CallPiece]:
    return [TextPiece(text)] if text else []
