"""A reply while it comes in: its text, its calls and its usage, whichever API they come through."""

import msgspec

from vtcode.messages import AssistantMessage, Finish, ToolCall, Usage
from vtcode.providers import Endless, ReasoningDelta, TextDelta

MAX_REPLY = 4 << 20
"""Characters of one reply, about a million tokens; more is a model or a server gone wrong."""

MAX_PIECES = 2_000_000
"""Pieces of one reply; the same, of ones that say nothing."""

MAX_CALLS = 64
"""Calls of one reply; the same."""

SAME_TEXT = 8_000
"""Characters that only repeat a phrase after which the model is taken to be stuck."""

SAME_ARGUMENTS = 32_000
"""The same in the arguments of a call, where a file may well repeat itself."""

_PHRASE = 400
"""Characters of the longest phrase whose repetition is looked for."""


class CallDraft(msgspec.Struct):
    """A call while its pieces come in."""

    id: str = ""
    name: str = ""
    arguments: list[str] = []


class _Watch:
    """Looks at a growing text for a phrase that is said over and over."""

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self._tail = ""
        self._unseen = 0

    def add(self, text: str) -> None:
        """Take in more of the text.

        Raises:
            Endless: when its last `limit` characters are one short phrase again and again.
        """
        self._tail += text
        self._unseen += len(text)
        # Looked at now and then only: each look costs as much as the tail is long.
        if self._unseen < self._limit // 4:
            return
        self._unseen = 0
        self._tail = self._tail[-self._limit :]
        if len(self._tail) == self._limit and _is_phrase_repeated(self._tail):
            raise Endless(
                f"The model says the same again and again ({self._limit} characters of {self._what}), so it was "
                "stopped. Ask in other words, or try a larger model or another temperature."
            )


def _is_phrase_repeated(text: str) -> bool:
    end = text[-_PHRASE:]
    before = text.rfind(end, 0, len(text) - 1)
    period = len(text) - _PHRASE - before
    return before >= 0 and period <= _PHRASE and text[period:] == text[:-period]


class Draft:
    """A reply while it comes in, bounded in every direction."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.usage = Usage()
        self.is_cut = False
        """Whether the reply ran into a limit, so that its calls may be half of what was meant."""
        self.calls: list[CallDraft] = []
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._size = 0
        self._pieces = 0
        self._watches = {"text": _Watch(SAME_TEXT, "text"), "thought": _Watch(SAME_TEXT, "thought")}
        self._watches["arguments"] = _Watch(SAME_ARGUMENTS, "arguments")

    @property
    def is_empty(self) -> bool:
        return not (self._text or self._reasoning or self.calls)

    @property
    def size(self) -> int:
        """Count the characters of all that was said so far."""
        return self._size

    @property
    def has_answer(self) -> bool:
        """Tell whether there is more than thought."""
        return bool(self._text or self.calls)

    def count_piece(self) -> None:
        """Count in a piece of the stream, whatever it says."""
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            raise Endless(f"The reply came in more than {MAX_PIECES} pieces without an end. Try another model.")

    def say(self, text: str) -> TextDelta:
        self._grow(text, "text")
        self._text.append(text)
        return TextDelta(text)

    def think(self, text: str) -> ReasoningDelta:
        self._grow(text, "thought")
        self._reasoning.append(text)
        return ReasoningDelta(text)

    def open_call(self, call_id: str, name: str = "") -> CallDraft:
        if len(self.calls) >= MAX_CALLS:
            raise Endless(f"The reply has more than {MAX_CALLS} calls. Ask for less at a time, or try another model.")
        call = CallDraft(call_id, name, [])
        self.calls.append(call)
        self._grow(name, "")
        return call

    def extend_call(self, call: CallDraft, arguments: str) -> None:
        self._grow(arguments, "arguments")
        call.arguments.append(arguments)

    def _grow(self, text: str, what: str) -> None:
        self._size += len(text)
        if self._size > MAX_REPLY:
            raise Endless(f"The reply passed {MAX_REPLY >> 20} million characters without an end. Try another model.")
        if what:
            self._watches[what].add(text)

    def message(self) -> AssistantMessage:
        """Give the whole reply. A reply that was cut runs no call: its arguments may be half of what was meant."""
        calls: list[ToolCall] = []
        for index, call in enumerate(self.calls):
            # An id that is missing or taken would leave a result without its call.
            is_fresh = call.id and all(call.id != other.id for other in calls)
            arguments = "".join(call.arguments) or "{}"
            calls.append(ToolCall(call.id if is_fresh else f"call_{index}", call.name, arguments))
        finish = Finish.LENGTH if self.is_cut else Finish.TOOLS if calls else Finish.STOP
        return AssistantMessage(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            calls=() if self.is_cut else tuple(calls),
            finish=finish,
            usage=self.usage,
            model=self.model,
        )


def count(value: object) -> int:
    """Take a number of tokens as far as it makes sense: nothing depends on it but what a person is shown."""
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 1 << 40 else 0
