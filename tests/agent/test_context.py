"""Profiles: which one a model gets, and what the compact one shows, enforces and reads."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.replies import BASE, SPECS, accepts
from vtcode.compact import AnswerReader, CompactProfile
from vtcode.context import FullProfile, PlainProfile, choose_profile
from vtcode.guided import MAX_PATHS, GuidedProfile
from vtcode.messages import AssistantMessage, Finish, Message, Status, ToolCall, ToolResult, UserMessage
from vtcode.providers import ModelInfo, ToolSpec
from vtcode.reply_schema import reply_schema
from vtcode.situation import Situation

FILES = ("README.md", "src/app.py")
B = 1_000_000_000


@pytest.mark.parametrize(
    ("wish", "model", "most", "expected"),
    [
        ("auto", None, None, FullProfile),
        ("auto", ModelInfo(id="m"), None, FullProfile),
        ("auto", ModelInfo(id="m", parameters=8 * B, trained_for_tools=True), None, FullProfile),
        ("auto", ModelInfo(id="m", parameters=8 * B, trained_for_tools=False), None, FullProfile),
        ("auto", ModelInfo(id="m", parameters=3 * B, trained_for_tools=True), None, CompactProfile),
        ("auto", ModelInfo(id="m", parameters=B // 2, trained_for_tools=True), None, CompactProfile),
        ("auto", ModelInfo(id="m", parameters=3 * B, trained_for_tools=False), None, CompactProfile),
        ("auto", ModelInfo(id="m", parameters=B // 8, trained_for_tools=False), None, GuidedProfile),
        ("auto", ModelInfo(id="m", parameters=8 * B, context_length=4096), None, CompactProfile),
        ("auto", ModelInfo(id="m", parameters=8 * B, context_length=32768), 4096, CompactProfile),
        ("auto", ModelInfo(id="m", parameters=8 * B, context_length=32768), None, FullProfile),
        ("full", ModelInfo(id="m", parameters=B // 8, trained_for_tools=False), None, FullProfile),
        ("compact", ModelInfo(id="m", parameters=70 * B), None, CompactProfile),
        ("guided", ModelInfo(id="m", parameters=70 * B), None, GuidedProfile),
    ],
)
def test_the_profile_suits_the_model_unless_it_is_named(
    wish: str, model: ModelInfo | None, most: int | None, expected: type
) -> None:
    assert type(choose_profile(wish, model, SPECS, most)) is expected


def test_without_tools_there_is_nothing_to_profile() -> None:
    assert isinstance(choose_profile("compact", None, ()), PlainProfile)


def test_the_compact_profile_takes_a_third_of_the_full_ones_words() -> None:
    situation = Situation(messages=(UserMessage("go"),), step=1, files=FILES)
    compact = CompactProfile(SPECS).request(BASE, situation)
    full = FullProfile(SPECS).request(BASE, situation)
    assert compact.tools == ()
    assert 3 * len(compact.system) < len(full.system) + sum(len(json.dumps(vars_of(spec))) for spec in full.tools)
    assert "src/app.py" not in compact.system, "constraints never appear in the prompt"


def vars_of(spec: ToolSpec) -> dict[str, object]:
    return {"name": spec.name, "description": spec.description, "parameters": spec.parameters}


def test_only_what_exists_can_be_read_and_only_what_is_offered_called() -> None:
    schema = CompactProfile(SPECS).request(BASE, Situation(messages=(), step=1, files=FILES)).schema
    assert schema is not None
    assert accepts(schema, "read_file", path="src/app.py", start=3)
    assert accepts(schema, "grep_file", pattern="x", path="src") and accepts(schema, "grep_file", pattern="x")
    assert accepts(schema, "write_file", path="new.py", content="")
    assert accepts(schema, "answer", text="Done.")
    assert not accepts(schema, "read_file", path="src/nothing.py")
    assert not accepts(schema, "read_file")
    assert not accepts(schema, "apply_patch", patch="x")


def test_whole_outputs_can_be_read_once_a_result_has_named_them() -> None:
    result = ToolResult("c", "run_terminal_cmd", Status.OK, "x\n[9 characters left out; whole: @output/3]\ny")
    schema = CompactProfile(SPECS).request(BASE, Situation(messages=(result,), step=2, files=FILES)).schema
    assert schema is not None
    assert accepts(schema, "read_file", path="@output/3") and not accepts(schema, "read_file", path="@output/4")


def test_of_too_many_files_none_is_forbidden() -> None:
    files = tuple(f"f{number}" for number in range(MAX_PATHS + 1))
    assert accepts(reply_schema(SPECS, files), "read_file", path="g")


def test_when_it_is_time_to_answer_nothing_else_is_accepted() -> None:
    situation = Situation(messages=(), step=9, files=FILES, may_call=False)
    schema = CompactProfile(SPECS).request(BASE, situation).schema
    assert schema is not None
    assert accepts(schema, "answer", text="x") and not accepts(schema, "read_file", path="README.md")


def test_a_call_is_sent_back_in_the_bytes_in_which_it_was_written() -> None:
    profile = CompactProfile(SPECS)
    written = '{"name": "read_file", "arguments": {"path":"README.md",  "start": 1}}'
    read = profile.read(AssistantMessage(text=written), 2)
    assert (read.calls, read.text, read.finish) == (
        (ToolCall("call_2", "read_file", '{"path":"README.md",  "start": 1}'),),
        "",
        Finish.TOOLS,
    )
    history: tuple[Message, ...] = (UserMessage("go"), read, ToolResult("call_2", "read_file", Status.OK, "# R"))
    sent = profile.request(BASE, Situation(messages=history, step=3, files=FILES)).messages
    assert [message.text for message in sent] == ["go", written, "[read_file]\n# R"]


@pytest.mark.parametrize(
    ("text", "said", "calls"),
    [
        ('{"name": "answer", "arguments": {"text": "It is \\"orchard\\"."}}', 'It is "orchard".', 0),
        ("It is orchard.", "It is orchard.", 0),
        ('{"name": "answer", "arguments": {"text": "It is cut he', "It is cut he", 0),
        ('```json\n{"name": "read_file", "arguments": {"path": "README.md"}}\n```', "", 1),
        ('{"name": "answer", "arguments": {"txt": 1}}', '{"txt": 1}', 0),
        ('{"name": "answer"', '{"name": "answer"', 0),
    ],
)
def test_replies_of_servers_that_enforce_nothing_are_read_as_well(text: str, said: str, calls: int) -> None:
    read = CompactProfile(SPECS).read(AssistantMessage(text=text), 1)
    assert (read.text, len(read.calls)) == (said, calls)


def test_the_notes_of_the_project_end_the_instructions() -> None:
    situation = Situation(messages=(), step=1, notes="\n\nUse tabs.")
    for profile in (FullProfile(SPECS), CompactProfile(SPECS)):
        assert profile.request(BASE, situation).system.endswith("\n\nUse tabs.")
    assert "Use tabs." not in GuidedProfile(SPECS).request(BASE, situation).system


@given(st.text(), st.lists(st.integers(1, 9)), st.booleans())
def test_an_answer_is_shown_while_it_is_written(text: str, sizes: list[int], as_ascii: bool) -> None:
    text = text.encode("utf-8", "ignore").decode()
    written = json.dumps({"name": "answer", "arguments": {"text": text}}, ensure_ascii=as_ascii)
    reader, shown, at = AnswerReader(), "", 0
    for size in [*sizes, len(written)]:
        shown += reader(written[at : at + size])
        at += size
    assert shown == text


@given(st.lists(st.integers(1, 9)))
def test_nothing_of_a_call_is_shown(sizes: list[int]) -> None:
    written = '{"name": "write_file", "arguments": {"path": "a", "text": "answer"}}'
    reader, at = AnswerReader(), 0
    for size in [*sizes, len(written)]:
        assert reader(written[at : at + size]) == ""
        at += size
