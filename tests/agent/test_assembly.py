"""Replies put together from the chunks that different servers send."""

import json
from typing import Any

import msgspec
import pytest

from vtcode.messages import AssistantMessage, Finish, ToolCall, Usage
from vtcode.providers import Endless
from vtcode.providers.assembly import Assembly, Chunk


def assembled(*chunks: dict[str, Any]) -> AssistantMessage:
    reply = Assembly("m")
    for chunk in chunks:
        reply.add(msgspec.json.decode(json.dumps(chunk), type=Chunk))
    return reply.message()


def delta(finish: str | None = None, **members: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": members, "finish_reason": finish}]}


def piece(name: str | None = None, arguments: str | None = None, **members: object) -> dict[str, Any]:
    return delta(tool_calls=[{**members, "function": {"name": name, "arguments": arguments}}])


END = delta(finish="tool_calls")


def test_a_call_in_pieces_is_one_call() -> None:
    message = assembled(
        piece("read", "", index=0, id="a"), piece(None, '{"pa', index=0), piece(None, 'th": "x"}', index=0), END
    )
    assert message.calls == (ToolCall("a", "read", '{"path": "x"}'),)
    assert message.finish is Finish.TOOLS


def test_two_calls_in_one_chunk_are_two_calls() -> None:
    both = [{"index": i, "id": f"c{i}", "function": {"name": "f", "arguments": "{}"}} for i in (0, 1)]
    assert [call.id for call in assembled(delta(tool_calls=both), END).calls] == ["c0", "c1"]


def test_without_an_index_an_id_opens_a_new_call() -> None:
    message = assembled(piece("f", '{"a":', id="x"), piece(None, "1}"), piece("g", "{}", id="y"), END)
    assert message.calls == (ToolCall("x", "f", '{"a":1}'), ToolCall("y", "g", "{}"))


def test_calls_that_all_say_index_0_are_told_apart_by_id() -> None:
    message = assembled(
        piece("f", '{"a":', index=0, id="x"), piece(None, "1}", index=0), piece("g", "{}", index=0, id="y"), END
    )
    assert message.calls == (ToolCall("x", "f", '{"a":1}'), ToolCall("y", "g", "{}"))


def test_what_is_repeated_with_each_piece_is_taken_once() -> None:
    message = assembled(piece("f", '{"a":', id="x"), piece("f", "1}", id="x"), END)
    assert message.calls == (ToolCall("x", "f", '{"a":1}'),)


def test_arguments_may_come_as_an_object() -> None:
    chunk = delta(tool_calls=[{"index": 0, "id": "x", "function": {"name": "f", "arguments": {"a": 1}}}])
    assert assembled(chunk, END).calls == (ToolCall("x", "f", '{"a":1}'),)


def test_null_members_are_as_good_as_missing_ones() -> None:
    empty = {"choices": [{"delta": None}]}
    assert (
        assembled({"choices": None}, empty, delta(tool_calls=[{"function": None}]), delta("stop", content="x")).text
        == "x"
    )


@pytest.mark.parametrize("ids", [(None, None), ("same", "same"), ("", "")])
def test_each_call_has_an_id_of_its_own(ids: tuple[str | None, str | None]) -> None:
    message = assembled(piece("f", "{}", index=0, id=ids[0]), piece("g", "{}", index=1, id=ids[1]), END)
    assert len({call.id for call in message.calls}) == 2 and all(call.id for call in message.calls)


def test_a_reply_that_was_cut_has_no_calls() -> None:
    message = assembled(piece("f", '{"a": "ha', index=0, id="x"), delta(finish="length"))
    assert message.calls == () and message.finish is Finish.LENGTH


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
def test_reasoning_is_kept_apart_from_text(member: str) -> None:
    message = assembled(delta(**{member: "hm"}), delta(content="yes"), delta(finish="stop"))
    assert (message.reasoning, message.text) == ("hm", "yes")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, Usage(9, 0, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}, Usage(9, 8, 2)),
        ({"prompt_tokens": 5.0, "completion_tokens": "2"}, Usage(5, 0, 0)),
        ({"prompt_tokens": -5, "completion_tokens": None, "prompt_tokens_details": {}}, Usage()),
        (None, Usage()),
    ],
)
def test_usage_is_taken_as_far_as_it_makes_sense(usage: object, expected: Usage) -> None:
    assert assembled(delta(content="x"), {"choices": [], "usage": usage}).usage == expected


def test_a_reply_without_end_is_given_up() -> None:
    with pytest.raises(Endless):
        assembled(*[delta(content="x" * (1 << 20))] * 17)
