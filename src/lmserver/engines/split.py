"""A raw constrained reply, taken apart as it comes: reasoning, then JSON or calls."""

from typing import Literal

import msgspec

from lmserver.engines import GeneratedToken, ReasoningPiece, TextPiece
from lmserver.engines.template import CALL_OPENING, THINK_CLOSING, THINK_OPENING

Thinking = Literal["none", "open", "possible"]
"""Whether a reply begins with reasoning: never, always (the prompt has opened it), or if the model likes."""


Answer = Literal["text", "calls", "either"]


class Splitter(msgspec.Struct):
    """The state of one reply. `text` and `calls` hold the raw answer, whichever of the two it turns out to be."""

    thinking: Thinking
    answer: Answer
    reasoning: str = ""
    reasoning_tokens: int = 0
    text: str = ""
    calls: str = ""
    _state: Literal["start", "thought", "gap", "answer"] = "start"
    _held: str = ""

    def feed(
        self, piece: str, tokens: tuple[GeneratedToken, ...] = (), *, is_last: bool = False
    ) -> list[TextPiece | ReasoningPiece]:
        """Take what the model wrote next, and give what of it can be shown.

        Args:
            piece: the text; what may be the beginning of a marker is held back.
            tokens: the tokens of this very piece, if they are asked for.
            is_last: whether nothing follows, so that nothing is to be held back.
        """
        shown: list[TextPiece | ReasoningPiece] = []
        self._held += piece
        if self._state == "start":
            self._begin(is_last)
        if self._state == "thought":
            self.reasoning_tokens += bool(piece)
            self._think(shown, is_last)
        if self._state == "gap":
            self._held = self._held.lstrip()
            if self._held:
                self._state = "answer"
        if self._state == "answer":
            self._answer(shown, piece, tokens, is_last)
        return shown

    def _begin(self, is_last: bool) -> None:
        if self.thinking == "open":
            self._state = "thought"
        elif self.thinking == "none":
            self._state = "answer"
        elif self._held.startswith(THINK_OPENING):
            self._held = self._held.removeprefix(THINK_OPENING)
            self._state = "thought"
        elif is_last or not THINK_OPENING.startswith(self._held):
            self._state = "answer"

    def _think(self, shown: list[TextPiece | ReasoningPiece], is_last: bool) -> None:
        thought, closing, rest = self._held.partition(THINK_CLOSING)
        if closing:
            self._state, self._held = "gap", rest
        else:
            kept = 0 if is_last else _beginning(thought, THINK_CLOSING)
            thought, self._held = thought[: len(thought) - kept], thought[len(thought) - kept :]
        if not self.reasoning:
            thought = thought.lstrip("\n")
        if thought:
            self.reasoning += thought
            shown.append(ReasoningPiece(thought))

    def _answer(
        self, shown: list[TextPiece | ReasoningPiece], piece: str, tokens: tuple[GeneratedToken, ...], is_last: bool
    ) -> None:
        if self.answer == "either":
            if CALL_OPENING.startswith(self._held[: len(CALL_OPENING)]) and self._held:
                if len(self._held) < len(CALL_OPENING) and not is_last:
                    return
                self.answer = "calls"
            elif self._held:
                self.answer = "text"
        held, self._held = self._held, ""
        if self.answer == "calls":
            self.calls += held
        elif held:
            self.text += held
            shown.append(TextPiece(held, tokens if held == piece else ()))


def _beginning(text: str, marker: str) -> int:
    """Count the characters at the end of `text` that may be the beginning of `marker`."""
    longest = min(len(text), len(marker) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(marker[:length])), 0)
