"""The turns of a session, from its log: whatever the log lost, every call in them has exactly one answer."""

from collections.abc import Iterable
from typing import Final

import msgspec

from vtcode import events
from vtcode.events import Event
from vtcode.messages import AssistantMessage, Finish, Status, ToolCall, ToolResult, Usage
from vtcode.sessions.lines import Kept, Left, Line

ENDED: Final = "vtcode was ended before this call was done. What it did is not known."


class Turn(msgspec.Struct, kw_only=True):
    """One turn, while it is read and after."""

    number: int
    at: str
    facts: list[Event]
    """Mended: with an answer for each call, and an end."""
    begin: int
    """The place of its first line in the log."""
    through: int
    """The place of its last one."""

    @property
    def text(self) -> str:
        """What the user said."""
        return next((fact.text for fact in self.facts if isinstance(fact, events.TurnStarted)), "")

    @property
    def commands(self) -> list[str]:
        """Names of the calls that ran and may have changed what no checkpoint covers."""
        return [
            fact.call.name
            for fact in self.facts
            if isinstance(fact, events.ToolStarted)
            and (fact.call.name == "run_terminal_cmd" or fact.call.name.startswith("mcp__"))
        ]


class Placed(msgspec.Struct, frozen=True):
    """What is known of a file at one place in the log."""

    n: int
    fact: Kept | Left


class History(msgspec.Struct, kw_only=True):
    """What a session comes to."""

    turns: list[Turn]
    """Those that stand."""
    files: list[Placed]
    """Of all turns, those too that stand no more."""
    endings: list[Event]
    """What the newest turn lacks of an end; part of its facts, and in no log yet."""
    skipped: int
    """Facts that fit nowhere: answers to calls that nobody made, messages outside a turn."""

    @property
    def facts(self) -> list[Event]:
        """All that a conversation is folded from."""
        return [fact for turn in self.turns for fact in turn.facts]

    @property
    def newest(self) -> int:
        """The number of the last turn."""
        return self.turns[-1].number if self.turns else 0

    @property
    def turns_before(self) -> int:
        """How many turns there were before the oldest one that was read."""
        return self.turns[0].number - 1 if self.turns else 0


def read_history(lines: Iterable[Line]) -> History:
    """Put the lines of a log together."""
    reader = _Reader()
    for line in lines:
        reader.read(line)
    endings = reader.close()
    return History(turns=reader.turns, files=reader.files, endings=endings, skipped=reader.skipped)


class _Reader:
    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.files: list[Placed] = []
        self.skipped = 0
        self._is_open = False
        """Whether the newest turn has no end yet."""
        self._waits = False
        """Whether its last message is the user's."""
        self._calls: list[ToolCall] = []
        """Those of its newest reply that have no answer yet."""

    def read(self, line: Line) -> None:
        match line.fact:
            case Kept() | Left() as fact:
                self.files.append(Placed(line.n, fact))
                if self._is_open:
                    self.turns[-1].through = line.n
            case events.Rewound(turns=count):
                self.close()
                self.turns = [turn for turn in self.turns if turn.number <= count]
            case events.TurnStarted() as fact:
                self.close()
                number = line.turn or (self.turns[-1].number + 1 if self.turns else 1)
                self.turns.append(Turn(number=number, at=line.at, facts=[fact], begin=line.n, through=line.n))
                self._is_open = self._waits = True
            case events.Compacted() as fact if self.turns:
                self._answer()
                self._add(fact, line.n)
            case (
                events.StepStarted()
                | events.MessageFinished()
                | events.ApprovalAsked()
                | events.ApprovalGiven()
                | events.ToolStarted()
                | events.ToolFinished()
                | events.Reminded()
                | events.Retrying()
                | events.Notice()
                | events.TurnFinished()
            ) as fact if self._is_open:
                self._read_in_turn(fact, line.n)
            case _:
                self.skipped += 1

    def close(self) -> list[Event]:
        """End the newest turn if it has no end; return what was missing."""
        if not self._is_open:
            return []
        turn = self.turns[-1]
        known = len(turn.facts)
        self._settle()
        turn.facts.append(_finished(turn.facts))
        self._is_open = False
        return turn.facts[known:]

    def _read_in_turn(self, fact: Event, n: int) -> None:
        match fact:
            case events.MessageFinished(message=message):
                self._answer()
                self._calls = list(message.calls)
                self._waits = False
            case events.ToolFinished(result=result):
                # Ids may recur, even within a reply: each answer takes the first that fits.
                call = next((call for call in self._calls if call.id == result.call_id), None)
                if call is None:
                    self.skipped += 1
                    return
                self._calls.remove(call)
            case events.StepStarted():
                self._answer()
            case events.Reminded():
                self._answer()
                self._waits = True
            case events.TurnFinished():
                self._settle()
                self._is_open = False
            case _:
                pass
        self._add(fact, n)

    def _settle(self) -> None:
        """Bring the newest turn to where the next one can follow."""
        self._answer()
        if self._waits:
            reply = AssistantMessage(text="(no reply)", finish=Finish.CANCELLED)
            self.turns[-1].facts.append(events.MessageFinished(reply))
            self._waits = False

    def _answer(self) -> None:
        """Answer the calls that are open, as cancelled."""
        if self._calls:
            self.turns[-1].facts += [_cancelled(call) for call in self._calls]
            self._calls = []

    def _add(self, fact: Event, n: int) -> None:
        turn = self.turns[-1]
        turn.facts.append(fact)
        turn.through = n


def _cancelled(call: ToolCall) -> events.ToolFinished:
    result = ToolResult(call.id, call.name, Status.CANCELLED, ENDED, "vtcode was ended")
    return events.ToolFinished(call, result, 0.0)


def _finished(facts: list[Event]) -> events.TurnFinished:
    results = [fact.result for fact in facts if isinstance(fact, events.ToolFinished)]
    usages = [fact.message.usage for fact in facts if isinstance(fact, events.MessageFinished)]
    return events.TurnFinished(
        finish=Finish.CANCELLED,
        text="",
        steps=sum(isinstance(fact, events.StepStarted) for fact in facts),
        calls=len(results),
        denied=tuple(result.name for result in results if result.status is Status.DENIED),
        usage=sum(usages, Usage()),
        seconds=0.0,
    )
