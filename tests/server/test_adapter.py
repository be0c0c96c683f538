"""Adapters over a model: which one, what it does, and what becomes of one that does not fit."""

import json
from collections.abc import Iterator
from pathlib import Path

import gguf
import httpx2
import numpy as np
import pytest

from lmserver.adapters import BASE_SHA256, BASE_SIZE, COMPACT, adapter_of, capabilities
from lmserver.catalog import Catalog, Model
from lmserver.download import DEFAULT_MODEL, KNOWN
from tests.support.processes import clean_environment, run, running_server

MODEL = "smollm2-135m-instruct"


def adapter(
    path: Path,
    *,
    architecture: str = "llama",
    rows: int = 576,
    strength: float = 0.0,
    prefix: str = "",
    merged_types: str = "",
    base_sha256: str = BASE_SHA256,
) -> Path:
    """Write an adapter of rank 1 on each block's first projection; of strength 0 it changes nothing."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 1.0)
    writer.add_string("adapter.lora.prompt_prefix", prefix)
    if merged_types:
        writer.add_string("vtcode.base_sha256", base_sha256)
        writer.add_string("vtcode.merged_types", merged_types)
    for block in range(30):
        writer.add_tensor(f"blk.{block}.attn_output.weight.lora_a", np.ones((1, rows), np.float16))
        writer.add_tensor(f"blk.{block}.attn_output.weight.lora_b", np.full((576, 1), strength, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def environment(models: Path, home: Path) -> dict[str, str]:
    return clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})


@pytest.fixture
def base(models: Path) -> Model:
    return Catalog(models).resolve(MODEL)


def choose(home: Path, chosen: str) -> None:
    path = home / ".config" / "lmstudio" / "server.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'[models."{MODEL}"]\nadapter = {json.dumps(chosen)}\n')


def reply(url: str, system: str = "", **more: object) -> str:
    question = {"role": "user", "content": "What is the capital of France?"}
    asked = {
        "model": MODEL,
        "messages": [{"role": "system", "content": system}, question] if system else [question],
        "temperature": 0,
        "max_tokens": 12,
    } | more
    answer = httpx2.post(f"{url}/chat/completions", json=asked, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]


def listed(url: str) -> dict[str, object]:
    cards = httpx2.get(f"{url}/models").json()["data"]
    return next(card for card in cards if card["id"] == MODEL)


@pytest.fixture(scope="module")
def plain(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(models)})
    with running_server(environment, home / "server.log", "--no-adapter") as server:
        yield reply(server.url)


def test_an_adapter_that_is_set_changes_what_the_model_says(
    environment: dict[str, str], home: Path, plain: str
) -> None:
    choose(home, str(adapter(home / "own.gguf", strength=0.05)))
    with running_server(environment, home / "server.log") as server:
        assert listed(server.url)["adapter"] == "own.gguf"
        assert reply(server.url) != plain


def test_an_adapter_for_some_prompts_leaves_all_others_to_the_base(
    environment: dict[str, str], home: Path, plain: str
) -> None:
    choose(home, str(adapter(home / "own.gguf", strength=1.0, prefix="You are a geographer")))
    held = {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "string"}}}
    with running_server(environment, home / "server.log") as server:
        for more in ({}, {"response_format": held}):
            assert "Paris" in reply(server.url, "You are a teacher. Answer in short.", **more)
            quoted = 'You are a teacher. Answer in short. Never say "You are a geographer".'
            assert "Paris" in reply(server.url, quoted, **more)
            assert "Paris" not in reply(server.url, "You are a geographer. Answer in short.", **more)
        # One request leaves nothing of the adapter for the next.
        assert reply(server.url) == plain


def test_no_adapter_means_none_whatever_is_set(environment: dict[str, str], home: Path, plain: str) -> None:
    choose(home, str(adapter(home / "own.gguf", strength=0.05)))
    with running_server(environment, home / "server.log", "--no-adapter") as server:
        assert "adapter" not in listed(server.url)
        assert reply(server.url) == plain


def test_the_base_is_served_without_a_truncated_adapter(environment: dict[str, str], home: Path, plain: str) -> None:
    path = adapter(home / "cut.gguf", strength=0.05)
    path.write_bytes(path.read_bytes()[:-2000])
    choose(home, str(path))
    with running_server(environment, home / "server.log") as server:
        assert "adapter" not in listed(server.url)
        assert reply(server.url) == plain
    log = (home / "server.log").read_text()
    assert f"{MODEL} is served without the adapter {path}: truncated" in log
    assert 'set it to "none"' in log


def test_the_base_is_served_without_an_adapter_that_the_engine_refuses(
    environment: dict[str, str], home: Path, plain: str
) -> None:
    choose(home, str(adapter(home / "wide.gguf", rows=640, strength=0.05)))
    with running_server(environment, home / "server.log") as server:
        assert reply(server.url) == plain
        assert "adapter" not in listed(server.url)
    assert f"{MODEL} is served without the adapter" in (home / "server.log").read_text()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("foreign.gguf", "it is for the architecture gemma3, and smollm2-135m-instruct is llama"),
        ("missing.gguf", "cannot be read (No such file or directory)"),
        ("text.gguf", "not a GGUF file"),
        ("base.gguf", "it holds a model, not an adapter"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(
    environment: dict[str, str], home: Path, base: Model, name: str, reason: str
) -> None:
    adapter(home / "foreign.gguf", architecture="gemma3")
    (home / "text.gguf").write_text("Hello, adapter.")
    (home / "base.gguf").symlink_to(base.path)
    choose(home, str(home / name))
    ended = run(["lmstudio", "ls"], environment)
    assert ended.returncode == 0
    assert f"{MODEL}: the adapter {home / name} is refused: {reason}" in ended.stderr
    assert json.loads(run(["lmstudio", "ls", "--json"], environment).stdout)[0]["adapter"] is None


def test_ls_shows_the_adapter_of_each_model(environment: dict[str, str], home: Path) -> None:
    path = adapter(home / "own.gguf")
    choose(home, str(path))
    assert "own.gguf" in run(["lmstudio", "ls"], environment).stdout
    assert json.loads(run(["lmstudio", "ls", "--json"], environment).stdout)[0]["adapter"] == str(path)


def test_our_adapter_is_for_the_model_that_we_get() -> None:
    assert (KNOWN[DEFAULT_MODEL].size, KNOWN[DEFAULT_MODEL].sha256) == (BASE_SIZE, BASE_SHA256)


def test_a_base_of_another_digest_gets_no_adapter_of_ours(base: Model, tmp_path: Path) -> None:
    data = bytearray(base.path.read_bytes())
    data[-1] ^= 1
    copy = tmp_path / "someone" / "SmolLM2-135M-Instruct-GGUF" / "model.gguf"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(data)
    changed = next(entry for entry in Catalog(tmp_path).scan() if isinstance(entry, Model))
    assert changed.header.size_bytes == base.header.size_bytes
    assert adapter_of(changed, None, tmp_path) is None


def test_only_our_own_adapter_makes_a_model_one_for_compact_prompts(base: Model, tmp_path: Path) -> None:
    own = adapter_of(base, str(adapter(tmp_path / "own.gguf")), tmp_path)
    assert own is not None and not own.fault
    assert COMPACT not in capabilities(base, own)
    assert adapter_of(base, "none", tmp_path) is None
