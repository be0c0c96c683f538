"""Prompts that only grow: what a server has read once, it never reads again."""

import asyncio
import itertools
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.agent.recording import Body, recording, stream
from tests.agent.runs import Nobody
from tests.agent.support import Reply, call, says
from tests.conftest import MODEL
from tests.support.faults import fault_server, models
from tests.support.processes import RunningServer, clean_environment, run
from tests.tui.terminal import window
from vtcode import events
from vtcode.conversation import Conversation
from vtcode.settings import Settings
from vtcode.startup import start
from vtcode.workspace import Workspace

STEPS: list[Reply] = [
    call("read_file", path="a.txt"),
    call("run_terminal_cmd", command="date"),
    call("update_plan", plan=[{"step": "look", "status": "completed"}, {"step": "tell", "status": "pending"}]),
    says("Read."),
]


COMPACT_STEPS = [*STEPS[:2], call("list_files", path="."), *STEPS[3:]]


def prefix(body: Body) -> str:
    """Lay a request out as chat templates do."""
    return json.dumps([body.get("tools"), *body["messages"]])[:-1]


@pytest.mark.parametrize("profile", ["full", "compact"])
def test_each_request_begins_with_the_bytes_of_the_one_before(home: Path, profile: str) -> None:
    replies = STEPS if profile == "full" else [_as_json(reply) for reply in COMPACT_STEPS]
    with recording(home, *replies, *replies) as it:
        (it.workspace / "a.txt").write_text("pear\n")
        (it.workspace / "AGENTS.md").write_text("Use tabs.\n")

        async def run_once() -> None:
            settings = Settings(base_url=it.server.url, base_url_is_set=True, profile=profile)
            async with start(settings, Workspace(it.workspace), Nobody(), print, with_tools=True) as running:
                conversation = Conversation(notes=running.notes)
                told = [event async for event in running.agent.run_turn(conversation, "go")]
            assert isinstance(told[-1], events.TurnFinished) and told[-1].text == "Read."

        asyncio.run(run_once())
        asyncio.run(run_once())
        bodies = it.bodies
    assert len(bodies) == 2 * len(replies)
    first, second = bodies[: len(replies)], bodies[len(replies) :]
    for earlier, later in itertools.pairwise(first):
        assert prefix(later).startswith(prefix(earlier))
    assert prefix(first[0]) == prefix(second[0]), "a second run begins with the very same bytes"
    assert "Use tabs." in first[0]["messages"][0]["content"]


def _as_json(reply: Reply) -> Reply:
    calls: Any = reply.get("calls")
    return says(json.dumps(calls[0] if calls else {"name": "answer", "arguments": {"text": reply["text"]}}))


def test_what_is_sent_ahead_is_the_beginning_of_the_first_request(home: Path) -> None:
    with recording(home, says("x")) as it:
        (it.workspace / "AGENTS.md").write_text("Use tabs.\n")

        async def warm_and_ask() -> None:
            settings = Settings(base_url=it.server.url, base_url_is_set=True)
            async with start(settings, Workspace(it.workspace), Nobody(), print, with_tools=True) as running:
                assert running.warms_up
                conversation = Conversation(notes=running.notes)
                await running.agent.warm_up(conversation)
                assert conversation.messages == ()
                async for _ in running.agent.run_turn(conversation, "go"):
                    pass

        asyncio.run(warm_and_ask())
        ahead, first = it.bodies
    assert ahead["max_tokens"] == 1
    assert (ahead["tools"], ahead["messages"][0]) == (first["tools"], first["messages"][0])
    assert [message["role"] for message in ahead["messages"]] == ["system", "user"]


def test_a_headless_run_sends_nothing_but_its_steps(home: Path) -> None:
    with recording(home, *STEPS) as it:
        (it.workspace / "a.txt").write_text("pear\n")
        ended = run(["vtcode", "exec", "--full-auto", "go"], it.environment, cwd=it.workspace)
        assert ended.returncode == 0, ended.stderr
    assert len(it.bodies) == len(STEPS)


def test_a_real_server_has_nearly_all_of_each_prompt_of_a_long_run(real_server: RunningServer, home: Path) -> None:
    # The server reads every prompt for real; which call comes next is not left to so small a model.
    steps = [call("read_file", path=f"{number}.txt") for number in range(9)] + [says("All nine are read.")]
    count = 0

    def forward(request: bytes) -> bytes:
        nonlocal count
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        asked = {**body, "stream": False, "max_tokens": 1}
        for name in ("stream_options", "return_progress"):
            asked.pop(name, None)
        post = urllib.request.Request(
            f"{real_server.url}/chat/completions", json.dumps(asked).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(post, timeout=100) as answer:
            usage = json.load(answer)["usage"]
        count += 1
        return stream(
            steps[count - 1], count, usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]
        )

    workspace = home / "work"
    workspace.mkdir()
    for number in range(9):
        (workspace / f"{number}.txt").write_text(f"line {number}\n")
    notes = "Crates are counted in the evening, before the gate is shut; what is over goes to the cellar.\n"
    (workspace / "AGENTS.md").write_text(notes * 20)
    with fault_server(forward, listing=models(MODEL)) as server:
        environment = clean_environment(home, {"LMSTUDIO_BASE_URL": server.url})
        ended = run(["vtcode", "exec", "--json", "Read the nine files"], environment, cwd=workspace)
    assert ended.returncode == 0, ended.stderr
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    usages = [event["message"]["usage"] for event in told if event["type"] == "message.finished"]
    assert len(usages) == 10
    for earlier, later in itertools.pairwise(usages):
        assert later["cached"] >= earlier["prompt"], usages
        assert later["cached"] >= 0.95 * later["prompt"], usages


def test_a_session_is_warmed_up_while_the_user_types(home: Path) -> None:
    with recording(home, says("x"), says("Here.")) as it, window(it) as t:
        end = time.monotonic() + 15
        while not it.bodies and time.monotonic() < end:
            t.pump(0.05)
        t.ready()
        t.say("hello")
        t.wait("Here.")
    ahead, first = it.bodies
    assert (ahead["max_tokens"], ahead["tools"]) == (1, first["tools"])
    assert ahead["messages"][0] == first["messages"][0] and first["messages"][1]["content"] == "hello"
