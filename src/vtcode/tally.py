"""What a turn came to so far, and whether it goes round in circles."""

import time
from typing import Final

import msgspec

from vtcode import events
from vtcode.events import Event
from vtcode.messages import Finish, Status, ToolCall, ToolResult, Usage

REPEATS: Final = 2
"""How often a call, or a round of calls with the same results, may be repeated before a warning is its answer."""

LONGEST_ROUND: Final = 3
"""Calls of the longest round that is looked for."""

MOST_WARNINGS: Final = 3
"""Warnings in a row after which the model is asked for its answer."""

_SAME_CALL: Final = "You made this very call before and have its result. Do something else, or answer."
_SAME_ROUND: Final = (
    "You make the same calls in turn and get the same results each time. Do something else, or answer."
)


class _Made(msgspec.Struct, frozen=True):
    """A call that was answered."""

    name: str
    arguments: str
    text: str


class Tally:
    """What a turn came to so far."""

    def __init__(self, watchers: frozenset[str] = frozenset()) -> None:
        """Begin at nothing.

        Args:
            watchers: names of tools that look at something that goes on: repeating those is no circle.
        """
        self.steps = 0
        self.said: list[str] = []
        """Text of the reply that is still coming in."""
        self.finish = Finish.CANCELLED
        """What it stays when nothing else is said before the turn ends."""
        self.error = ""
        self.warnings = 0
        """In a row."""
        self._watchers = watchers
        self._text = ""
        self._calls = 0
        self._denied: list[str] = []
        self._usage = Usage()
        self._newest: tuple[str, str] | None = None
        self._repeated = 0
        self._made: list[_Made] = []
        self._started = time.monotonic()

    def hear(self, event: Event) -> None:
        """Count in what happened."""
        match event:
            case events.TextDelta(text=text):
                self.said.append(text)
            case events.MessageFinished(message=message):
                self.said.clear()
                self._text = message.text
                self._usage += message.usage
            case events.ToolFinished(call=call, result=result):
                self._calls += 1
                self._made.append(_Made(call.name, call.arguments, self._result(call, result)))
                if result.status is Status.DENIED:
                    self._denied.append(result.name)
            case _:
                pass

    def add(self, usage: Usage) -> None:
        """Count in what a request beside the steps took."""
        self._usage += usage

    def warning(self, call: ToolCall) -> str | None:
        """Say to the model that this call would be one more round in a circle; None when it is not.

        A call is repeated when it is made again right away, word for word, whatever comes of it. Calls in turn are a
        circle only while each of them has the same result as the last time.
        """
        key = (call.name, call.arguments)
        self._repeated = self._repeated + 1 if key == self._newest else 0
        self._newest = key
        warning = None
        if call.name in self._watchers:
            pass
        elif self._repeated > REPEATS:
            warning = _SAME_CALL
        elif any(self._goes_round(key, length) for length in range(2, LONGEST_ROUND + 1)):
            warning = _SAME_ROUND
        self.warnings = self.warnings + 1 if warning else 0
        return warning

    def _goes_round(self, key: tuple[str, str], length: int) -> bool:
        newest = self._made[-length * (REPEATS + 1) :]
        if len(newest) < length * (REPEATS + 1):
            return False
        rounds = [newest[at : at + length] for at in range(0, len(newest), length)]
        first = rounds[0]
        if (first[0].name, first[0].arguments) != key or any(made.name in self._watchers for made in first):
            return False
        return all(other == first for other in rounds[1:])

    def _result(self, call: ToolCall, result: ToolResult) -> str:
        """Give what a call came to; one that got a warning instead came to what it did before."""
        if result.text not in {_SAME_CALL, _SAME_ROUND}:
            return result.text
        same = (made for made in reversed(self._made) if (made.name, made.arguments) == (call.name, call.arguments))
        return next((made.text for made in same), "")

    def finished(self) -> events.TurnFinished:
        return events.TurnFinished(
            finish=self.finish,
            text=self._text,
            steps=self.steps,
            calls=self._calls,
            denied=tuple(self._denied),
            usage=self._usage,
            seconds=time.monotonic() - self._started,
            error=self.error,
        )
