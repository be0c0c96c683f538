"""A conversation: the messages that the facts told so far come to, and who keeps those facts."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from vtcode import events
from vtcode.events import EPHEMERAL, Event
from vtcode.messages import (
    AssistantMessage,
    Finish,
    Message,
    Status,
    ToolCall,
    ToolResult,
    UserMessage,
)


class Recorder(Protocol):
    """Keeps facts for good."""

    def record(self, event: Event) -> str | None:
        """Keep one fact before anybody acts on it. Returns a sentence for the user when it could not be kept."""
        ...


class Conversation:
    """What was said so far, folded from facts; every call in it has exactly one answer once a turn has ended."""

    def __init__(
        self,
        facts: Iterable[Event] = (),
        recorder: Recorder | None = None,
        notes: str = "",
        turns_before: int = 0,
    ) -> None:
        """Begin one, or go on with one.

        Args:
            facts: what happened before, as it was recorded.
            recorder: keeps what happens from now on.
            notes: what the project says of itself (AGENTS.md). It never changes within a conversation.
            turns_before: how many turns there were before the first of `facts`.
        """
        self._messages: list[Message] = []
        self._begins: list[tuple[list[Message], int]] = []
        """Where each turn begins: the list of that time, which only grew since, and its length."""
        self._turns_before = turns_before
        self._recorder = recorder
        self.notes = notes
        for fact in facts:
            self._fold(fact)

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    def hear(self, event: Event) -> str | None:
        """Take in what happened: record it if it is a fact, then count it in.

        Returns a sentence for the user when it could not be recorded.
        """
        if isinstance(event, EPHEMERAL):
            return None
        problem = self._recorder.record(event) if self._recorder is not None else None
        self._fold(event)
        return problem

    def settle(self, said: str) -> None:
        """Bring a turn that failed or was cancelled to an end that the next one can follow.

        Open calls are answered, and a user's message that got no reply gets what there was of one: many chat
        templates refuse two messages of the user in a row.
        """
        for event in self._endings(said):
            self.hear(event)

    def _endings(self, said: str) -> Iterator[Event]:
        # Only the newest reply can have open calls. Its results stand behind it; ids may recur before it.
        answered: set[str] = set()
        for message in reversed(self.messages):
            match message:
                case ToolResult(call_id=call_id):
                    answered.add(call_id)
                case AssistantMessage(calls=calls):
                    open_calls = [call for call in calls if call.id not in answered]
                    yield from (events.ToolFinished(call, _cancelled(call), 0.0) for call in open_calls)
                    return
                case UserMessage():
                    reply = AssistantMessage(text=said or "(no reply)", finish=Finish.CANCELLED)
                    yield events.MessageFinished(reply)
                    return

    def _fold(self, event: Event) -> None:
        match event:
            case events.TurnStarted(text=text):
                self._begins.append((self._messages, len(self._messages)))
                self._messages.append(UserMessage(text))
            case events.Reminded(text=text):
                self._messages.append(UserMessage(text, by_program=True))
            case events.MessageFinished(message=message):
                self._messages.append(message)
            case events.ToolFinished(result=result):
                self._messages.append(result)
            case events.Compacted(messages=messages):
                self._messages = list(messages)
            case events.Rewound(turns=turns):
                at = max(0, turns - self._turns_before)
                if at < len(self._begins):
                    messages, length = self._begins[at]
                    self._messages = messages[:length]
                    del self._begins[at:]
            case _:
                pass


def _cancelled(call: ToolCall) -> ToolResult:
    text = "The user interrupted this call."
    return ToolResult(call.id, call.name, Status.CANCELLED, text, "interrupted")
