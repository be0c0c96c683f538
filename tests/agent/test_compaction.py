"""Conversations made shorter: what stays, what is told of the rest, and when."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from vtcode.budget import Budget, tokens_of, tokens_of_messages
from vtcode.compaction import RECORD_REQUEST, compacted
from vtcode.messages import AssistantMessage, Message, Status, ToolCall, ToolResult, Usage, UserMessage
from vtcode.providers import Request, ToolSpec

texts = st.builds(lambda piece, times: piece * times, st.text(max_size=4), st.integers(0, 1500))


@st.composite
def steps(draw: st.DrawFn) -> list[Message]:
    """One reply, and a result for each of its calls."""
    number = draw(st.integers(0, 999))
    names = draw(st.lists(st.sampled_from(["read_file", "edit_file", "apply_patch", "update_plan"]), max_size=3))
    calls = tuple(
        ToolCall(f"c{number}-{index}", name, json.dumps({"path": draw(texts)})) for index, name in enumerate(names)
    )
    usage = Usage(draw(st.integers(0, 9000)), 0, 5)
    reply = AssistantMessage(text=draw(texts), calls=calls, usage=usage)
    return [reply, *(ToolResult(call.id, call.name, Status.OK, draw(texts), "done") for call in calls)]


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    messages: list[Message] = []
    for _ in range(draw(st.integers(1, 5))):
        messages.append(UserMessage(draw(texts)))
        for number, step in enumerate(draw(st.lists(steps(), min_size=1, max_size=4))):
            if number and isinstance(messages[-1], AssistantMessage):
                messages.append(UserMessage("go on", by_program=True))
            messages += step
    return messages


def spoken(messages: list[Message] | tuple[Message, ...]) -> list[str]:
    return [m.text for m in messages if isinstance(m, UserMessage) and not m.by_program]


@given(conversations(), st.integers(200, 3000), st.integers(1, 3), st.sampled_from(["", "We did much."]))
def test_every_call_kept_has_its_one_result_right_behind_it(
    messages: list[Message], target: int, keep_turns: int, summary: str
) -> None:
    shorter = compacted(messages, target=target, keep_turns=keep_turns, summary=summary)
    waiting: list[str] = []
    for message in shorter or ():
        match message:
            case ToolResult(call_id=call_id):
                assert waiting.pop(0) == call_id
            case _:
                assert not waiting
                waiting = [call.id for call in message.calls] if isinstance(message, AssistantMessage) else []
    assert not waiting


@given(conversations(), st.integers(200, 3000), st.integers(1, 3), st.sampled_from(["", "We did much." * 500]))
def test_what_is_left_fits_but_for_the_users_own_words(
    messages: list[Message], target: int, keep_turns: int, summary: str
) -> None:
    shorter = compacted(messages, target=target, keep_turns=keep_turns, summary=summary)
    if shorter is None:
        return
    assert tokens_of_messages(shorter) <= max(target, target // 4 + 40 + tokens_of_messages(shorter[2:3]))
    assert tokens_of_messages(shorter) < tokens_of_messages(messages)


@given(conversations(), st.integers(200, 3000), st.integers(1, 3))
def test_the_newest_words_of_the_user_stay_word_for_word(
    messages: list[Message], target: int, keep_turns: int
) -> None:
    shorter = compacted(messages, target=target, keep_turns=keep_turns)
    if shorter is not None:
        assert spoken(shorter)[-1] == spoken(messages)[-1]
        assert len(spoken(shorter)) <= keep_turns
        assert spoken(shorter) == spoken(messages)[-len(spoken(shorter)) :]


@given(conversations(), st.integers(200, 3000))
def test_no_template_sees_two_messages_of_the_user_in_a_row(messages: list[Message], target: int) -> None:
    shorter = compacted(messages, target=target, keep_turns=2) or ()
    for first, second in itertools.pairwise(shorter):
        assert not (isinstance(first, UserMessage) and isinstance(second, UserMessage))


@given(conversations(), st.integers(200, 3000))
def test_no_count_of_the_longer_conversation_stays(messages: list[Message], target: int) -> None:
    shorter = compacted(messages, target=target, keep_turns=2) or ()
    assert all(m.usage == Usage() for m in shorter if isinstance(m, AssistantMessage))


def step(number: int, name: str, arguments: dict[str, str], text: str, summary: str = "") -> list[Message]:
    call = ToolCall(f"c{number}", name, json.dumps(arguments))
    return [AssistantMessage(calls=(call,)), ToolResult(call.id, name, Status.OK, text, summary)]


LONG: list[Message] = [
    UserMessage("Rename total to amount"),
    *step(1, "update_plan", {}, "Noted.", "[x] find it\n[ ] rename it"),
    *step(2, "edit_file", {"path": "stock.py"}, "Edited stock.py."),
    *step(3, "read_file", {"path": "other.py"}, "x = 1\n" * 2000),
    AssistantMessage(text="Done."),
    UserMessage("Now the tests"),
    *step(4, "apply_patch", {"patch": "*** Begin Patch\n*** Update File: tests/a.py\n"}, "Patched tests/a.py."),
    *step(5, "read_file", {"path": "README.md"}, "word " * 100),
]


def test_the_record_names_the_task_the_plan_and_the_files_that_changed() -> None:
    shorter = compacted(LONG, target=600, keep_turns=1)
    assert shorter is not None and shorter[0] == UserMessage(RECORD_REQUEST, by_program=True)
    record = shorter[1].text
    assert "Rename total to amount" in record and "[ ] rename it" in record
    assert "Files changed: tests/a.py, stock.py" in record and "x = 1" not in record
    assert "read_file ok" in record
    assert list(shorter[2:]) == LONG[-5:]


def test_a_summary_stands_for_what_the_record_would_tell() -> None:
    shorter = compacted(LONG, target=600, keep_turns=1, summary="Renamed total; tests are next.")
    assert shorter is not None
    assert shorter[1].text.startswith("Renamed total; tests are next.")
    assert "Files changed: tests/a.py, stock.py" in shorter[1].text and "read_file ok" not in shorter[1].text


def test_a_conversation_that_is_shortened_again_keeps_its_first_record() -> None:
    first = compacted(LONG, target=600, keep_turns=1)
    assert first is not None
    grown = [*first, AssistantMessage(text="Done too."), UserMessage("More"), *step(6, "read_file", {}, "y" * 9000)]
    second = compacted(grown, target=600, keep_turns=1)
    assert second is not None and "Rename total to amount" in second[1].text and spoken(second) == ["More"]
    assert sum(m.text == RECORD_REQUEST for m in second) == 1


def test_the_newest_result_is_cut_visibly_rather_than_lost() -> None:
    shorter = compacted([*LONG[:1], *step(1, "read_file", {}, "a" * 9000 + "z" * 9000)], target=500, keep_turns=1)
    assert shorter is not None
    text = shorter[-1].text
    assert text.startswith("aaa") and text.endswith("zzz") and "characters left out" in text


def test_what_is_short_already_is_left_as_it_is() -> None:
    assert compacted([UserMessage("hi"), AssistantMessage(text="hello")], target=500, keep_turns=2) is None


def test_the_budget_counts_with_the_servers_numbers_and_guesses_only_what_came_since() -> None:
    tools = (ToolSpec("t", "d" * 300, {}),)
    base = Request(model="m", system="s" * 300, messages=(UserMessage("u" * 300),), tools=tools)
    guess = tokens_of(base)
    assert 300 <= guess <= 340
    counted = AssistantMessage(text="x" * 3000, usage=Usage(250, 0, 50))
    known = Request(model="m", system=base.system, messages=(*base.messages, counted, UserMessage("u" * 30)))
    assert tokens_of(known) == 300 + 15


def test_room_is_left_for_the_reply() -> None:
    assert Budget(10_000, 0.8).most == 8_000
    assert Budget(10_000, 0.8, reply=4_000).most == 6_000
    assert Budget(300, 1.0).most == 150
    assert Budget().most is None
