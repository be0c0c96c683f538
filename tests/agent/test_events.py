"""The ordering rules of events."""

import pytest

from vtcode import events
from vtcode.events import Event, OrderError, check_order
from vtcode.messages import AssistantMessage, Finish, Status, ToolCall, ToolResult, Usage

CALL = ToolCall("c1", "read_file", "{}")
END = events.TurnFinished(Finish.STOP, "", 1, 0, (), Usage(), 0.0)
STARTED: list[Event] = [events.TurnStarted("go"), events.StepStarted(1)]
ANSWERED = events.ToolFinished(CALL, ToolResult("c1", "read_file", Status.OK, ""), 0.0)
ASKED_FOR = events.MessageFinished(AssistantMessage(calls=(CALL,)))


def test_a_turn_with_a_call_is_in_order() -> None:
    check_order([*STARTED, events.TextDelta("x"), ASKED_FOR, events.ToolStarted(CALL, "r"), ANSWERED, END])


def test_a_step_that_failed_before_its_message_is_in_order() -> None:
    check_order([*STARTED, events.TextDelta("x"), END])


@pytest.mark.parametrize(
    "broken",
    [
        [],
        [END],
        STARTED,
        [*STARTED, ASKED_FOR, END],
        [*STARTED, ASKED_FOR, ANSWERED, ANSWERED, END],
        [*STARTED, ANSWERED, END],
        [*STARTED, END, END],
        [*STARTED, ASKED_FOR, events.TextDelta("late"), ANSWERED, END],
        [events.TurnStarted("go"), events.TextDelta("x"), END],
        [*STARTED, ASKED_FOR, events.StepStarted(2), END],
    ],
)
def test_what_breaks_the_rules_is_found(broken: list[Event]) -> None:
    with pytest.raises(OrderError):
        check_order(broken)
