"""The Responses API where exact replies, or the life of the server, matter: with the scripted model."""

import json
import os
import signal
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.conftest import MODEL as REAL
from tests.support.openresponses import check_response, check_stream
from tests.support.processes import RunningServer, clean_environment, descendants, running_server

MODEL = "scripted"
TOOLS: Any = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("look", "open")]
REPLIES: list[dict[str, Any]] = [
    {
        "reasoning": "First I look.",
        "text": "Let me see.",
        "calls": [{"name": "look", "arguments": {"at": "box"}}, {"name": "open"}],
    },
    {"reasoning": "Now I know.", "text": "It is empty."},
    {"text": "cut here", "cut": True},
    {"text": "one two three four five six seven eight nine ten " * 40, "delay": 0.1},
    {"error": {"status": 503, "message": "The model fell over."}},
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("scripted")
    (home / "scripted.json").write_text(json.dumps(REPLIES))
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[RunningServer]:
    with serving(home) as server:
        yield server


def serving(home: Path) -> Any:
    return running_server(clean_environment(home), home / "log", "--script", str(home / "scripted.json"))


@pytest.fixture
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0, timeout=30) as client:
        yield client


def post(server: RunningServer, **body: Any) -> httpx2.Response:
    return httpx2.post(f"{server.url}/responses", json={"model": MODEL, **body}, timeout=30)


def turns(number: int) -> Any:
    """Give an input that reply number `number` answers."""
    said = [{"role": "user", "content": "Go on."}]
    for _ in range(number):
        said += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Go on."}]
    return said


def test_a_stream_tells_every_item_from_beginning_to_end(server: RunningServer) -> None:
    events = check_stream(post(server, input="What is in the box?", tools=TOOLS, stream=True).text)

    def item(*kinds: str) -> list[str]:
        return ["response.output_item.added", *kinds, "response.output_item.done"]

    def part(kind: str, deltas: int) -> list[str]:
        written = [f"response.{kind}.delta"] * deltas + [f"response.{kind}.done"]
        return item("response.content_part.added", *written, "response.content_part.done")

    call = item(*["response.function_call_arguments.delta"] * 2, "response.function_call_arguments.done")
    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        *part("reasoning_text", 3),
        *part("output_text", 3),
        *call,
        *call,
        "response.completed",
    ]
    assert events[0]["response"]["status"] == events[1]["response"]["status"] == "in_progress"
    assert events[0]["response"]["output"] == []
    reasoning, message, look, opened = events[-1]["response"]["output"]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "First I look."}]
    assert message["content"][0]["text"] == "Let me see."
    assert (look["name"], look["arguments"], look["status"]) == ("look", '{"at":"box"}', "completed")
    assert (opened["name"], opened["arguments"]) == ("open", "{}")
    assert look["call_id"] != opened["call_id"] and look["id"] != look["call_id"]


def test_a_whole_answer_has_the_items_of_the_stream(server: RunningServer) -> None:
    streamed = check_stream(post(server, input="What?", tools=TOOLS, stream=True).text)[-1]["response"]
    whole = check_response(post(server, input="What?", tools=TOOLS).content)
    for body in (streamed, whole):
        for item in body["output"]:
            del item["id"]
    assert whole["output"] == streamed["output"]
    assert whole.keys() == streamed.keys()


def test_calls_and_their_results_go_on_by_id(client: openai.OpenAI) -> None:
    asked = client.responses.create(model=MODEL, input="What is in the box?", tools=TOOLS)
    calls = [item for item in asked.output if item.type == "function_call"]
    results: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "ok"} for call in calls]
    answer = client.responses.create(model=MODEL, input=results, previous_response_id=asked.id, tools=TOOLS)
    # The script counts assistant messages: reasoning, text and both calls were one.
    assert answer.output_text == "It is empty."
    orphan: Any = [{"type": "function_call_output", "call_id": "call_unknown", "output": "ok"}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=orphan)
    assert caught.value.param == "input[0].call_id"


def test_a_cut_reply_is_incomplete(server: RunningServer) -> None:
    events = check_stream(post(server, input=turns(2), stream=True).text)
    assert events[-1]["type"] == "response.incomplete"
    response = events[-1]["response"]
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["completed_at"] is None and response["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_first_word_is_a_status(server: RunningServer, stream: bool) -> None:
    answer = post(server, input=turns(4), stream=stream)
    assert answer.status_code == 503
    assert answer.json()["error"]["message"] == "The model fell over."


def test_a_stream_is_cancelled_from_another_connection(server: RunningServer, client: openai.OpenAI) -> None:
    text = ""
    name = ""
    found: list[Any] = []
    cancelled: list[Any] = []
    other = threading.Thread(target=lambda: cancelled.append(client.responses.cancel(name)))
    with httpx2.stream(
        "POST", f"{server.url}/responses", json={"model": MODEL, "input": turns(3), "stream": True}, timeout=30
    ) as answer:
        for chunk in answer.iter_text():
            text += chunk
            if "output_text.delta" in text and not name:
                name = json.loads(text.split("\n")[1].removeprefix("data: "))["response"]["id"]
                found.append(client.responses.retrieve(name))
                other.start()
    other.join(20)
    events = check_stream(text)
    assert found[0].status == "in_progress"
    assert events[-1]["type"] == "response.incomplete" and events[-1]["response"]["status"] == "cancelled"
    assert len(events) < 100
    assert cancelled[0].status == client.responses.retrieve(name).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="cancelled already"):
        client.responses.cancel(name)


def test_an_engine_that_dies_makes_the_stream_fail(home: Path, models: Path) -> None:
    with running_server(clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)}), home / "real.log") as server:
        body = {
            "model": REAL,
            "input": "Count to a thousand.",
            "max_output_tokens": 2000,
            "stream": True,
            "temperature": 0,
        }
        text = ""
        is_dead = False
        with httpx2.stream("POST", f"{server.url}/responses", json=body, timeout=30) as answer:
            for chunk in answer.iter_text():
                text += chunk
                if text.count("output_text.delta") > 10 and not is_dead:
                    is_dead = True
                    for engine in descendants(server.process.pid):
                        os.kill(engine, signal.SIGKILL)
        last = check_stream(text)[-1]
        assert last["type"] == "response.failed"
        assert last["response"]["status"] == "failed" and last["response"]["error"]["code"] == "server_error"
        assert "Traceback" not in text
        again = httpx2.get(f"{server.url}/responses/{last['response']['id']}")
        assert check_response(again.content) == last["response"]


def test_a_finished_response_cannot_be_cancelled(client: openai.OpenAI) -> None:
    done = client.responses.create(model=MODEL, input="Hi.")
    with pytest.raises(openai.BadRequestError, match="completed already"):
        client.responses.cancel(done.id)


def test_a_response_whose_client_left_is_not_stored(server: RunningServer, client: openai.OpenAI) -> None:
    stream = client.responses.create(model=MODEL, input=turns(3), stream=True)
    created = next(iter(stream))
    assert created.type == "response.created"
    assert client.responses.retrieve(created.response.id).status == "in_progress"
    stream.close()
    for _ in range(100):
        try:
            client.responses.retrieve(created.response.id)
        except openai.NotFoundError:
            return
    pytest.fail("the response is still being made")


def test_conversations_outlive_a_killed_server(home: Path) -> None:
    with serving(home) as server:
        asked = post(server, input="What is in the box?", tools=TOOLS).json()
        server.process.kill()
        server.process.wait()
    with serving(home) as server:
        again = httpx2.get(f"{server.url}/responses/{asked['id']}")
        assert check_response(again.content) == asked
        answer = post(server, input="And?", previous_response_id=asked["id"]).json()
        assert answer["output"][1]["content"][0]["text"] == "It is empty."

    file = home / ".local" / "state" / "lmstudio" / "responses.sqlite3"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_damaged_file_is_kept_aside_and_the_server_answers(tmp_path: Path) -> None:
    (tmp_path / "scripted.json").write_text(json.dumps(REPLIES))
    state = tmp_path / ".local" / "state" / "lmstudio"
    state.mkdir(parents=True)
    (state / "responses.sqlite3").write_bytes(b"this is no database" * 100)
    with serving(tmp_path) as server:
        asked = post(server, input="Hi.").json()
        assert httpx2.get(f"{server.url}/responses/{asked['id']}").status_code == 200
        assert "is damaged" in server.log.read_text()
    (kept,) = state.glob("responses.sqlite3.damaged-*")
    assert kept.read_bytes().startswith(b"this is no database")


def test_a_store_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "scripted.json").write_text(json.dumps(REPLIES))
    (tmp_path / ".local").write_text("in the way")
    with serving(tmp_path) as server:
        answer = check_response(post(server, input="Hi.").content)
        assert answer["status"] == "completed" and answer["store"] is False
        assert "could not be stored" in server.log.read_text()
        found = httpx2.get(f"{server.url}/responses/{answer['id']}")
        assert found.status_code == 500 and found.json()["error"]["type"] == "server_error"


def test_a_store_that_refuses_a_row_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "scripted.json").write_text(json.dumps(REPLIES))
    with serving(tmp_path) as server:
        assert post(server, input="Hi.").json()["store"] is True
        with sqlite3.connect(tmp_path / ".local/state/lmstudio/responses.sqlite3") as blocker:
            blocker.execute("CREATE TRIGGER full BEFORE INSERT ON responses BEGIN SELECT RAISE(FAIL, 'disk'); END")
        answer = check_stream(post(server, input="Hi.", stream=True).text)[-1]
        assert answer["type"] == "response.completed" and answer["response"]["store"] is False
