"""Choosing a model."""

import json
from pathlib import Path

from tests.agent.support import bench, says
from tests.support.faults import fault_server, response
from tests.tui.terminal import Place, window


def test_the_catalogue_is_offered_then_what_the_server_has_then_any_id(home: Path) -> None:
    with bench(home, says("Hello.")) as b, window(b, rows=30, columns=110) as t:
        t.ready()
        # After an answer it is certainly loaded.
        t.say("hi")
        t.wait("Hello.")
        t.ready()
        t.say("/model")
        t.wait("Also on the server")
        rows = [line.strip("› ") for line in t.lines]
        first = rows.index("Catalogue")
        assert rows[first + 1].startswith(
            "lmstudio-community/meta-llama-3.1-8b-instruct  not on the server yet · 128k"
        )
        server = rows.index("Also on the server")
        assert rows[server + 1].startswith("scripted  in use · loaded")
        assert rows[rows.index("Else") + 1].startswith("Custom LM Studio model  any other id")
        t.type("qw7")
        t.wait("2 of 9")
        assert "lmstudio-community/qwen2.5-7b-instruct" in t.text
        # Always there.
        assert "Custom LM Studio model" in t.text


def test_a_model_that_is_chosen_is_loaded_and_kept_where_the_person_says(home: Path) -> None:
    with bench(home, says("Hello.")) as b, window(b, rows=30, columns=100) as t:
        b.write("vtcode.toml", "# mine\n[agent]\nmax_turns = 9 # few\n")
        t.ready()
        t.say("/model scripted")
        t.wait("Keep this model")
        t.press("down", "enter")
        t.wait("scripted is kept in vtcode.toml.")
        kept = (b.workspace / "vtcode.toml").read_text()
        assert kept == '# mine\n[agent]\ndefault_model = "scripted"\nmax_turns = 9 # few\n'
        t.say("hi")
        t.wait("Hello.")


def test_any_id_can_be_typed_and_one_that_the_server_lacks_leaves_the_old_one_in_use(home: Path) -> None:
    with bench(home, says("Hello.")) as b, window(b, rows=30, columns=100) as t:
        t.ready()
        t.say("/model")
        t.wait("Also on the server")
        t.type("custom")
        t.press("enter")
        t.wait("The id of the model, as the server lists it:")
        t.pump(0.4)
        t.type("my-own/model-7b")
        t.press("enter")
        t.wait("error: ")
        t.wait("my-own/model-7b")
        t.ready()
        assert "scripted" in t.status
        t.say("hi")
        t.wait("Hello.")


def test_a_server_that_is_down_is_told_and_an_id_can_be_typed_all_the_same(home: Path) -> None:
    b = Place(home, LMSTUDIO_BASE_URL="http://127.0.0.1:9/v1")
    with window(b, rows=30, columns=110) as t:
        t.wait("error: ")
        assert "not connected" in t.status
        t.say("/model")
        t.wait("The server is down, and an id can be typed all the same")
        assert "Embedded server  start the server that comes with vtcode" in t.text
        assert "Custom LM Studio model" in t.text
        t.type("some-model")
        t.wait("› Custom LM Studio model")
        t.press("enter")
        # It is tried, and the person is told.
        t.until(lambda: t.text.count("Could not reach LM Studio") > 1, "the next try")
        # The person types on, and the next try is made then.
        t.say("hello")
        t.wait("next: hello")


def test_the_embedded_server_is_started_when_nothing_answers_and_it_is_chosen(home: Path, models: Path) -> None:
    b = Place(home, LMSTUDIO_BASE_URL="http://127.0.0.1:9/v1", LMSTUDIO_MODELS_DIR=str(models))
    with window(b, rows=30, columns=110) as t:
        t.wait("error: ")
        t.say("/model")
        t.wait("Embedded server")
        t.type("embedded")
        t.press("enter")
        t.until(lambda: "smollm2-135m-instruct" in t.status, "the default model", 60)
        t.ready()
        t.say("Hello!")
        t.until(lambda: "tokens read" in t.text or "asks to run" in t.text, "a reply", 60)


CARD = {
    "key": "thinker-7b",
    "capabilities": {"reasoning": {"allowed_options": ["low", "high"], "default": "low"}},
    "loaded_instances": [{"id": "thinker-7b", "load_progress": 0.4}],
}


def _served(request: bytes) -> bytes:
    path = request.split(b" ")[1]
    if path == b"/api/v1/models":
        return response(200, json.dumps({"models": [CARD]}).encode())
    if path == b"/api/v0/models":
        card = {"id": "thinker-7b", "type": "llm", "state": "not-loaded", "max_context_length": 32768}
        facts = {"quantization": "Q4_K_M", "capabilities": ["tool_use"]}
        return response(200, json.dumps({"data": [card | facts]}).encode())
    return response(200, b'{"data":[{"id":"thinker-7b"}]}')


def test_effort_is_asked_of_a_model_that_takes_it_and_its_facts_are_told(home: Path) -> None:
    def answer(request: bytes) -> bytes:
        return response(200, b"{}") if request.startswith(b"POST /api/v1/models/load") else _served(request)

    with fault_server(answer, listing=_served) as server:
        b = Place(home, LMSTUDIO_BASE_URL=server.url)
        with window(b, rows=30, columns=110) as t:
            t.ready()
            t.say("/model")
            t.wait("thinker-7b  in use · not loaded · 32k context · Q4_K_M · tools")
            t.type("thinker")
            t.press("enter")
            t.wait("How much shall it think?")
            t.type("high")
            t.press("enter")
            t.wait("Keep this model")
            t.type("every")
            t.press("enter")
            t.wait("is kept in")
        kept = (b.home / ".config" / "vtcode" / "vtcode.toml").read_text()
        assert 'default_model = "thinker-7b"' in kept
        assert 'reasoning_effort = "high"' in kept
        assert any(request.startswith(b"POST /api/v1/models/load") for request in server.requests)
        # A keyless server is asked for no key, and sent none.
        assert not any(b"authorization" in request.lower() for request in server.requests)
