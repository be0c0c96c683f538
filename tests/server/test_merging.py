"""An adapter merged into a copy of its base: what the copy holds, and who is answered by it."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest

from lmserver.adapters import BASE_SHA256, adapter_of, merge_of
from lmserver.catalog import Catalog
from lmserver.errors import StorageError
from lmserver.merging import Merge, merge
from tests.server.test_adapter import MODEL, adapter, choose, reply
from tests.support.processes import clean_environment, descendants, run, running_server

Q4_0 = gguf.GGMLQuantizationType.Q4_0
Q8_0 = gguf.GGMLQuantizationType.Q8_0


@pytest.fixture
def root(models: Path, tmp_path: Path) -> Path:
    """Give a models folder of its own that holds the default model."""
    base = Catalog(models).resolve(MODEL).path
    place = tmp_path / "models" / base.relative_to(models)
    place.parent.mkdir(parents=True)
    place.hardlink_to(base)
    return tmp_path / "models"


def copies(root: Path) -> list[Path]:
    return sorted((root / ".merged").glob("*"))


def small(path: Path, kind: str = "model") -> Path:
    """Write a model of two matrices and one vector, or an adapter of rank 2 for the first of them."""
    draw = np.random.default_rng(7)
    writer = gguf.GGUFWriter(path, "llama")
    if kind == "model":
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
        writer.add_string("general.name", "small")
        writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
        for name in ("one.weight", "two.weight"):
            weights = draw.normal(size=(4, 64)).astype(np.float32)
            writer.add_tensor(name, gguf.quantize(weights, Q8_0), raw_dtype=Q8_0)
        writer.add_tensor("norm.weight", draw.normal(size=64).astype(np.float32))
    else:
        writer.add_float32("adapter.lora.alpha", 4.0)
        writer.add_tensor("one.weight.lora_a", draw.normal(size=(2, 64)).astype(np.float16))
        writer.add_tensor("one.weight.lora_b", draw.normal(size=(4, 2)).astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors(path: Path) -> dict[str, gguf.ReaderTensor]:
    return {each.name: each for each in gguf.GGUFReader(path).tensors}


def floats(tensor: gguf.ReaderTensor) -> np.ndarray:
    return gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)


def test_the_copy_holds_the_sum_of_both_and_all_else_as_it_was(tmp_path: Path) -> None:
    base, lora, to = small(tmp_path / "base.gguf"), small(tmp_path / "lora.gguf", "adapter"), tmp_path / "to.gguf"
    merge(Merge(base, lora, "Q8_0,one=Q4_0", to))
    before, parts, after = tensors(base), tensors(lora), tensors(to)
    # Of alpha 4 and rank 2, the adapter counts twice.
    wanted = floats(before["one.weight"]) + 2 * (
        floats(parts["one.weight.lora_b"]) @ floats(parts["one.weight.lora_a"])
    )
    assert after["one.weight"].tensor_type == Q4_0
    assert np.array_equal(after["one.weight"].data, gguf.quantize(wanted, Q4_0))
    for name in ("two.weight", "norm.weight"):
        assert after[name].tensor_type == before[name].tensor_type
        assert np.array_equal(after[name].data, before[name].data)
    fields = gguf.GGUFReader(to).fields
    assert fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]
    assert fields["general.name"].contents() == "small"
    assert fields["general.file_type"].contents() == gguf.LlamaFileType.MOSTLY_Q8_0


def test_a_merge_that_fails_leaves_nothing(tmp_path: Path) -> None:
    base, lora = small(tmp_path / "base.gguf"), small(tmp_path / "lora.gguf", "adapter")
    lora.write_bytes(lora.read_bytes()[:-80])
    with pytest.raises((StorageError, ValueError)):
        merge(Merge(base, lora, "Q4_0", tmp_path / "copies" / "to.gguf"))
    assert not copies(tmp_path) and not list((tmp_path / "copies").iterdir())


def test_the_copy_of_another_adapter_goes_when_a_new_one_is_made(tmp_path: Path) -> None:
    base, lora = small(tmp_path / "base.gguf"), small(tmp_path / "lora.gguf", "adapter")
    for name in ("base.1.gguf", "base.2.gguf", "other.1.gguf"):
        merge(Merge(base if "base" in name else small(tmp_path / "other.gguf"), lora, "Q8_0", tmp_path / "c" / name))
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"base.2.gguf", "other.1.gguf"}


def test_the_copy_answers_the_prompts_that_it_is_for_and_the_base_all_others(root: Path, home: Path) -> None:
    own = adapter(home / "own.gguf", strength=1.0, prefix="You are a geographer", merged_types="Q4_0")
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(root)})
    with running_server(environment, home / "server.log", "--no-adapter") as server:
        plain = reply(server.url)
    choose(home, str(own))
    held = {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "string"}}}
    with running_server(environment, home / "server.log") as server:
        for more in ({}, {"response_format": held}):
            assert "Paris" in reply(server.url, "You are a teacher. Answer in short.", **more)
            assert "Paris" not in reply(server.url, "You are a geographer. Answer in short.", **more)
        assert reply(server.url) == plain
        (copy,) = copies(root)
        made = copy.stat().st_mtime_ns
    with running_server(environment, home / "server.log") as server:
        assert "Paris" not in reply(server.url, "You are a geographer. Answer in short.")
    assert [path.stat().st_mtime_ns for path in copies(root)] == [made]
    assert "laid over it" not in (home / "server.log").read_text()


def test_of_copy_and_base_only_what_is_asked_for_is_in_memory(root: Path, home: Path) -> None:
    choose(home, str(adapter(home / "own.gguf", strength=1.0, prefix="You are a geographer", merged_types="Q4_0")))
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(root)})
    with running_server(environment, home / "server.log") as server:

        def engines() -> int:
            found = (Path(f"/proc/{pid}/cmdline").read_bytes() for pid in descendants(server.process.pid))
            return sum(b"llama_child" in line for line in found)

        assert "Paris" in reply(server.url, "You are a teacher. Answer in short.") and engines() == 1
        assert "Paris" not in reply(server.url, "You are a geographer. Answer in short.") and engines() == 2
        assert "Paris" in reply(server.url, "You are a teacher. Answer in short.") and engines() == 2
    with running_server(environment, home / "server.log") as server:
        assert "Paris" not in reply(server.url, "You are a geographer. Answer in short.") and engines() == 1


def test_where_no_copy_can_be_made_the_adapter_is_laid_over_the_base(root: Path, home: Path) -> None:
    (root / ".merged").write_text("in the way")
    choose(home, str(adapter(home / "own.gguf", strength=1.0, prefix="You are a geographer", merged_types="Q4_0")))
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(root)})
    with running_server(environment, home / "server.log") as server:
        assert "Paris" not in reply(server.url, "You are a geographer. Answer in short.")
        assert "Paris" in reply(server.url, "You are a teacher. Answer in short.")
    log = (home / "server.log").read_text()
    assert f"{MODEL}: its adapter is laid over it and not merged, which is slower: Could not write" in log


def test_a_copy_that_does_not_load_is_no_reason_to_serve_nothing(root: Path, home: Path) -> None:
    own = adapter(home / "own.gguf", strength=1.0, prefix="You are a geographer", merged_types="Q4_0")
    choose(home, str(own))
    base = Catalog(root).resolve(MODEL)
    found = adapter_of(base, str(own), home)
    assert found is not None
    wanted = merge_of(root, base, found)
    wanted.to.parent.mkdir()
    wanted.to.write_bytes(b"GGUF")
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(root)})
    with running_server(environment, home / "server.log") as server:
        assert "Paris" not in reply(server.url, "You are a geographer. Answer in short.")
        assert "Paris" in reply(server.url, "You are a teacher. Answer in short.")


def test_only_an_adapter_of_that_very_base_is_merged(root: Path, tmp_path: Path) -> None:
    base = Catalog(root).resolve(MODEL)

    def merged_types(kind: str, base_sha256: str = BASE_SHA256) -> str:
        own = adapter(tmp_path / "own.gguf", merged_types=kind, base_sha256=base_sha256)
        found = adapter_of(base, str(own), tmp_path)
        assert found is not None and not found.fault
        return found.merged_types

    assert merged_types("Q4_0") == "Q4_0"
    assert merged_types("Q8_0,ffn_up=Q4_0") == "Q8_0,ffn_up=Q4_0"
    assert merged_types("Q4_0", "0" * 64) == ""
    assert merged_types("Q2_K") == merged_types("Q8_0,ffn_up=Q2_K") == merged_types("Q8_0,") == ""
    assert merged_types("") == ""


def test_get_makes_the_copy_of_the_adapter_that_ships(root: Path, home: Path) -> None:
    environment = clean_environment(home, {"LMSTUDIO_MODELS_DIR": str(root)})
    assert run(["lmstudio", "get"], environment).returncode == 0
    (copy,) = copies(root)
    made = copy.stat().st_mtime_ns
    assert run(["lmstudio", "get"], environment).returncode == 0
    assert [path.stat().st_mtime_ns for path in copies(root)] == [made]
    names = [model["id"] for model in json.loads(run(["lmstudio", "ls", "--json"], environment).stdout)]
    assert names == [MODEL]
