"""What the spinner says: what is awaited, and how far it is."""

from typing import Final

from vtcode import events
from vtcode.events import Event
from vtcode.text import visible

_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_A_SECOND: Final = 8
_WARM: Final = 0.5
"""Seconds of a reply after which its speed says something."""


class Progress:
    """Follows the events of a turn."""

    def __init__(self) -> None:
        self._what = "connecting"
        self._since: float | None = None
        self._is_generating = False
        self._pieces = 0

    def hear(self, event: Event, now: float) -> None:
        """Take in what happened."""
        match event:
            case events.StepStarted():
                self._begin("waiting for the model", now)
            case events.Waiting(processed=processed, total=total) if total:
                self._what = f"prefill {processed:,}/{total:,} tokens"
            case events.TextDelta() | events.ReasoningDelta():
                if not self._is_generating:
                    self._begin("thinking" if isinstance(event, events.ReasoningDelta) else "generating", now)
                    self._is_generating = True
                self._pieces += 1
            case events.ApprovalAsked():
                self._begin("waiting for your approval", now)
            case events.ToolStarted(call=call):
                self._begin(f"running {visible(call.name, one_line=True)}", now)
            case events.Retrying(reason=reason):
                self._begin(f"trying again: {visible(reason, one_line=True)}", now)
            case events.ToolFinished() | events.MessageFinished():
                self._begin("working", now)
            case events.TurnFinished():
                self._begin("", now)
            case _:
                pass

    def say(self, what: str, now: float) -> None:
        """Follow something that is no event of a turn, such as a model that is loaded."""
        if what != self._what:
            self._begin(what, now)

    def _begin(self, what: str, now: float) -> None:
        self._what, self._since = what, now
        self._is_generating, self._pieces = False, 0

    def text(self, now: float) -> str:
        """Say it, with the time that it takes."""
        since = self._since if self._since is not None else now
        seconds = now - since
        parts = [self._what or "working"]
        if self._is_generating and seconds > _WARM:
            # A piece is a token, or nearly: servers send one as soon as they have it.
            parts[0] += f" {self._pieces / seconds:.0f} tok/s"
        if seconds >= 1:
            parts.append(f"{seconds:.0f} s")
        return f"{_FRAMES[int(now * _FRAMES_A_SECOND) % len(_FRAMES)]} {' · '.join(parts)} (Esc interrupts)"
