"""The users' guide, sentence by sentence: configuration, custom models, tool calling, troubleshooting."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import openai
import pytest

from tests.agent.support import GUIDE, bench, call, results, says
from tests.support.faults import STREAM_HEAD, FaultServer, fault_server, models, response
from tests.support.processes import BIN, RunningServer, clean_environment, run, running_server
from tests.tui.terminal import Place, Terminal, window

LLAMA = "lmstudio-community/meta-llama-3.1-8b-instruct"
QWEN = "lmstudio-community/qwen2.5-7b-instruct"

ANSWER = (
    STREAM_HEAD
    + b'data: {"choices":[{"index":0,"delta":{"content":"Hello."},"finish_reason":"stop"}]}\n\n'
    + b"data: [DONE]\n\n"
)


def sent(server: FaultServer) -> dict[str, Any]:
    """Give the body of the one request for a reply."""
    (request,) = (request for request in server.requests if request.startswith(b"POST"))
    return json.loads(request.partition(b"\r\n\r\n")[2])


def said(server: FaultServer) -> dict[str, Any]:
    """Give the body of the last request: those before it sent the beginning of the prompt ahead."""
    posts = [request for request in server.requests if request.startswith(b"POST")]
    return json.loads(posts[-1].partition(b"\r\n\r\n")[2])


def exec_against(server: FaultServer, home: Path, *flags: str, toml: str = "") -> subprocess.CompletedProcess[str]:
    """Run a task in a workspace of that configuration."""
    work = home / "work"
    work.mkdir(exist_ok=True)
    (work / "vtcode.toml").write_text(toml)
    environment = clean_environment(home, {"LMSTUDIO_BASE_URL": server.url})
    return run(["vtcode", "exec", *flags, "Say hello"], environment, cwd=work)


# Configuration ------------------------------------------------------------------------------------------


def test_lmstudio_base_url_overrides_the_api_endpoint(home: Path) -> None:
    with fault_server(ANSWER) as server:
        ended = exec_against(server, home)
    assert ended.returncode == 0 and ended.stdout == "Hello.\n"
    assert sent(server)["messages"][-1] == {"role": "user", "content": "Say hello"}


def test_lmstudio_base_url_defaults_to_localhost_1234(home: Path) -> None:
    with contextlib.suppress(OSError), socket.create_connection(("localhost", 1234), timeout=1):
        pytest.fail("Something on this machine listens at port 1234, which this test needs free.")
    # A key set, so that no server is started in the place of the one that does not answer.
    ended = run(["vtcode", "exec", "hi"], clean_environment(home, {"LMSTUDIO_API_KEY": "k"}), cwd=home)
    assert ended.returncode == 1 and "http://localhost:1234/v1" in ended.stderr


def test_lmstudio_base_url_is_useful_when_the_server_runs_on_another_port_or_host(home: Path) -> None:
    with fault_server(ANSWER) as server:
        port = server.url.rpartition(":")[2]
        (home / "work").mkdir()
        environment = clean_environment(home, {"LMSTUDIO_BASE_URL": f"http://localhost:{port}/"})
        ended = run(["vtcode", "exec", "hi"], environment, cwd=home / "work")
    assert ended.returncode == 0, "a slash at the end is no other address"


@pytest.fixture
def locked(home: Path) -> Iterator[RunningServer]:
    """Serve a script to those who have the key."""
    script = home / "script.json"
    script.write_text(json.dumps([says("Let in.")]))
    with running_server(
        clean_environment(home), home / "server.log", "--script", str(script), key="sesame"
    ) as server:
        yield server


def test_lmstudio_api_key_is_set_when_you_enable_key_based_auth(home: Path, locked: RunningServer) -> None:
    environment = clean_environment(home, {"LMSTUDIO_BASE_URL": locked.url, "LMSTUDIO_API_KEY": "sesame"})
    ended = run(["vtcode", "exec", "hi"], environment, cwd=home)
    assert ended.returncode == 0 and ended.stdout == "Let in.\n"


def test_lmstudio_api_key_is_left_unset_for_local_testing_without_authentication(home: Path) -> None:
    with fault_server(ANSWER) as server:
        ended = exec_against(server, home)
    assert ended.returncode == 0
    assert not any(b"authorization" in request.lower() for request in server.requests)


def test_configure_vtcode_toml_in_your_workspace_to_point_at_lm_studio(home: Path) -> None:
    listing = models(LLAMA, QWEN)
    with fault_server(ANSWER, listing=listing) as server:
        ended = exec_against(server, home, toml=GUIDE)
    assert ended.returncode == 0
    assert "warning" not in ended.stderr, "the guide's own file needs no excuse"
    assert sent(server)["model"] == LLAMA


@pytest.mark.parametrize(
    ("tool", "arguments", "status"),
    [
        ("read_file", {"path": "a.txt"}, "ok"),
        ("write_file", {"path": "new.txt", "content": "x"}, "denied"),
        ("run_terminal_cmd", {"command": "touch new.txt"}, "denied"),
        ("edit_file", {"path": "a.txt", "old_str": "pear", "new_str": "plum"}, "denied"),
    ],
)
def test_the_policies_of_the_guide_s_file_hold(
    home: Path, tool: str, arguments: dict[str, object], status: str
) -> None:
    with bench(home, call(tool, **arguments), says("done")) as b:
        b.write("vtcode.toml", GUIDE.replace(LLAMA, "scripted"))
        b.write("a.txt", "pear\n")
        events, _ = b.events("go")
        assert [result["status"] for result in results(events)] == [status]
        assert not (b.workspace / "new.txt").exists()
        assert (b.workspace / "a.txt").read_text() == "pear\n"


def test_you_can_override_the_provider_and_model_via_cli(home: Path) -> None:
    with fault_server(ANSWER, listing=models(LLAMA, QWEN)) as server:
        ended = exec_against(server, home, "--provider", "lmstudio", "--model", QWEN, toml=GUIDE)
    assert ended.returncode == 0 and sent(server)["model"] == QWEN


# Using custom LM Studio models --------------------------------------------------------------------------


@contextlib.contextmanager
def talking(home: Path, server: FaultServer, *arguments: str) -> Iterator[Terminal]:
    with window(Place(home, LMSTUDIO_BASE_URL=server.url), *arguments, columns=120, rows=40) as t:
        t.ready()
        yield t


def test_the_model_picker_lists_lm_studio_s_default_catalog(home: Path) -> None:
    with fault_server(ANSWER, listing=models("m", QWEN)) as server, talking(home, server, "--model", "m") as t:
        t.say("/model")
        t.wait("Also on the server")
        for name in (LLAMA, QWEN, "gemma-2-9b-it", "gemma-2-2b-it", "phi-3.1-mini-4k-instruct"):
            assert name in t.text
        assert "Custom LM Studio model" in t.text
        # QWEN is the third of the catalogue: chosen without typing an id.
        t.press("down", "down", "enter")
        t.wait("Keep this model")
        t.press("enter")
        t.ready()
        t.say("Say hello")
        t.wait("Hello.")
    assert said(server)["model"] == QWEN


def test_choose_custom_lm_studio_model_to_enter_any_other_id_exposed_by_the_server(home: Path) -> None:
    listing = models("m", "someone/tuned-13b")
    with fault_server(ANSWER, listing=listing) as server, talking(home, server, "--model", "m") as t:
        t.say("/model")
        t.wait("Also on the server")
        t.type("Custom LM Studio model")
        t.wait("› Custom LM Studio model")
        t.press("enter")
        t.wait("The id of the model")
        t.pump(0.5)
        t.type("someone/tuned-13b")
        t.press("enter")
        t.wait("Keep this model")
        t.press("enter")
        t.ready()
        t.say("Say hello")
        t.wait("Hello.")
    assert said(server)["model"] == "someone/tuned-13b"


def test_a_sideloaded_gguf_appears_under_get_v1_models_and_can_be_targeted_by_its_exact_id(
    models: Path, home: Path
) -> None:
    folder = home / "models"
    environment = clean_environment(home)
    with running_server(environment, home / "server.log") as server:
        sideloaded = folder / "me" / "tuned" / "my-tuned.gguf"
        sideloaded.parent.mkdir(parents=True)
        shutil.copy(next(models.glob("*/*/*.gguf")), sideloaded)
        ids: list[str] = []
        for _ in range(40):
            ids = [card["id"] for card in json.load(urlopen(f"{server.url}/models"))["data"]]
            if ids:
                break
            time.sleep(0.1)
        assert len(ids) == 1
        by_flag = run(
            ["vtcode", "ask", "--model", ids[0], "Say hello."],
            environment | {"LMSTUDIO_BASE_URL": server.url},
            cwd=home,
        )
        (home / "vtcode.toml").write_text(
            f'[agent]\ndefault_model = "{ids[0]}"\ntemperature = 0.0\nmax_tokens = 20\n'
        )
        by_file = run(["vtcode", "ask", "Say hello."], environment | {"LMSTUDIO_BASE_URL": server.url}, cwd=home)
    for ended in (by_flag, by_file):
        assert ended.stdout.strip(), ended.stderr
        assert ids[0] in ended.stderr


# Tool calling, structured output, and streaming ---------------------------------------------------------


def test_the_stack_supports_the_chat_completions_and_responses_apis(client: openai.OpenAI) -> None:
    chat = client.chat.completions.create(
        model="smollm2-135m-instruct", messages=[{"role": "user", "content": "Say hello."}], max_tokens=8
    )
    assert chat.choices[0].message.content
    answer = client.responses.create(model="smollm2-135m-instruct", input="Say hello.", max_output_tokens=8)
    assert answer.output_text


def test_the_stack_supports_the_embeddings_api(other_client: openai.OpenAI) -> None:
    vector = other_client.embeddings.create(model="all-minilm-l6-v2", input="hello").data[0].embedding
    assert len(vector) == 384


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_vt_code_forwards_tool_definitions_and_function_calling_metadata(home: Path, api: str) -> None:
    with fault_server(ANSWER) as server:
        exec_against(server, home, "-c", f"providers.lmstudio.api={api}")
    body = sent(server)
    tools = [tool["function"] if api == "chat" else tool for tool in body["tools"]]
    assert {tool["name"] for tool in tools} >= {"read_file", "edit_file", "write_file", "run_terminal_cmd"}
    for tool in body["tools"]:
        assert tool["type"] == "function"
    for tool in tools:
        assert tool["description"] and tool["parameters"]["type"] == "object"


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_vt_code_forwards_json_schema_expectations(home: Path, api: str) -> None:
    schema = {
        "type": "object",
        "properties": {"port": {"type": "integer"}},
        "required": ["port"],
        "additionalProperties": False,
    }
    (home / "schema.json").write_text(json.dumps(schema))
    with fault_server(ANSWER) as server:
        environment = clean_environment(home, {"LMSTUDIO_BASE_URL": server.url})
        command = ["vtcode", "ask", "-c", f"providers.lmstudio.api={api}", "--schema", "schema.json", "Which port?"]
        run(command, environment, cwd=home)
    posts = [request for request in server.requests if request.startswith(b"POST")]
    body = json.loads(posts[0].partition(b"\r\n\r\n")[2])
    wanted = body["response_format"]["json_schema"]["schema"] if api == "chat" else body["text"]["format"]["schema"]
    assert wanted == schema


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_streaming_is_enabled_by_default_and_you_see_incremental_tokens(home: Path, api: str) -> None:
    with bench(home, {"text": "one two three four five", "delay": 0.3}) as b:
        process = subprocess.Popen(
            [str(BIN / "vtcode"), "exec", "-c", f"providers.lmstudio.api={api}", "go"],
            env=b.environment,
            cwd=b.workspace,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100).startswith(b"one")
        assert process.poll() is None, "the first word came before the last"
        process.communicate(timeout=20)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_parallel_tool_calls_behaves_consistently(home: Path, api: str) -> None:
    with fault_server(ANSWER) as server:
        exec_against(server, home, "-c", f"providers.lmstudio.api={api}", "-c", "agent.parallel_tool_calls=false")
    assert sent(server)["parallel_tool_calls"] is False


def test_several_calls_of_one_reply_are_all_answered(home: Path) -> None:
    two: dict[str, object] = {
        "calls": [{"name": "read_file", "arguments": {"path": name}} for name in ("a.txt", "b.txt")]
    }
    with bench(home, two, says("done")) as b:
        b.write("a.txt", "pear\n")
        b.write("b.txt", "plum\n")
        events, _ = b.events("go")
    assert [result["text"].strip() for result in results(events)] == ["pear", "plum"]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_reasoning_effort_flags_behave_consistently(home: Path, api: str) -> None:
    with fault_server(ANSWER) as server:
        exec_against(server, home, "-c", f"providers.lmstudio.api={api}", "-c", "agent.reasoning_effort=low")
    body = sent(server)
    assert (body["reasoning_effort"] if api == "chat" else body["reasoning"]["effort"]) == "low"


def test_json_schema_validation_behaves_consistently(models: Path, home: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    (home / "schema.json").write_text(json.dumps(schema))
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    ended = run(
        ["vtcode", "ask", "--embedded", "-q", "--schema", "schema.json", "Grass is green. Which colour?"],
        environment,
        cwd=home,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["colour"] in {"red", "green"}


# Troubleshooting ----------------------------------------------------------------------------------------


def test_connection_refused_names_the_address_and_how_to_start_the_server_within_a_second(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    started = time.monotonic()
    ended = run(["vtcode", "exec", "hi"], clean_environment(home, {"LMSTUDIO_BASE_URL": url}), cwd=home)
    assert time.monotonic() - started < 3, "a second, and what a busy machine takes to start Python"
    assert ended.returncode == 1
    assert url in ended.stderr and "LMSTUDIO_BASE_URL" in ended.stderr
    assert "lmstudio server start" in ended.stderr


def test_model_not_found_lists_the_models_that_the_server_exposes(home: Path) -> None:
    with fault_server(ANSWER, listing=models("one", "two")) as server:
        ended = exec_against(server, home, "--model", "three")
    assert ended.returncode == 1
    for name in ("three", "one", "two"):
        assert name in ended.stderr


def test_401_unauthorized_names_the_variable_for_the_key(home: Path, locked: RunningServer) -> None:
    for key in ("", "wrong"):
        environment = clean_environment(home, {"LMSTUDIO_BASE_URL": locked.url, "LMSTUDIO_API_KEY": key})
        ended = run(["vtcode", "exec", "hi"], environment, cwd=home)
        assert ended.returncode == 1
        assert "401" in ended.stderr and "LMSTUDIO_API_KEY" in ended.stderr


def test_slow_responses_can_be_measured_model_by_model(home: Path) -> None:
    with bench(home, says("one two three four five six")) as b:
        ended = run(["vtcode", "models", "test"], b.environment, cwd=b.workspace)
    assert "tokens/s" in ended.stdout and "first token" in ended.stdout


def test_tool_payload_errors_pass_on_what_the_server_says_and_point_at_its_log(home: Path) -> None:
    body = b'{"error":{"message":"tools param requires --jinja flag","code":400}}'
    with fault_server(response(400, body)) as server:
        ended = exec_against(server, home)
    assert ended.returncode == 1
    assert "tools param requires --jinja flag" in ended.stderr
    assert "log" in ended.stderr
