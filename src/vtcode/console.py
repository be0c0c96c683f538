"""Talks with a person at a terminal, in plain lines: progress, questions, and what a turn does."""

import asyncio
import contextlib
import os
import shutil
import sys
import termios
from typing import TextIO

from vtcode import events
from vtcode.approver import Answer, ApprovalRequest, Decision
from vtcode.events import Event
from vtcode.messages import Status, ToolCall
from vtcode.settings import UiSettings
from vtcode.text import marked, visible

DIM, GREEN, RED, YELLOW, RESET = "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"

_WAIT_BEFORE_NOTICE = 2.0
"""Seconds of silence before a person is told what is awaited."""


_LONG = 400
"""Characters of a text from which its length is told."""


class Console:
    """Answers go to standard output, all else to standard error."""

    def __init__(self, *, quiet: bool = False, ui: UiSettings | None = None) -> None:
        ui = ui or UiSettings()
        self._quiet = quiet
        self._shows_reasoning = ui.show_reasoning and not quiet
        self._is_reasoning = False
        """Whether a line of what the model thinks stands open."""
        self._at_line_start = True
        self._status_shown = False
        self._is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        by_themselves = self._is_terminal and has_colours(sys.stderr)
        self._colours = {"always": True, "never": False, "auto": by_themselves}[ui.color]

    def say(self, text: str) -> None:
        """Show one line, beside the answer."""
        if not self._quiet:
            self.insist(text)

    def insist(self, text: str) -> None:
        """Show what nobody may miss: what a question is about, and what is not as the user may think."""
        self._end_thought()
        self._clear_status()
        self._end_line()
        print(self._dim(visible(text)), file=sys.stderr, flush=True)

    def fail(self, text: str) -> None:
        """Show an error; it is never silenced."""
        self._end_thought()
        self._clear_status()
        self._end_line()
        print(f"{self._paint(RED, 'error:')} {visible(text)}", file=sys.stderr, flush=True)

    def show(self, event: Event) -> None:
        """Show what happened in a turn."""
        if not isinstance(event, (events.ReasoningDelta, events.Waiting)):
            self._end_thought()
        match event:
            case events.TextDelta(text=text):
                self._clear_status()
                self._write(visible(text))
            case events.Waiting():
                self._wait(event)
            case events.MessageFinished():
                self._clear_status()
                self._end_line()
            case events.ReasoningDelta(text=text):
                if self._shows_reasoning:
                    self._think(text)
                else:
                    self._status("thinking")
            case events.ToolStarted(call=call):
                self._say_call(call)
            case events.ToolFinished(call=call, result=result, seconds=seconds):
                mark = {Status.OK: self._paint(GREEN, "ok"), Status.DENIED: self._paint(YELLOW, "denied")}
                word = mark.get(result.status, self._paint(RED, result.status.value))
                if result.status is Status.DENIED:
                    self._say_call(call)
                self._clear_status()
                if not self._quiet:
                    first, *more = result.summary.split("\n")
                    summary = visible(first, one_line=True)[: self._width()]
                    print(f"  {word} {self._dim(f'{summary} ({seconds:.1f} s)')}", file=sys.stderr, flush=True)
                    for line in more:
                        self.say(f"     {visible(line, one_line=True)}"[: self._width()])
            case events.Notice(text=text):
                self.say(text)
            case events.Reminded(text=text):
                self.say(f"To the model: {text}")
            case events.Retrying(reason=reason, seconds=seconds):
                self.say(f"{reason} Trying again in {seconds:.0f} s.")
            case events.Compacted(how=how, before=before, after=after):
                self.say(f"The conversation was made shorter ({how}): {before} tokens before, {after} after.")
            case events.Rewound(turns=turns):
                self.say(f"The conversation goes on from the end of turn {turns}.")
            case events.ToolOutput(text=text):
                # A line being written over, such as a progress bar, is shown as it stands.
                if line := text.replace("\r", "\n").rstrip().rpartition("\n")[2].strip():
                    self._status(f"  {visible(line, one_line=True)}"[: self._width()])
            case events.RunStarted() | events.TurnStarted() | events.StepStarted():
                pass
            case events.ApprovalAsked() | events.ApprovalGiven() | events.TurnFinished():
                pass

    def _wait(self, event: events.Waiting) -> None:
        if event.seconds < _WAIT_BEFORE_NOTICE:
            return
        what = "waiting for the model"
        if 0 < event.processed < event.total:
            what = f"reading the prompt: {event.processed} of {event.total} tokens"
        self._status(f"{what} ({event.seconds:.0f} s)")

    def _say_call(self, call: ToolCall) -> None:
        # One line: this tells what was let through. Whoever is asked to decide is shown everything.
        self.say(visible(f"→ {call.name} {call.arguments}", one_line=True)[: self._width()])

    def _think(self, text: str) -> None:
        """Show a piece of what the model thinks, beside the answer."""
        self._clear_status()
        if not self._is_reasoning:
            self._end_line()
            self._is_reasoning = True
        sys.stderr.write(self._dim(visible(text)))
        sys.stderr.flush()

    def _end_thought(self) -> None:
        if self._is_reasoning:
            self._is_reasoning = False
            print(file=sys.stderr, flush=True)

    def _status(self, text: str) -> None:
        """Show a line that the next one replaces; only a terminal can."""
        if self._quiet or not self._is_terminal or self._is_reasoning:
            return
        self._end_line()
        sys.stderr.write(f"\r\x1b[K{self._dim(text)}")
        sys.stderr.flush()
        self._status_shown = True

    def _clear_status(self) -> None:
        if self._status_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._status_shown = False

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
        if text:
            self._at_line_start = text.endswith("\n")

    def _end_line(self) -> None:
        if not self._at_line_start:
            self._write("\n")

    def _width(self) -> int:
        return max(40, shutil.get_terminal_size((120, 24)).columns - 4)

    def _dim(self, text: str) -> str:
        return self._paint(DIM, text)

    def _paint(self, colour: str, text: str) -> str:
        return paint(colour, text) if self._colours else text


def has_colours(stream: TextIO) -> bool:
    """Tell whether what is written there may be coloured (https://no-color.org)."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def paint(colour: str, text: str) -> str:
    """Colour a text."""
    return f"{colour}{text}{RESET}"


class AskingApprover:
    """Asks at the terminal. Without one, the answer is no."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def decide(self, request: ApprovalRequest) -> Decision:
        if not _is_there():
            return Decision(Answer.NO)
        self._console.insist(marked(_shown(request)))
        longer = "[s] in this session, [a] always exactly this, " if request.may_last else ""
        question = f"Allow it? [y] once, {longer}[N] no, or say what the model shall do instead: "
        while True:
            answer = (await ask(question, sys.stdin, sys.stderr)).strip()
            match answer.lower():
                case "y" | "yes":
                    return Decision(Answer.ONCE)
                case "" | "n" | "no":
                    return Decision(Answer.NO)
                case "s" | "session" if request.may_last:
                    return Decision(Answer.SESSION)
                case "a" | "always" if request.may_last:
                    return Decision(Answer.ALWAYS)
                case word if len(word) > 1 and word not in _ANSWERS:
                    return Decision(Answer.NO, answer)
                case _:
                    self._console.insist("That is no answer here.")

    async def confirm(self, question: str) -> bool:
        return await self._agreed(question, "Go on? [y/N] ")

    async def _agreed(self, text: str, question: str) -> bool:
        if not _is_there():
            return False
        self._console.insist(text)
        answer = await ask(question, sys.stdin, sys.stderr)
        return answer.strip().lower() in {"y", "yes"}

    async def answer(self, question: str, choices: tuple[str, ...]) -> str | None:
        if not _is_there():
            return None
        self._console.insist(f"The model asks: {question}")
        for number, choice in enumerate(choices, 1):
            self._console.insist(f"  {number}. {choice}")
        answer = (await ask("Your answer: ", sys.stdin, sys.stderr)).strip()
        is_number = answer.isdecimal() and len(answer) < 4 and 1 <= int(answer) <= len(choices)
        return choices[int(answer) - 1] if is_number else answer


_ANSWERS = ("session", "always")


def _is_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _shown(request: ApprovalRequest) -> str:
    """Write what a person decides about, whole: what is cut away could be the harmful part."""
    lines = request.preview.text.split("\n")
    if request.preview.kind != "diff" and len(lines) > 1:
        width = len(str(len(lines)))
        lines = [f"{number:>{width}}  {line}" for number, line in enumerate(lines, 1)]
    facts = [f"in {request.folder}"]
    if request.sandbox:
        facts.append(f"sandbox: {request.sandbox}")
    if len(request.preview.text) > _LONG:
        facts.append(f"{len(request.preview.text):,} characters")
    head = f"{request.call.name} asks to run ({request.verdict.rule}):"
    return "\n".join((head, *lines, f"({' · '.join(facts)})"))


async def ask(question: str, source: TextIO, target: TextIO) -> str:
    """Ask for one line at a terminal; end of input is an empty line.

    What was typed before the question stood there is thrown away: it was not meant as its answer.
    """
    with contextlib.suppress(termios.error):
        termios.tcflush(source.fileno(), termios.TCIFLUSH)
    target.write(question)
    target.flush()
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        # A terminal in line mode gives one whole line a read.
        if not line.done():
            line.set_result(os.read(source.fileno(), 4096).decode(errors="replace"))

    loop.add_reader(source.fileno(), read)
    try:
        return await line
    finally:
        loop.remove_reader(source.fileno())
