"""The guided profile: what a weak model is shown, and what it may write."""

import pytest

from tests.agent.replies import BASE, SPECS, accepts
from vtcode.guided import GuidedProfile, call_schema, mentioned
from vtcode.messages import AssistantMessage, Finish, Message, Status, ToolCall, ToolResult, UserMessage
from vtcode.situation import Situation

FILES = ("README.md", "src/app.py", "src/lib/app.py", "pyproject.toml")


def test_only_files_that_exist_can_be_read() -> None:
    schema = call_schema(SPECS, FILES, "What is there?")
    assert accepts(schema, "read_file", path="src/app.py")
    assert not accepts(schema, "read_file", path="src/nothing.py")


def test_files_that_the_task_names_are_the_only_choice() -> None:
    schema = call_schema(SPECS, FILES, "What is the name in pyproject.toml?")
    assert accepts(schema, "read_file", path="pyproject.toml")
    assert not accepts(schema, "read_file", path="README.md")


def test_only_folders_that_exist_can_be_listed() -> None:
    schema = call_schema(SPECS, FILES, "")
    for folder in (".", "src", "src/lib"):
        assert accepts(schema, "list_files", path=folder)
    assert not accepts(schema, "list_files", path="docs")


def test_without_files_the_rest_can_still_be_called() -> None:
    schema = call_schema(SPECS, (), "Write hello to a.txt")
    assert accepts(schema, "write_file", path="a.txt", content="hello")
    assert not accepts(schema, "read_file", path="a.txt")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("read `src/app.py`, please", ("src/app.py",)),
        ("What does app.py do?", ("src/app.py", "src/lib/app.py")),
        ("see ./README.md.", ("README.md",)),
        ("readme", ()),
        ("(pyproject.toml)", ("pyproject.toml",)),
    ],
)
def test_a_task_names_files_by_path_or_by_name(text: str, found: tuple[str, ...]) -> None:
    assert mentioned(FILES, text) == found


def test_a_step_adds_to_the_prompt_and_changes_nothing_before() -> None:
    profile = GuidedProfile(SPECS)
    asked = UserMessage("What is the name in pyproject.toml?")
    first = profile.request(BASE, Situation(messages=(asked,), step=1, files=FILES))
    reply = AssistantMessage(text='{"name": "read_file", "arguments": {"path": "pyproject.toml"}}')
    called = profile.read(reply, 1)
    history: tuple[Message, ...] = (asked, called, ToolResult("call_1", "read_file", Status.OK, "name = 'x'"))
    second = profile.request(BASE, Situation(messages=history, step=2, files=FILES))

    assert called.finish is Finish.TOOLS
    assert called.calls == (ToolCall("call_1", "read_file", '{"path": "pyproject.toml"}'),)
    assert second.messages[: len(first.messages)] == first.messages
    assert second.messages[len(first.messages)].text == reply.text, "the call stands as the model wrote it"
    assert (first.system, first.tools, second.schema) == (second.system, (), None)


@pytest.mark.parametrize(
    "text", ["hm", "\ud83d", '{"name":"read_file","arguments":' + "[" * 100_000], ids=["hm", "half", "deep"]
)
def test_a_reply_that_is_no_call_is_left_as_text(text: str) -> None:
    assert GuidedProfile(SPECS).read(AssistantMessage(text=text), 1) == AssistantMessage(text=text)
