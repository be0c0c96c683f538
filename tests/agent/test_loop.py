"""Turns that go round in circles, come to nothing, or run out of steps or room."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from tests.agent.recording import Recording, recording
from tests.agent.runs import Nobody
from tests.agent.support import Reply, bench, call, results, says
from tests.support.faults import response
from vtcode import events
from vtcode.conversation import Conversation
from vtcode.events import Event, check_order
from vtcode.loop import EMPTY, NO_ANSWER, OUT_OF_STEPS
from vtcode.messages import AssistantMessage, Finish, ToolResult, UserMessage
from vtcode.settings import ContextSettings, Settings
from vtcode.startup import Running, start
from vtcode.workspace import Workspace

OVERFLOW = response(400, b'{"error":{"message":"too long","code":"context_length_exceeded"}}')


@contextlib.asynccontextmanager
async def agent(it: Recording, context: ContextSettings, profile: str = "full") -> AsyncGenerator[Running]:
    settings = Settings(base_url=it.server.url, base_url_is_set=True, context=context, profile=profile)
    async with start(settings, Workspace(it.workspace), Nobody(), print, with_tools=True) as running:
        yield running


async def turn(running: Running, conversation: Conversation, text: str) -> list[Event]:
    told = [event async for event in running.agent.run_turn(conversation, text)]
    check_order(told)
    return told


def test_a_pair_of_calls_in_turn_is_broken_and_an_answer_asked_for(home: Path) -> None:
    pair = [call("read_file", path="a.txt"), call("list_files", path=".")]
    with bench(home, *(pair * 5), says("I know a.txt, and nothing else.")) as b:
        b.write("a.txt", "x")
        told, ended = b.events("go")
    texts = [result["text"] for result in results(told)]
    assert ended.returncode == 4 and len(texts) == 9
    assert not any("same calls in turn" in text for text in texts[:6])
    assert all("same calls in turn" in text for text in texts[6:])
    assert told[-1]["finish"] == "limit"


def test_calls_in_turn_are_no_circle_while_their_results_change(home: Path) -> None:
    steps: list[Reply] = []
    for _ in range(5):
        steps += [call("run_terminal_cmd", command="echo x >> log"), call("read_file", path="log")]
    with bench(home, *steps, says("done")) as b:
        told, ended = b.events("go", "--full-auto")
    assert ended.returncode == 0
    assert all(result["status"] == "ok" for result in results(told))


def test_at_the_step_limit_a_last_reply_without_calls_is_asked_for(home: Path) -> None:
    replies = [call("read_file", path="a.txt"), call("list_files", path="."), says("Two files; one is left.")]
    with recording(home, *replies) as it:
        (it.workspace / "a.txt").write_text("x")
        settings = Settings(base_url=it.server.url, base_url_is_set=True, max_turns=2)

        async def run() -> list[Event]:
            async with start(settings, Workspace(it.workspace), Nobody(), print, with_tools=True) as running:
                return await turn(running, Conversation(), "go")

        told = asyncio.run(run())
        last = it.bodies[-1]
    end = told[-1]
    assert isinstance(end, events.TurnFinished)
    assert (end.finish, end.text, end.steps) == (Finish.LIMIT, "Two files; one is left.", 2)
    assert last["tool_choice"] == "none" and last["tools"] == it.bodies[0]["tools"], "the prefix stays as it was"
    assert last["messages"][-1] == {"role": "user", "content": OUT_OF_STEPS}


def test_a_model_that_only_calls_gets_no_further_than_the_limit(home: Path) -> None:
    with recording(home, call("list_files", path=".")) as it:

        async def run() -> list[Event]:
            async with agent(it, ContextSettings()) as running:
                return await turn(running, Conversation(), "go")

        told = asyncio.run(run())
    end = told[-1]
    assert isinstance(end, events.TurnFinished)
    assert (end.finish, end.text) == (Finish.LIMIT, NO_ANSWER)
    assert len(it.bodies) == 7, "six calls, of which three got a warning, and the request for an answer"


def test_an_empty_reply_is_asked_for_again_once(home: Path) -> None:
    with bench(home, says(""), says("Here I am.")) as b:
        told, ended = b.events("go")
    assert ended.returncode == 0 and told[-1]["text"] == "Here I am."
    assert [event["text"] for event in told if event["type"] == "reminded"] == [EMPTY]


def test_a_model_that_stays_silent_has_failed(home: Path) -> None:
    with bench(home, says("")) as b:
        told, ended = b.events("go")
    assert ended.returncode == 1 and "no answer" in ended.stderr
    assert told[-1]["finish"] == "failed" and told[-1]["steps"] == 2


FILLING = [call("read_file", path=f"{number}.txt") for number in range(6)]


def fill(it: Recording) -> None:
    for number in range(6):
        (it.workspace / f"{number}.txt").write_text(f"{number}" * 3000)


def test_before_the_context_is_full_the_model_sums_up_what_happened(home: Path) -> None:
    replies = [*FILLING[:3], says("SUMMARY: three files read, all digits."), *FILLING[3:4], says("All done.")]
    with recording(home, *replies) as it:
        fill(it)

        async def run() -> tuple[list[Event], Conversation]:
            conversation = Conversation()
            async with agent(it, ContextSettings(max_tokens=4000)) as running:
                return await turn(running, conversation, "Read the files"), conversation

        told, conversation = asyncio.run(run())
        bodies = it.bodies
    (compacted,) = [event for event in told if isinstance(event, events.Compacted)]
    assert compacted.how == "summary" and compacted.after < compacted.before
    asking = bodies[3]
    assert asking["messages"][: len(bodies[2]["messages"])] == bodies[2]["messages"], "the cache holds for it"
    assert asking["tools"] == bodies[2]["tools"] and asking["tool_choice"] == "none"
    after = bodies[4]
    assert "SUMMARY: three files" in after["messages"][2]["content"]
    assert {"role": "user", "content": "Read the files"} in after["messages"]
    assert len(str(after["messages"])) < len(str(asking["messages"])) / 2
    assert told[-1].text == "All done."  # type: ignore[union-attr]
    open_calls = [c.id for m in conversation.messages if isinstance(m, AssistantMessage) for c in m.calls]
    answered = [m.call_id for m in conversation.messages if isinstance(m, ToolResult)]
    assert open_calls == answered


def test_without_a_summary_the_facts_stand_for_it(home: Path) -> None:
    with recording(home, *FILLING[:3], says(""), *FILLING[3:4], says("All done.")) as it:
        fill(it)

        async def run() -> list[Event]:
            async with agent(it, ContextSettings(max_tokens=4000)) as running:
                return await turn(running, Conversation(), "Read the files")

        told = asyncio.run(run())
        record = it.bodies[4]["messages"][2]["content"]
    (compacted,) = [event for event in told if isinstance(event, events.Compacted)]
    assert compacted.how == "mechanical"
    assert "Read the files" in record and 'read_file ok {"path": "2.txt"}' in record


def test_what_the_server_refuses_for_its_length_is_made_shorter_once(home: Path) -> None:
    with recording(home, *FILLING[:3], OVERFLOW, says("It fits now.")) as it:
        fill(it)

        async def run() -> list[Event]:
            async with agent(it, ContextSettings()) as running:
                return await turn(running, Conversation(), "Read the files")

        told = asyncio.run(run())
        refused, sent = it.bodies[3:]
    assert told[-1].text == "It fits now."  # type: ignore[union-attr]
    assert sum(isinstance(event, events.Compacted) for event in told) == 1
    assert len(str(sent["messages"])) < len(str(refused["messages"])) / 1.5


def test_what_cannot_be_made_shorter_ends_the_turn_with_the_servers_words(home: Path) -> None:
    with recording(home, OVERFLOW) as it:

        async def run() -> list[Event]:
            async with agent(it, ContextSettings()) as running:
                return await turn(running, Conversation(), "x" * 9000)

        told = asyncio.run(run())
    end = told[-1]
    assert isinstance(end, events.TurnFinished)
    assert end.finish is Finish.FAILED and "too long" in end.error and len(it.bodies) == 1


def test_a_conversation_can_be_made_shorter_when_the_user_wants_it(home: Path) -> None:
    replies = [*FILLING[:2], says("Two files."), says("Both were digits."), says("Gladly.")]
    with recording(home, *replies) as it:
        fill(it)

        async def run() -> tuple[list[Event], Conversation]:
            conversation = Conversation()
            async with agent(it, ContextSettings(keep_recent_turns=1)) as running:
                await turn(running, conversation, "Read two files")
                told = [event async for event in running.agent.compact(conversation)]
                await turn(running, conversation, "Thanks")
                return told, conversation

        told, conversation = asyncio.run(run())
    (compacted,) = told
    assert isinstance(compacted, events.Compacted) and compacted.how == "summary"
    assert "Both were digits." in conversation.messages[1].text
    assert conversation.messages[2] == UserMessage("Read two files")
    assert conversation.messages[-1].text == "Gladly."


def test_a_tool_that_is_not_there_is_asked_for_a_few_times_only(home: Path) -> None:
    with bench(home, *([call("open_file", path="a")] * 20), says("There is no such tool.")) as b:
        told, ended = b.events("go")
    texts = [result["text"] for result in results(told)]
    assert ended.returncode == 4 and 3 < len(texts) < 10
    assert texts[0].startswith("There is no tool 'open_file'.") and "very call before" in texts[-1]
