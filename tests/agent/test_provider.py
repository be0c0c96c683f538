"""The provider over real sockets: retries within a budget, what a server does not take, and who is asked where."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.faults import STREAM_HEAD, FaultServer, fault_server, models, response
from tests.support.processes import clean_environment, run
from vtcode.messages import AssistantMessage, UserMessage
from vtcode.providers import (
    Completed,
    Delta,
    Endless,
    Endpoint,
    Interrupted,
    ModelNotFound,
    Note,
    ProviderError,
    RateLimited,
    Refused,
    Rejected,
    Request,
    Retrying,
    Stalled,
    TextDelta,
    ToolSpec,
    Unauthorised,
)
from vtcode.providers.http import HttpProvider
from vtcode.providers.presets import PRESETS
from vtcode.providers.retry import Attempts, Budget, told_seconds

REQUEST = Request(model="m", system="Be short.", messages=(UserMessage("hi"),), stall_timeout=20)
TOOL = ToolSpec("read_file", "", {"type": "object", "properties": {"path": {"type": "string"}}})
CALL = '<tool_call>{"name": "read_file", "arguments": {"path": "a"}}</tool_call>'


def chunk(content: str, finish: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]
    return b"data: " + json.dumps({"choices": choices}).encode() + b"\n\n"


FINE = STREAM_HEAD + chunk("fine", "stop") + b"data: [DONE]\n\n"


def in_turn(*answers: bytes) -> Callable[[bytes], bytes]:
    """Answer each request with the next of the answers."""
    left = list(answers)
    return lambda _: left.pop(0)


def refusal(message: str, status: int = 400, **members: object) -> bytes:
    return response(status, json.dumps({"error": {"message": message, **members}}).encode())


async def _deltas(endpoint: Endpoint, request: Request, into: list[Delta], times: int) -> None:
    provider = HttpProvider(endpoint)
    try:
        for _ in range(times):
            async with contextlib.aclosing(provider.stream(request)) as stream:
                async for delta in stream:
                    into.append(delta)
    finally:
        await provider.close()


def asked(server: FaultServer, request: Request = REQUEST, times: int = 1, **members: Any) -> list[Delta]:
    deltas: list[Delta] = []
    asyncio.run(_deltas(Endpoint(server.url, **members), request, deltas, times))
    return deltas


def refused(server: FaultServer, request: Request = REQUEST, **members: Any) -> tuple[ProviderError, list[Delta]]:
    deltas: list[Delta] = []
    with pytest.raises(ProviderError) as caught:
        asyncio.run(_deltas(Endpoint(server.url, **members), request, deltas, 1))
    return caught.value, deltas


def answer_of(deltas: list[Delta]) -> AssistantMessage:
    assert isinstance(deltas[-1], Completed)
    return deltas[-1].message


def sent(server: FaultServer) -> list[dict[str, Any]]:
    return [json.loads(r.partition(b"\r\n\r\n")[2]) for r in server.requests if r.startswith(b"POST")]


def paths(server: FaultServer) -> list[str]:
    return [request.split()[1].decode() for request in server.requests]


# Retries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again_and_told(status: int) -> None:
    with fault_server(in_turn(refusal("busy", status), FINE)) as server:
        deltas = asked(server)
    (retry,) = [delta for delta in deltas if isinstance(delta, Retrying)]
    assert str(status) in retry.reason and retry.attempt == 2 and 0 < retry.seconds <= 0.5
    assert answer_of(deltas).text == "fine"


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 413, 415, 422, 451])
def test_no_other_refusal_is_tried_again(status: int) -> None:
    with fault_server(refusal("no", status)) as server:
        _, deltas = refused(server, api="chat")
    assert deltas == [] and len(sent(server)) == 1


@pytest.mark.parametrize("broken", [b"", STREAM_HEAD, STREAM_HEAD + b'data: {"choices":[{"del'])
def test_a_connection_that_breaks_before_a_word_is_tried_again(broken: bytes) -> None:
    with fault_server(in_turn(broken, broken, FINE)) as server:
        deltas = asked(server)
    assert [delta.attempt for delta in deltas if isinstance(delta, Retrying)] == [2, 3]
    assert answer_of(deltas).text == "fine"


def test_the_third_failure_is_the_last() -> None:
    with fault_server(refusal("busy", 503)) as server:
        error, deltas = refused(server)
    assert isinstance(error, Interrupted) and "503" in str(error)
    assert len(sent(server)) == 3 and len(deltas) == 2


def test_nothing_is_asked_again_once_something_was_said() -> None:
    with fault_server(STREAM_HEAD + chunk("half a")) as server:
        error, deltas = refused(server)
    assert isinstance(error, Interrupted)
    assert deltas == [TextDelta("half a")] and len(sent(server)) == 1


def test_the_time_that_a_server_asks_for_is_waited() -> None:
    busy = response(429, b"{}", headers="retry-after: 1\r\n")
    with fault_server(in_turn(busy, FINE)) as server:
        started = time.monotonic()
        deltas = asked(server)
    assert time.monotonic() - started >= 1
    assert [delta.seconds for delta in deltas if isinstance(delta, Retrying)] == [1]


def test_a_server_that_asks_for_more_than_the_budget_is_not_asked_again() -> None:
    busy = response(429, b"{}", headers="retry-after: 3600\r\n")
    with fault_server(busy) as server:
        error, deltas = refused(server)
    assert isinstance(error, RateLimited) and "in 3600 seconds" in str(error)
    assert deltas == [] and len(sent(server)) == 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (format_datetime(datetime(2030, 1, 1, 12, 0, 30, tzinfo=UTC), usegmt=True), 30.0),
        (format_datetime(datetime(2029, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        *((text, None) for text in ("", "soon", "-5", "1e9", "5 seconds", "nan", "٣", "9" * 400, "Mon, 99 Foo 2030")),
    ],
)
def test_the_time_is_read_as_seconds_or_as_a_date_and_else_not_at_all(header: str, expected: float | None) -> None:
    assert told_seconds(header, lambda: datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)) == expected


def test_waits_grow_and_end_with_the_budget() -> None:
    now = [0.0]
    attempts = Attempts(Budget(attempts=10, seconds=30), lambda: now[0], lambda: 0.0)
    waits = list[float]()
    while (wait := attempts.next_wait()) is not None:
        waits.append(wait)
        now[0] += wait
    assert waits == [0.5, 1, 2, 4, 8] and sum(waits) <= 30


def test_a_date_in_the_near_future_is_waited_for_within_the_budget() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    with fault_server(in_turn(response(503, b"{}", headers=f"retry-after: {date}\r\n"), FINE)) as server:
        (retry, *_) = asked(server)
    assert isinstance(retry, Retrying) and 0 < retry.seconds <= 2


def test_a_refused_connection_is_an_error_within_a_second_in_the_words_of_its_preset() -> None:
    endpoint = Endpoint("http://127.0.0.1:9/v1", None, PRESETS["ollama"])
    started = time.monotonic()
    with pytest.raises(Refused, match=r"Ollama at http://127.0.0.1:9/v1 .*ollama serve.*OLLAMA_BASE_URL"):
        asyncio.run(_deltas(endpoint, REQUEST, [], 1))
    assert time.monotonic() - started < 1


# What a server does not take --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "members", "gone"),
    [
        ("Unsupported parameter: 'reasoning_effort'", {"reasoning_effort": "low"}, "reasoning_effort"),
        ("unknown", {"reasoning_effort": "low"}, "reasoning_effort"),
        ("parallel_tool_calls is not supported", {"parallel_tool_calls": False}, "parallel_tool_calls"),
        ("stream_options: extra inputs are not permitted", {}, "stream_options"),
    ],
)
def test_what_a_refusal_names_is_left_out_said_and_remembered(
    message: str, members: dict[str, Any], gone: str
) -> None:
    request = msgspec.structs.replace(REQUEST, tools=(TOOL,), **members)
    answers = in_turn(refusal(message, param=gone), FINE, FINE)
    with fault_server(answers) as server:
        deltas = asked(server, request, times=2)
    (note,) = [delta for delta in deltas if isinstance(delta, Note)]
    assert gone in note.text and "m at " in note.text
    assert [gone in body for body in sent(server)] == [True, False, False]


def test_a_refusal_of_something_that_was_not_sent_is_an_error() -> None:
    with fault_server(refusal("reasoning_effort is wrong")) as server:
        error, _ = refused(server)
    assert isinstance(error, Rejected) and len(sent(server)) == 1


def test_the_newer_name_of_the_token_limit_is_used_where_a_server_asks_for_it() -> None:
    words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with fault_server(in_turn(refusal(words), FINE)) as server:
        deltas = asked(server, msgspec.structs.replace(REQUEST, max_tokens=7))
    first, second = sent(server)
    assert first["max_tokens"] == 7 and "max_tokens" not in second and second["max_completion_tokens"] == 7
    assert not any(isinstance(delta, Note) for delta in deltas)


# Which API, and which origin ----------------------------------------------------------------------------------


def _event(**members: object) -> bytes:
    return b"data: " + json.dumps(members).encode() + b"\n\n"


RESPONSES_FINE = (
    STREAM_HEAD
    + _event(type="response.output_text.delta", output_index=0, delta="fine")
    + _event(type="response.completed", response={"status": "completed"})
)


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_that_has_only_responses_is_found_out_once(status: int) -> None:
    missing = refusal("Not Found", status)
    with fault_server(lambda r: RESPONSES_FINE if b"/responses" in r else missing) as server:
        deltas = asked(server, times=2)
    assert answer_of(deltas).text == "fine"
    assert paths(server) == ["/v1/chat/completions", "/v1/responses", "/v1/responses"]


def test_a_model_that_is_missing_is_no_missing_api() -> None:
    missing = refusal("no such model", 404, code="model_not_found")
    with fault_server(missing, listing=models("other")) as server:
        error, _ = refused(server)
    assert isinstance(error, ModelNotFound) and "other" in str(error)
    assert "/v1/responses" not in paths(server)


@pytest.mark.parametrize(("api", "path"), [("chat", "/v1/chat/completions"), ("responses", "/v1/responses")])
def test_an_api_that_was_asked_for_is_the_only_one(api: str, path: str) -> None:
    with fault_server(refusal("Not Found", 404), listing=models("m")) as server:
        refused(server, api=api)
    assert [p for p in paths(server) if "/models" not in p] == [path]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_that_says_where_it_pointed_and_follows_nothing(status: int) -> None:
    with fault_server(FINE) as elsewhere:
        moved = response(status, b"", headers=f"location: {elsewhere.url}/chat/completions\r\n")
        with fault_server(moved) as server:
            error, _ = refused(server, key="s3cret")
        assert elsewhere.url in str(error) and "s3cret" not in str(error)
        assert elsewhere.requests == []


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_names_its_own_key(name: str) -> None:
    preset = PRESETS[name]
    with fault_server(refusal("who are you", 401)) as server:
        error, _ = refused(server, preset=preset)
    assert isinstance(error, Unauthorised)
    assert preset.api_key_env in str(error) and f"{preset.label} at" in str(error)


def test_a_request_begins_with_the_bytes_of_the_one_before() -> None:
    longer = (*REQUEST.messages, AssistantMessage("hello"), UserMessage("more"))
    for api in ("chat", "responses"):
        with fault_server(FINE if api == "chat" else RESPONSES_FINE) as server:
            for messages in (REQUEST.messages, longer):
                request = msgspec.structs.replace(REQUEST, messages=messages, tools=(TOOL,))
                asked(server, request, api=api)
        first, second = (r.partition(b"\r\n\r\n")[2] for r in server.requests)
        assert second.startswith(first.removesuffix(b"]}"))


# Calls that arrive as text ----------------------------------------------------------------------------------


def test_a_call_in_the_text_is_a_call_and_its_markers_are_not_shown() -> None:
    parts = ["I look. ", *CALL]
    stream = STREAM_HEAD + b"".join(chunk(part) for part in parts) + chunk("", "stop")
    with fault_server(stream) as server:
        deltas = asked(server, msgspec.structs.replace(REQUEST, tools=(TOOL,)))
    message = answer_of(deltas)
    assert [(call.name, call.arguments) for call in message.calls] == [("read_file", '{"path": "a"}')]
    assert message.text == "I look."
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)).strip() == "I look."


@pytest.mark.parametrize(
    ("finish", "members"), [("length", {"tools": (TOOL,)}), ("stop", {}), ("stop", {"tools": (TOOL,), "schema": {}})]
)
def test_no_call_is_made_of_a_reply_that_was_cut_or_asked_for_as_text(finish: str, members: dict[str, Any]) -> None:
    with fault_server(STREAM_HEAD + chunk(CALL, finish)) as server:
        deltas = asked(server, msgspec.structs.replace(REQUEST, **members))
    assert answer_of(deltas).calls == ()
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == CALL


def test_half_a_call_is_neither_run_nor_shown_when_the_stream_breaks() -> None:
    with fault_server(STREAM_HEAD + chunk("I look. ") + chunk(CALL[:30])) as server:
        error, deltas = refused(server, msgspec.structs.replace(REQUEST, tools=(TOOL,)))
    assert isinstance(error, Interrupted)
    assert deltas == [TextDelta("I look. ")]


# Streams without an end --------------------------------------------------------------------------------------


@pytest.fixture
def endless() -> Iterator[Callable[[bytes], FaultServer]]:
    with contextlib.ExitStack() as stack:
        yield lambda piece: stack.enter_context(fault_server(STREAM_HEAD + piece * 40_000))


@pytest.mark.parametrize("word", ["again and again ", "\n", "the same line\n"])
def test_a_model_that_repeats_itself_is_stopped_and_told_so(
    endless: Callable[[bytes], FaultServer], word: str
) -> None:
    error, _ = refused(endless(chunk(word)))
    assert isinstance(error, Endless) and "again and again" in str(error)


def test_text_that_is_long_and_says_something_is_not_taken_for_repetition() -> None:
    text = "".join(chunk(f"Line {number} is not the one before.\n").decode() for number in range(3_000))
    with fault_server(STREAM_HEAD + text.encode() + chunk("", "stop")) as server:
        assert len(answer_of(asked(server)).text) > 90_000


def test_a_stream_that_never_says_anything_stalls_though_it_never_rests() -> None:
    with fault_server(STREAM_HEAD + chunk("") * 200_000) as server:
        error, _ = refused(server, msgspec.structs.replace(REQUEST, stall_timeout=0.2))
    assert isinstance(error, Stalled)


def test_an_answer_without_a_word_is_pointed_out() -> None:
    with fault_server(STREAM_HEAD + chunk("", "stop")) as server:
        notes = [delta for delta in asked(server) if isinstance(delta, Note)]
    assert len(notes) == 1 and "without an answer" in notes[0].text


@pytest.mark.parametrize(
    ("content", "expected"), [(r"a\ud800b", "a�b"), (r"a\u0000b", "a\0b"), (r"\ud83d\ude00", "😀")]
)
def test_characters_that_cannot_be_are_replaced(content: str, expected: str) -> None:
    data = f'data: {{"choices":[{{"delta":{{"content":"{content}"}},"finish_reason":"stop"}}]}}\n\n'
    with fault_server(STREAM_HEAD + data.encode()) as server:
        assert answer_of(asked(server)).text == expected


def test_nesting_beyond_reason_is_an_error_like_any_other() -> None:
    deep = b'{"usage":{"prompt_tokens":' + b"[" * 100_000
    with fault_server(STREAM_HEAD + b"data: " + deep + b"\n\n") as server:
        error, _ = refused(server)
    assert "nested too deeply" in str(error)


# To the user ----------------------------------------------------------------------------------------------------


def test_a_partial_reply_is_kept_and_marked_in_the_record(home: Path) -> None:
    with fault_server(STREAM_HEAD + chunk("half a repl")) as server:
        ended = run(
            ["vtcode", "ask", "--json", "hi"], clean_environment(home, {"LMSTUDIO_BASE_URL": server.url}), cwd=home
        )
    facts = [json.loads(line) for line in ended.stdout.splitlines()]
    (kept,) = [fact["message"] for fact in facts if fact["type"] == "message.finished"]
    assert (kept["text"], kept["finish"]) == ("half a repl", "cancelled")
    assert (facts[-1]["type"], facts[-1]["finish"]) == ("turn.finished", "failed") and ended.returncode == 1


def test_retries_are_facts_of_the_turn(home: Path) -> None:
    with fault_server(in_turn(refusal("busy", 503), FINE)) as server:
        ended = run(
            ["vtcode", "ask", "--json", "hi"], clean_environment(home, {"LMSTUDIO_BASE_URL": server.url}), cwd=home
        )
    facts = [json.loads(line) for line in ended.stdout.splitlines()]
    (retry,) = [fact for fact in facts if fact["type"] == "retrying"]
    assert "busy" in retry["reason"] and retry["attempt"] == 2
    assert ended.returncode == 0
