"""The Responses API from the agent's side: the same conversations, and events of servers that differ."""

import asyncio
import contextlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.agent.sessions import folders
from tests.agent.support import Reply, bench, call, says
from tests.agent.test_provider import REQUEST, answer_of, asked, refused, sent
from tests.support.faults import STREAM_HEAD, fault_server
from vtcode.approval import Policies, Policy
from vtcode.console import AskingApprover, Console
from vtcode.conversation import Conversation
from vtcode.events import EPHEMERAL, check_order
from vtcode.messages import AssistantMessage, Finish, Status, ToolCall, ToolResult, Usage, UserMessage
from vtcode.providers import ContextOverflow, Delta, Interrupted, ReasoningDelta, TextDelta, ToolSpec
from vtcode.settings import Api, Settings
from vtcode.startup import start
from vtcode.workspace import Workspace


def streamed(*events: dict[str, Any]) -> bytes:
    return STREAM_HEAD + b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events
    )


def said(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "output_index": 0, "item_id": "m", "delta": text}


def item(kind: str, index: int, **members: Any) -> dict[str, Any]:
    function = {"type": "function_call", "id": f"fc_{index}", **members}
    return {"type": f"response.output_item.{kind}", "output_index": index, "item": function}


def arguments(index: int, text: str) -> dict[str, Any]:
    return {"type": "response.function_call_arguments.delta", "output_index": index, "delta": text}


def end(kind: str = "completed", **response: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": {"status": kind, **response}}


def reply(*events: dict[str, Any]) -> tuple[AssistantMessage, list[Delta]]:
    with fault_server(streamed(*events)) as server:
        deltas = asked(server, api="responses")
    return answer_of(deltas), deltas


# The same over both -----------------------------------------------------------------------------------------

CONVERSATION: tuple[Reply, ...] = (
    {
        "reasoning": "I must look.",
        "text": "I look.",
        "calls": [{"name": "read_file", "arguments": {"path": "a.txt"}}],
    },
    {
        "calls": [
            {"name": "write_file", "arguments": {"path": "b.txt", "content": "plum\n"}},
            {"name": "read_file", "arguments": '{"path": '},
            {"name": "no_such_tool", "arguments": {}},
        ]
    },
    says('Now as text: <tool_call>{"name": "read_file", "arguments": {"path": "b.txt"}}</tool_call>'),
    {"text": "It says plum, and more would", "cut": True},
    call("read_file", path="a.txt"),
    says("Pear."),
)


async def _facts(url: str, root: Path, api: Api) -> list[dict[str, Any]]:
    settings = Settings(base_url=url, base_url_is_set=True, api=api, policies=Policies(Policy.ALLOW))
    console = Console(quiet=True)
    facts: list[dict[str, Any]] = []
    async with start(settings, Workspace(root), AskingApprover(console), console.say, with_tools=True) as running:
        conversation = Conversation()
        for task in ("What do the files say?", "Again, please."):
            events = []
            async with contextlib.aclosing(running.agent.run_turn(conversation, task)) as turn:
                async for event in turn:
                    events.append(event)
            check_order(events)
            facts += [msgspec.to_builtins(event) for event in events if not isinstance(event, EPHEMERAL)]
    for fact in facts:
        fact.pop("seconds", None)
    return facts


def test_a_conversation_leaves_the_same_facts_over_both_apis(home: Path) -> None:
    told = {}
    for api in ("chat", "responses"):
        folder = home / api
        folder.mkdir()
        with bench(folder, *CONVERSATION) as b:
            (b.workspace / "a.txt").write_text("pear\n")
            told[api] = asyncio.run(_facts(b.server.url, b.workspace, api))
            log = b.server.log.read_text()
        assert ("/v1/responses  200" in log) == (api == "responses")
        assert ("/v1/chat/completions  200" in log) == (api == "chat")
    assert told["chat"] == told["responses"]
    messages = [fact["message"] for fact in told["chat"] if fact["type"] == "message.finished"]
    assert [message["finish"] for message in messages] == ["tools", "tools", "tools", "length", "tools", "stop"]
    assert messages[0]["reasoning"] == "I must look."


# Requests ------------------------------------------------------------------------------------------------------


def test_the_whole_conversation_is_sent_each_time_and_nothing_is_stored() -> None:
    messages = (
        UserMessage("Read a"),
        AssistantMessage("I look.", "secret thought", (ToolCall("c1", "read_file", '{"path":  "a"}'),), Finish.TOOLS),
        ToolResult("c1", "read_file", Status.OK, "pear"),
        AssistantMessage("", "", (ToolCall("c2", "read_file", "{half"),), Finish.TOOLS),
        ToolResult("c2", "read_file", Status.ERROR, "not JSON"),
    )
    request = msgspec.structs.replace(
        REQUEST,
        messages=messages,
        tools=(ToolSpec("read_file", "Reads.", {"type": "object"}),),
        reasoning_effort="low",
        parallel_tool_calls=False,
        max_tokens=9,
    )
    with fault_server(streamed(said("x"), end())) as server:
        asked(server, request, api="responses")
    (body,) = sent(server)
    assert body == {
        "model": "m",
        "stream": True,
        "store": False,
        "reasoning": {"effort": "low"},
        "tools": [
            {
                "type": "function",
                "name": "read_file",
                "description": "Reads.",
                "parameters": {"type": "object"},
                "strict": False,
            }
        ],
        "parallel_tool_calls": False,
        "instructions": "Be short.",
        "input": [
            {"type": "message", "role": "user", "content": "Read a"},
            {"type": "message", "role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "c1", "name": "read_file", "arguments": '{"path":  "a"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "pear"},
            {"type": "function_call", "call_id": "c2", "name": "read_file", "arguments": '{"malformed":"{half"}'},
            {"type": "function_call_output", "call_id": "c2", "output": "not JSON"},
        ],
        "max_output_tokens": 9,
    }


def test_a_schema_is_sent_as_the_format_of_the_text() -> None:
    with fault_server(streamed(said("{}"), end())) as server:
        asked(server, msgspec.structs.replace(REQUEST, schema={"type": "object"}), api="responses")
    (body,) = sent(server)
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "reply",
        "strict": True,
        "schema": {"type": "object"},
    }


# Events -------------------------------------------------------------------------------------------------------------


def test_text_thought_and_tokens_are_told_apart() -> None:
    usage = {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 2, "total_tokens": 11}
    thought = {"type": "response.reasoning_text.delta", "output_index": 0, "delta": "hm"}
    message, deltas = reply(thought, said("ye"), said("s"), end(usage=usage))
    assert message == AssistantMessage("yes", "hm", (), Finish.STOP, Usage(9, 8, 2), "m")
    assert deltas[:3] == [ReasoningDelta("hm"), TextDelta("ye"), TextDelta("s")]


CALLED = (ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "{}"))


@pytest.mark.parametrize(
    "events",
    [
        (
            item("added", 0, call_id="c1", name="f", arguments=""),
            arguments(0, '{"a"'),
            item("added", 1, call_id="c2", name="g", arguments=""),
            arguments(1, "{}"),
            arguments(0, ":1}"),
        ),
        (
            item("added", 0, call_id="c1", name="f"),
            item("done", 0, call_id="c1", name="f", arguments='{"a":1}'),
            item("done", 1, call_id="c2", name="g", arguments="{}"),
        ),
        (
            item("added", 0, call_id="c1", name="f", arguments=""),
            arguments(0, '{"a":1}'),
            item("done", 0, call_id="c1", name="f", arguments='{"a":1}'),
            item("added", 1, call_id="c2", name="g", arguments=""),
        ),
    ],
    ids=["interleaved", "without deltas", "with both"],
)
def test_calls_are_put_together_from_their_events(events: tuple[dict[str, Any], ...]) -> None:
    message, _ = reply(*events, end())
    assert (message.calls, message.finish) == (CALLED, Finish.TOOLS)


def test_a_server_that_sends_all_at_the_end_is_understood() -> None:
    output = [
        {"type": "message", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
    ]
    message, deltas = reply({"type": "response.created", "response": {}}, end(output=output))
    assert (message.text, message.calls) == ("I look.", CALLED[:1])
    assert deltas[0] == TextDelta("I look.")


def test_a_reply_that_was_cut_has_no_calls() -> None:
    message, _ = reply(item("done", 0, call_id="c1", name="f", arguments='{"a"'), end("incomplete"))
    assert (message.calls, message.finish) == ((), Finish.LENGTH)


def test_a_stream_without_its_last_event_is_no_answer() -> None:
    with fault_server(streamed(said("half"))) as server:
        error, deltas = refused(server, api="responses")
    assert isinstance(error, Interrupted) and deltas == [TextDelta("half")]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (end("failed", error={"code": "server_error", "message": "it died"}), Interrupted),
        ({"type": "error", "message": "it died", "code": "x"}, Interrupted),
        ({"type": "error", "error": {"message": "it died", "code": "context_length_exceeded"}}, ContextOverflow),
    ],
)
def test_a_failure_in_the_stream_is_told_in_the_servers_words(event: dict[str, Any], kind: type[Exception]) -> None:
    with fault_server(streamed(said("a"), event)) as server:
        error, _ = refused(server, api="responses")
    assert isinstance(error, kind) and "it died" in str(error)


def test_events_of_no_meaning_here_are_passed_over() -> None:
    odd = {"type": "response.web_search_call.searching", "output_index": 3}
    assert reply(odd, said("fine"), odd, end())[0].text == "fine"


@pytest.mark.parametrize("flags", [[], ["--full-auto"]], ids=["asked", "full-auto"])
def test_the_same_conversation_over_either_api_leaves_the_same_session_log(tmp_path: Path, flags: list[str]) -> None:
    two = {"calls": [{"name": "read_file", "arguments": {"path": name}} for name in ("a.txt", "missing")]}
    replies = (
        {"reasoning": "Look first.", **call("read_file", path="a.txt")},
        {"text": "And both.", **two},
        call("write_file", path="made.txt", content="x\n"),
        call("nonsense", path="a.txt"),
        says("It says pear."),
    )
    logs: dict[str, list[str]] = {}
    for api in ("chat", "responses"):
        home = tmp_path / api
        home.mkdir()
        with bench(home, *replies) as b:
            b.write("a.txt", "pear\n")
            ended = b.exec("What does a.txt say?", "-c", f"providers.lmstudio.api={api}", *flags)
            assert ended.stdout.endswith("It says pear.\n"), ended.stderr
            (folder,) = folders(b)
            logs[api] = [_timeless(line, str(home)) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert len(logs["chat"]) > 20
    assert logs["chat"] == logs["responses"]


def _timeless(line: str, home: str) -> str:
    """Take out of a log's line what is another each time: times, names of calls and sessions, the home."""
    line = re.sub(r'"(at|created)":"[^"]*"|"seconds":[\d.e-]+', "", line.replace(home, "~"))
    return re.sub(r'(call|fc|chatcmpl)[-_]\w+|"id":"\d{8}T\w+-\w+"', "ID", line)
