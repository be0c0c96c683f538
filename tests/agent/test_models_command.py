"""`vtcode models`: what the server lists, what the catalogue knows, and a trial."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agent.support import bench, call, says
from tests.support.faults import STREAM_HEAD, fault_server, response
from tests.support.processes import clean_environment, run
from vtcode.models import choose_model, named
from vtcode.providers import Endpoint, ModelInfo, ModelNotFound
from vtcode.providers.catalogue import LMSTUDIO, merged
from vtcode.providers.discovery import native_url, read_models
from vtcode.providers.presets import PRESETS
from vtcode.settings import ProviderSettings, Settings
from vtcode.startup import endpoint_of

LISTED = {
    "object": "list",
    "data": [
        {"id": "qwen2.5-7b-instruct", "object": "model"},
        {"id": "my-own-model", "object": "model"},
        {"id": "nomic-embed", "object": "model"},
    ],
}
NATIVE = {
    "data": [
        {
            "id": "my-own-model",
            "type": "llm",
            "quantization": "Q4_K_M",
            "state": "loaded",
            "loaded_context_length": 4096,
            "max_context_length": 32768,
            "capabilities": ["tool_use"],
        },
        {"id": "nomic-embed", "type": "embeddings", "state": "not-loaded", "max_context_length": 2048},
    ]
}


def models(home: Path, url: str, *arguments: str, **extra: str) -> tuple[int, Any, str]:
    environment = clean_environment(home, {"LMSTUDIO_BASE_URL": url, **extra})
    ended = run(["vtcode", "models", *arguments], environment, cwd=home)
    assert "Traceback" not in ended.stderr
    return ended.returncode, json.loads(ended.stdout) if "--json" in arguments else ended.stdout, ended.stderr


@pytest.fixture
def both(home: Path) -> Any:
    listing = response(200, json.dumps(LISTED).encode())
    native = response(200, json.dumps(NATIVE).encode())
    with fault_server(b"", listing=lambda r: native if b"/api/v0/" in r else listing) as server:
        yield server


def test_the_servers_models_come_first_with_what_its_own_list_tells(home: Path, both: Any) -> None:
    status, found, errors = models(home, both.url, "list", "--json")
    assert (status, errors) == (0, "")
    assert [entry["id"] for entry in found[:3]] == ["qwen2.5-7b-instruct", "my-own-model", "nomic-embed"]
    assert found[1] == {
        "id": "my-own-model",
        "name": None,
        "source": "server",
        "kind": "chat",
        "loaded": True,
        "context_length": 4096,
        "quantization": "Q4_K_M",
        "trained_for_tools": True,
        "parameters": None,
        "size_bytes": None,
    }
    assert (found[0]["name"], found[0]["context_length"]) == ("Qwen2.5 7B", 32768), "completed from the catalogue"
    assert found[2]["kind"] == "embeddings"


def test_the_default_catalogue_follows_without_what_the_server_has(home: Path, both: Any) -> None:
    _, found, _ = models(home, both.url, "list", "--json")
    rest = [entry["id"] for entry in found if entry["source"] == "catalogue"]
    assert rest == [entry.id for entry in LMSTUDIO if "qwen" not in entry.id] and len(rest) == 6


def test_the_list_is_a_table_for_people(home: Path, both: Any) -> None:
    _, table, _ = models(home, both.url, "list")
    head, *rows = table.splitlines()
    assert head.split() == ["ID", "FROM", "LOADED", "CONTEXT", "QUANT", "TOOLS", "SIZE"]
    assert rows[1].split() == ["my-own-model", "server", "yes", "4096", "Q4_K_M", "yes", "-"]


def test_one_model_is_described(home: Path, both: Any) -> None:
    status, described, _ = models(home, both.url, "info", "my-own-model", "--json")
    assert status == 0 and described["loaded"] is True and described["source"] == "server"
    status, text, _ = models(home, both.url, "info", "lmstudio-community/gemma-2-2b-it")
    assert status == 0 and "8192" in text and "catalogue" in text


def test_a_model_that_nobody_knows_is_an_error_with_those_that_are_known(home: Path, both: Any) -> None:
    status, _, errors = models(home, both.url, "info", "nope")
    assert status == 1 and "'nope'" in errors and "my-own-model" in errors


def test_without_a_server_the_catalogue_is_listed_and_the_lack_is_told(home: Path) -> None:
    status, found, errors = models(home, "http://127.0.0.1:9/v1", "list", "--json")
    assert status == 1 and len(found) == len(LMSTUDIO)
    assert "http://127.0.0.1:9/v1" in errors and "lmstudio server start" in errors


def test_a_server_that_wants_a_key_is_named_with_the_variable(home: Path) -> None:
    with fault_server(b"", listing=response(401, b"{}")) as server:
        status, _, errors = models(home, server.url, "list")
    assert status == 1 and "LMSTUDIO_API_KEY" in errors


def test_the_key_is_sent_to_both_lists(home: Path, both: Any) -> None:
    models(home, both.url, "list", LMSTUDIO_API_KEY="s3cret")
    assert len(both.requests) == 2
    assert all(b"authorization: bearer s3cret" in request.lower() for request in both.requests)


def test_a_native_list_that_fails_is_done_without(home: Path) -> None:
    listing = response(200, json.dumps(LISTED).encode())
    broken = response(200, b"<html>")
    with fault_server(b"", listing=lambda r: broken if b"/api/v0/" in r else listing) as server:
        status, found, _ = models(home, server.url, "list", "--json")
    assert status == 0 and found[0]["id"] == "qwen2.5-7b-instruct"


def test_ids_of_a_hostile_server_cannot_steer_the_terminal(home: Path) -> None:
    listing = response(200, json.dumps({"data": [{"id": "a\x1b[2Jb\u202e\n"}]}).encode())
    with fault_server(b"", listing=listing) as server:
        _, table, _ = models(home, server.url, "list")
    assert "\x1b" not in table and "\u202e" not in table and "\\x1b[2Jb" in table


@pytest.mark.parametrize("arguments", [["info"], ["list", "some-model"], ["destroy"]])
def test_wrong_usage_ends_with_2(home: Path, arguments: list[str]) -> None:
    assert models(home, "http://127.0.0.1:9/v1", *arguments)[0] == 2


def test_a_trial_tells_speed_tools_and_schema(home: Path) -> None:
    with bench(home, call("read_file", path="notes.txt")) as b:
        status, trial, _ = models(home, b.server.url, "test", "--json")
    assert status == 0 and trial["model"] == "scripted"
    assert trial["calls_tools"] is True and "notes.txt" in trial["tools_note"]
    assert trial["follows_schema"] is False and trial["seconds_to_first_token"] > 0


def test_a_trial_of_a_model_that_follows_a_schema_says_so(home: Path) -> None:
    with bench(home, says('{"city": "Paris", "is_capital": true}')) as b:
        status, text, _ = models(home, b.server.url, "test", "scripted")
    assert status == 0
    assert "structured output  yes" in text and "tool call          no: it answered in words" in text


def test_a_trial_that_gets_no_reply_fails(home: Path) -> None:
    with bench(home, {"error": {"status": 501, "message": "cannot"}}) as b:
        status, _, errors = models(home, b.server.url, "test")
    assert status == 1 and "cannot" in errors


# Values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({"max_model_len": 8192}, ModelInfo(id="m", context_length=8192)),
        (
            {"meta": {"n_params": 7, "n_ctx_train": 4096, "size": 99}},
            ModelInfo(id="m", context_length=4096, parameters=7, size_bytes=99),
        ),
        ({"meta": "x", "state": 3, "capabilities": {"a": 1}, "parameters": -1}, ModelInfo(id="m")),
        ({"context_length": True, "quantization": {"name": "Q4"}}, ModelInfo(id="m")),
    ],
)
def test_cards_are_read_as_each_server_writes_them(card: dict[str, object], expected: ModelInfo) -> None:
    assert read_models(json.dumps({"data": [{"id": "m", **card}]}).encode()) == [expected]


def test_the_native_list_is_on_the_same_origin() -> None:
    assert native_url("http://localhost:1234/v1") == "http://localhost:1234/api/v0/models"
    assert native_url("https://lan.example:8443/ai/v1") == "https://lan.example:8443/ai/api/v0/models"


def test_other_providers_have_no_default_catalogue() -> None:
    assert [entry.info.id for entry in merged("ollama", [ModelInfo(id="a")])] == ["a"]


def test_an_id_is_found_without_its_publisher_unless_two_have_it() -> None:
    known = [ModelInfo(id="a/m"), ModelInfo(id="b/n"), ModelInfo(id="c/n")]
    assert named("x/M", known) == known[0]
    assert named("n", known) is None
    assert named("b/n", known) == known[1]


def test_a_typed_id_is_tried_where_the_server_lists_nothing() -> None:
    endpoint = Endpoint("http://localhost:1/v1", None, PRESETS["ollama"])
    assert choose_model("my/model", [], endpoint) == ("my/model", None)
    with pytest.raises(ModelNotFound, match=r"Ollama at .* has no model 'my/model'; it has: other\."):
        choose_model("my/model", [ModelInfo(id="other")], endpoint)
    with pytest.raises(ModelNotFound, match=r"no chat model yet.*ollama pull"):
        choose_model(None, [], endpoint)


def test_a_server_without_a_list_is_asked_for_the_model_that_was_named(home: Path) -> None:
    fine = STREAM_HEAD + b'data: {"choices":[{"delta":{"content":"fine"},"finish_reason":"stop"}]}\n\n'
    with fault_server(fine, listing=response(404, b"{}")) as server:
        environment = clean_environment(home, {"LMSTUDIO_BASE_URL": server.url})
        ended = run(["vtcode", "--model", "x/y", "ask", "hi"], environment, cwd=home)
    assert ended.stdout == "fine\n", ended.stderr


def test_a_custom_provider_is_spoken_of_by_its_own_name_and_variable() -> None:
    own = ProviderSettings(base_url="http://box/v1", api_key_env="BOX_KEY", label="The box")
    settings = Settings(provider="box", base_url="http://box/v1", providers={"box": own})
    preset = endpoint_of(settings).preset
    assert (preset.label, preset.api_key_env, preset.has_native_list) == ("The box", "BOX_KEY", False)
    assert preset.address_setting == "its base_url in vtcode.toml"


def test_a_model_that_is_nowhere_is_answered_with_those_that_the_server_has(home: Path, both: Any) -> None:
    status, shown, errors = models(home, both.url, "info", "nope")
    assert (status, shown) == (1, "")
    assert "has no model 'nope'; it has: qwen2.5-7b-instruct, my-own-model, nomic-embed. Name one" in errors
