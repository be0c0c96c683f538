"""The conversation as lines: what is done, for the scrollback, and what is still open, for the live region."""

from collections import deque
from typing import Any, Final, cast

import msgspec

from vtcode import events
from vtcode.events import Event
from vtcode.messages import Finish, Status, ToolCall
from vtcode.text import visible
from vtcode.tui.diff import render_diff
from vtcode.tui.markdown import Markdown
from vtcode.tui.theme import Role, Theme
from vtcode.tui.wrap import cut, width_of, wrap

_MOST_SAID: Final = 12
"""Lines of what the person said that are shown; all of it is sent."""
_MOST_OUTPUT: Final = 5
"""Lines of what a command printed."""
_MOST_DIFF: Final = 60
_MOST_KEPT: Final = 1_000_000
"""Characters of what is folded that are kept for the pager."""
_MOST_FOLDED: Final = 20
_MOST_OPEN: Final = 4_000
"""Characters of what is open, such as a thought, that are looked at for a frame."""
_MARKS: Final[dict[Status, tuple[Role, str]]] = {
    Status.OK: ("ok", "✓"),
    Status.ERROR: ("bad", "✗"),
    Status.DENIED: ("warn", "⊘"),
    Status.CANCELLED: ("warn", "⊘"),
}
_TELLING: Final = ("command", "path", "pattern", "question")
"""The argument of a call that says what it is about."""
_PRINTS: Final = ("run_terminal_cmd", "command_output")
"""Tools whose results a person wants to see."""


class Folded(msgspec.Struct, frozen=True):
    """What was too long to be shown."""

    title: str
    text: str


class Transcript:
    """Turns events into lines of the screen."""

    def __init__(self, theme: Theme, width: int, *, show_reasoning: bool = False) -> None:
        """Begin.

        Args:
            width: columns of the screen.
            show_reasoning: whether what the model thinks is shown, or folded.
        """
        self.theme = theme
        self._width = width
        self._shows_reasoning = show_reasoning
        self._answer: Markdown | None = None
        self._thought = ""
        """What the model thinks, from the last line on that is not done."""
        self._thoughts: list[str] = []
        self._call: ToolCall | None = None
        """The call that runs."""
        self._output = _Tail()
        self._folded: deque[Folded] = deque(maxlen=_MOST_FOLDED)
        self._is_after_call = False
        """Whether the line before is one of a call: those stand close together."""

    def resize(self, width: int) -> None:
        """Draw for another width from now on; what is in the scrollback is the terminal's to wrap."""
        self._width = width
        if self._answer is not None:
            self._answer.width = width

    def use_theme(self, theme: Theme) -> None:
        """Draw in another theme from now on."""
        self.theme = theme
        if self._answer is not None:
            self._answer.theme = theme

    def folded(self) -> Folded | None:
        """Give what was folded in this conversation, the newest first; None when nothing was."""
        if not self._folded:
            return None
        newest, *others = reversed(self._folded)
        return Folded(newest.title, "\n\n".join([newest.text, *(f"── {one.title}\n\n{one.text}" for one in others)]))

    # Beside the conversation --------------------------------------------------------------------------------

    def user(self, text: str) -> list[str]:
        """Show what the person said."""
        done = self._close()
        lines = visible(text.strip("\n")).split("\n")
        shown = lines[:_MOST_SAID]
        rows = wrap("\n".join(shown), self._width, "  ", "› ")
        done += ["", *(self.theme.paint("user", row) for row in rows)]
        if len(lines) > len(shown):
            done.append(self._fold("What you said", text, f"  … {len(lines) - len(shown):,} more lines"))
        return done

    def note(self, text: str) -> list[str]:
        """Show text beside the conversation."""
        return self._dim(text)

    def error(self, text: str) -> list[str]:
        """Show an error."""
        lines = wrap(f"error: {visible(text)}", self._width)
        return [*self._close(), *(self.theme.paint("bad", line) for line in lines)]

    # A turn -------------------------------------------------------------------------------------------------

    def feed(self, event: Event) -> list[str]:
        """Take what happened in a turn; give the lines that are done."""
        match event:
            case events.TextDelta(text=text):
                return self._say(text)
            case events.ReasoningDelta(text=text):
                return self._think(text)
            case events.MessageFinished():
                return self._close()
            case events.ToolStarted(call=call):
                done = self._close()
                self._call, self._output = call, _Tail()
                return done
            case events.ToolOutput(text=text):
                self._output.add(text)
                return []
            case events.ToolFinished():
                return self._finish_call(event)
            case events.Notice(text=text):
                return self._dim(text)
            case events.Reminded(text=text):
                return self._dim(f"To the model: {text}")
            case events.Retrying(reason=reason, seconds=seconds):
                return self._dim(f"{reason} Trying again in {seconds:.0f} s.")
            case events.Compacted(how=how, before=before, after=after):
                return self._dim(
                    f"The conversation was made shorter ({how}): {before:,} tokens before, {after:,} after."
                )
            case events.Rewound(turns=turns):
                return self._dim(f"The conversation goes on from the end of turn {turns}.")
            case events.TurnFinished():
                return self._finish_turn(event)
            case events.RunStarted() | events.TurnStarted() | events.StepStarted() | events.Waiting():
                return []
            case events.ApprovalAsked() | events.ApprovalGiven():
                return []

    def live(self) -> list[str]:
        """Draw what is open."""
        if self._answer is not None:
            return self._answer.live()
        if self._thoughts and self._shows_reasoning:
            thought = visible(self._thought[-_MOST_OPEN:])
            return [self.theme.paint("dim", line) for line in wrap(thought, self._width)]
        if self._call is not None:
            output = [visible(line, one_line=True) for line in self._output.last(_MOST_OUTPUT)]
            rows = [self.theme.paint("dim", cut(f"  │ {line}", self._width)) for line in output]
            return [self._told(self._call, self.theme.paint("dim", "·"), ""), *rows]
        return []

    def _say(self, text: str) -> list[str]:
        done = self._end_thought()
        if self._answer is None:
            if not text.strip():
                return done
            text = text.lstrip("\n")
            self._answer = Markdown(self.theme, self._width)
            self._is_after_call = False
            done.append("")
        return done + self._answer.feed(text)

    def _think(self, text: str) -> list[str]:
        self._thoughts.append(text)
        if not self._shows_reasoning:
            return []
        *whole, self._thought = (self._thought + text).split("\n")
        return [self.theme.paint("dim", row) for line in whole for row in wrap(visible(line), self._width)]

    def _end_thought(self) -> list[str]:
        if not self._thoughts:
            return []
        whole = "".join(self._thoughts)
        last, self._thought, self._thoughts = self._thought, "", []
        if self._shows_reasoning:
            return [self.theme.paint("dim", row) for row in wrap(visible(last), self._width)] if last else []
        return [self._fold("What the model thought", whole, f"thought {len(whole):,} characters")]

    def _close(self) -> list[str]:
        """End what is open."""
        done = self._end_thought()
        if self._answer is not None:
            done += self._answer.finish()
            self._answer = None
        return done

    def _finish_call(self, event: events.ToolFinished) -> list[str]:
        result = event.result
        first, *more = result.summary.split("\n")
        role, mark = _MARKS[result.status]
        about = _about(event.call)
        # What the line says already, it is not told again.
        shorter = first.replace(f"{about}, ", "", 1).replace(f" {about}", "", 1) if about else first
        outcome = "denied" if result.status is Status.DENIED else shorter
        is_list = bool(more) and result.status is Status.OK
        outcome = f"{'' if is_list else f'{outcome} · '}{event.seconds:.1f} s"
        done = self._close()
        if not self._is_after_call:
            done.append("")
        self._is_after_call = True
        done.append(self._told(event.call, self.theme.paint(role, mark), outcome))
        if is_list:
            # A checklist.
            for line in (first, *more):
                done += wrap(visible(line, one_line=True), self._width, "      ", "    ")
        elif event.diff:
            done += self._diff(event.diff)
        elif result.name in _PRINTS:
            printed = self._output.text or (result.text.partition("\n")[2] if result.status is Status.OK else "")
            done += self._printed(event.call, printed)
        elif result.status is not Status.OK and len(result.text) > len(first):
            done.append(self._fold(result.name, result.text, "    … the whole answer"))
        self._call, self._output = None, _Tail()
        return done

    def _printed(self, call: ToolCall, text: str) -> list[str]:
        lines = text.rstrip("\n").split("\n")
        if not text.strip():
            return []
        shown = lines[-_MOST_OUTPUT:]
        bar = self.theme.paint("dim", "  │ ")
        rows = [bar + self.theme.paint("dim", cut(visible(one, one_line=True), self._width - 4)) for one in shown]
        if len(lines) > len(shown) or any(width_of(line) > self._width - 4 for line in shown):
            left = f"{len(lines) - len(shown):,} more lines, " if len(lines) > len(shown) else ""
            size = _size(len(text.encode("utf-8", "replace")))
            rows.insert(0, self._fold(_about(call) or call.name, text, f"  │ … {left}{size} in all"))
        return rows

    def _diff(self, diff: str) -> list[str]:
        lines = render_diff(diff, self.theme, self._width - 2)
        # The name of one file alone stands in the line of the call.
        if diff.count("\n+++ ") + diff.startswith("+++ ") == 1 and not diff.startswith("moved from "):
            lines = lines[1:]
        rows = [f"  {line}" for line in lines[:_MOST_DIFF]]
        if len(lines) > _MOST_DIFF:
            rows.append(self._fold("Diff", diff, f"  … {len(lines) - _MOST_DIFF:,} more lines"))
        return rows

    def _finish_turn(self, event: events.TurnFinished) -> list[str]:
        done = self._close()
        if self._call is not None:
            done += ["", self._told(self._call, self.theme.paint("warn", "⊘"), "interrupted")]
            done += self._printed(self._call, self._output.text)
        self._call, self._output, self._is_after_call = None, _Tail(), False
        parts = [f"{event.seconds:.1f} s"]
        if event.calls:
            parts.append(f"{event.calls} {'call' if event.calls == 1 else 'calls'}")
        if event.usage.generated:
            parts.append(f"{event.usage.prompt:,} tokens read, {event.usage.generated:,} written")
        end = " · ".join(parts)
        match event.finish:
            case Finish.CANCELLED:
                done += self._dim(f"Interrupted after {end}")
            case Finish.FAILED:
                done += self.error(event.error) + self._dim(end)
            case Finish.LENGTH:
                done += self._dim(f"The answer was cut at the token limit · {end}")
            case Finish.LIMIT:
                done += self._dim(f"Stopped at the limit of steps (agent.max_turns) · {end}")
            case Finish.STOP | Finish.TOOLS:
                done += ["", *self._dim(end)]
        if event.error and event.finish is not Finish.FAILED:
            done += self.error(event.error)
        return done

    # Parts --------------------------------------------------------------------------------------------------

    def _told(self, call: ToolCall, mark: str, outcome: str) -> str:
        """Write a call in one line: the outcome whole, as much as there is room for of what it is about."""
        name = cut(visible(call.name, one_line=True), 40)
        outcome = cut(visible(outcome, one_line=True), max(8, self._width // 2))
        room = self._width - 2 - width_of(name) - (width_of(outcome) + 3 if outcome else 0) - 1
        about = cut(visible(_about(call), one_line=True), room) if room > 4 else ""
        line = f"{mark} {self.theme.paint('accent', name)} {about}".rstrip()
        return cut(line + (self.theme.paint("dim", f" · {outcome}") if outcome else ""), self._width)

    def _dim(self, text: str) -> list[str]:
        lines = wrap(visible(text), self._width)
        return [*self._close(), *(self.theme.paint("dim", line) for line in lines)]

    def _fold(self, title: str, text: str, told: str) -> str:
        self._folded.append(Folded(title, text[:_MOST_KEPT]))
        while sum(len(one.text) for one in self._folded) > 2 * _MOST_KEPT:
            self._folded.popleft()
        return self.theme.paint("dim", cut(f"{told} (Ctrl-O opens it)", self._width))


class _Tail:
    """What a command prints: the end of it, when there is too much."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._size = 0

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        # Whole pieces, so that a flood costs no copy of what is kept.
        while self._size - len(self._pieces[0]) >= _MOST_KEPT:
            self._size -= len(self._pieces.popleft())

    @property
    def text(self) -> str:
        return "".join(self._pieces)[-_MOST_KEPT:]

    def last(self, count: int) -> list[str]:
        """Give the last lines; of one that is written over, what stands."""
        end = ""
        for piece in reversed(self._pieces):
            end = piece[-_MOST_OPEN:] + end
            if len(end) >= _MOST_OPEN:
                break
        lines = end[-_MOST_OPEN:].rstrip("\n").split("\n")[-count:]
        return [line.rstrip("\r").rpartition("\r")[2] for line in lines if line.strip()]


def _about(call: ToolCall) -> str:
    """Say what a call is about."""
    try:
        given: Any = msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return call.arguments
    if not isinstance(given, dict):
        return call.arguments
    arguments = cast("dict[str, Any]", given)
    for name in _TELLING:
        if isinstance(value := arguments.get(name), str):
            pattern = arguments.get("pattern")
            return f"{pattern} in {value}" if name == "path" and isinstance(pattern, str) else value
    return " ".join(f"{name}={value}" for name, value in arguments.items() if isinstance(value, str | int | float))


def _size(count: int) -> str:
    if count < 1_000:
        return f"{count} B"
    return f"{count / 1_000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
