"""What happens in a turn, as one closed union with its ordering rules.

A run may begin with `RunStarted`. A turn is `TurnStarted`, then steps, then exactly one `TurnFinished`. A step is
`StepStarted`, deltas, `MessageFinished`, and then for each call of that message, in order: `ApprovalAsked` and
`ApprovalGiven` when a person had to decide, `ToolStarted` when the call may run, what it prints (`ToolOutput`), and
always exactly one `ToolFinished`. `Reminded` stands between steps, and so does `Compacted`, or in a step whose
request did not fit. Notices, retries and waits may stand anywhere inside the turn, and `Rewound` between turns only.
Deltas and waits are drawn and never kept (`EPHEMERAL`); the rest are facts.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from vtcode.messages import AssistantMessage, Finish, Message, ToolCall, ToolResult, Usage


class RunStarted(msgspec.Struct, frozen=True, tag="run.started"):
    """What a headless run works with."""

    version: str
    """Of this program."""
    model: str
    address: str
    sandbox: str = ""
    """The level of isolation for commands; empty for a run without tools."""
    session: str = ""
    """By which the conversation can be gone on with; empty when it is not kept."""


class TurnStarted(msgspec.Struct, frozen=True, tag="turn.started"):
    """The user said something, and the agent sets to work."""

    text: str


class StepStarted(msgspec.Struct, frozen=True, tag="step.started"):
    """A reply of the model is asked for."""

    number: int
    """From 1 in each turn."""


class Waiting(msgspec.Struct, frozen=True, tag="waiting"):
    """The server works, and nothing can be shown yet."""

    seconds: float
    """Since the request was sent, or since something came."""
    processed: int = 0
    """Prompt tokens that the server has read, where it tells."""
    total: int = 0


class TextDelta(msgspec.Struct, frozen=True, tag="text.delta"):
    """A piece of the answer."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, tag="reasoning.delta"):
    """A piece of what the model thinks before it answers."""

    text: str


class MessageFinished(msgspec.Struct, frozen=True, tag="message.finished"):
    """A reply of the model is whole."""

    message: AssistantMessage


class ApprovalAsked(msgspec.Struct, frozen=True, tag="approval.asked"):
    """A policy says prompt: a person is to decide."""

    call: ToolCall
    rule: str


class ApprovalGiven(msgspec.Struct, frozen=True, tag="approval.given"):
    """The decision of that person, or of the lack of one."""

    call: ToolCall
    approved: bool
    rule: str
    answer: str = ""
    """For how long: `once`, `session`, `always`; or `no`."""
    message: str = ""
    """What the person says to the model with a no."""


class ToolStarted(msgspec.Struct, frozen=True, tag="tool.started"):
    """A call may run, and is about to."""

    call: ToolCall
    rule: str
    """The policy rule that let it run."""


class ToolOutput(msgspec.Struct, frozen=True, tag="tool.output"):
    """What a call that runs prints, as it prints it."""

    call: ToolCall
    text: str


class ToolFinished(msgspec.Struct, frozen=True, tag="tool.finished"):
    """The one answer to a call."""

    call: ToolCall
    result: ToolResult
    seconds: float
    diff: str = ""
    """What the call changed in files, as a unified diff; the beginning of a long one. The model is not shown it."""


class Reminded(msgspec.Struct, frozen=True, tag="reminded"):
    """The program told the model something in the user's place, such as that it is time to answer."""

    text: str


class Compacted(msgspec.Struct, frozen=True, tag="compacted"):
    """The conversation was made shorter: these messages stand for all before."""

    messages: tuple[Message, ...]
    how: Literal["summary", "mechanical"]
    """Summed up by the model, or cut by rule where the model was too weak to."""
    before: int
    """Tokens, as far as they are known, with those `after`."""
    after: int


class Rewound(msgspec.Struct, frozen=True, tag="rewound"):
    """The conversation goes on from an earlier point; what was said after it does not count any more."""

    turns: int
    """How many turns stand, from the first."""


class Retrying(msgspec.Struct, frozen=True, tag="retrying"):
    """A request failed and is made again."""

    reason: str
    attempt: int
    """Which one this will be, from 2."""
    seconds: float
    """Until then."""


class Notice(msgspec.Struct, frozen=True, tag="notice"):
    """Something that the user should know and that changes nothing by itself."""

    text: str


class TurnFinished(msgspec.Struct, frozen=True, tag="turn.finished"):
    """The end of a turn. `text` is the final answer."""

    finish: Finish
    text: str
    steps: int
    calls: int
    denied: tuple[str, ...]
    """Names of the tools whose calls were denied, one entry a call."""
    usage: Usage
    seconds: float
    error: str = ""


Event = (
    RunStarted
    | TurnStarted
    | StepStarted
    | Waiting
    | TextDelta
    | ReasoningDelta
    | MessageFinished
    | ApprovalAsked
    | ApprovalGiven
    | ToolStarted
    | ToolOutput
    | ToolFinished
    | Reminded
    | Compacted
    | Rewound
    | Retrying
    | Notice
    | TurnFinished
)


EPHEMERAL = (Waiting, TextDelta, ReasoningDelta, ToolOutput)
"""Drawn as they come, and kept nowhere: what they told is in the facts."""


class OrderError(AssertionError):
    """A stream of events broke the rules above."""


def check_order(events: Iterable[Event]) -> None:
    """Check one whole turn against the ordering rules.

    Raises:
        OrderError: at the first event out of place.
    """
    unanswered: list[str] = []
    state: Literal["before", "turn", "reply", "calls", "after"] = "before"
    for event in events:
        if (state == "before") != isinstance(event, (RunStarted, TurnStarted)) or state == "after":
            raise OrderError(f"{event!r} in state {state}")
        match event:
            case TurnStarted():
                state = "turn"
            case StepStarted():
                _require(state in {"turn", "calls"} and not unanswered, event)
                state = "reply"
            case TextDelta() | ReasoningDelta():
                _require(state == "reply", event)
            case MessageFinished(message=message):
                # One that is interrupted before its first step gets a reply all the same.
                _require(state in {"turn", "reply"}, event)
                unanswered = [call.id for call in message.calls]
                state = "calls"
            case ApprovalAsked(call=call) | ApprovalGiven(call=call) | ToolStarted(call=call) | ToolOutput(call=call):
                _require(unanswered[:1] == [call.id], event)
            case ToolFinished(call=call, result=result):
                _require(unanswered[:1] == [call.id] and result.call_id == call.id, event)
                unanswered.pop(0)
            case Reminded():
                _require(state in {"turn", "calls"} and not unanswered, event)
            case Compacted():
                _require(not unanswered, event)
            case Rewound():
                _require(False, event)
            case RunStarted() | Waiting() | Retrying() | Notice():
                pass
            case TurnFinished():
                _require(not unanswered, event)
                state = "after"
    if state != "after":
        raise OrderError("the turn has no end")


def _require(holds: bool, event: Event) -> None:
    if not holds:
        raise OrderError(f"out of place: {event!r}")
