import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmserver.catalog import BrokenFile, Catalog, Model, models_dir
from lmserver.download import KNOWN
from lmserver.errors import UnknownModel
from tests.server.ggufmaker import TOOL_TEMPLATE, gguf, model, number, put, text

F16, Q4_1, Q8_0, Q4_K_M = 1, 3, 7, 15


def fill(root: Path, *paths: str, content: bytes | None = None) -> Catalog:
    for path in paths:
        put(root / path, model() if content is None else content)
    return Catalog(root)


def models(catalog: Catalog) -> list[Model]:
    return [entry for entry in catalog.scan() if isinstance(entry, Model)]


def ids(catalog: Catalog) -> list[str]:
    return [model.id for model in models(catalog)]


def broken(catalog: Catalog) -> dict[str, str]:
    return {entry.name: entry.reason for entry in catalog.scan() if isinstance(entry, BrokenFile)}


# Ids and names ------------------------------------------------------------------------------------------


def test_a_model_is_described_by_its_place_and_its_header(tmp_path: Path) -> None:
    path = put(tmp_path / "Lab/Tiny-Instruct-GGUF/tiny.Q8_0.gguf", model(file_type=Q8_0))
    [found] = models(Catalog(tmp_path))
    assert (found.id, found.publisher, found.repo) == ("tiny-instruct", "Lab", "Tiny-Instruct-GGUF")
    assert (found.path, found.modified) == (path, path.stat().st_mtime)
    assert (found.kind, found.quantization, found.trained_for_tool_use) == ("llm", "Q8_0", False)
    assert (found.header.parameters, found.header.size_bytes) == (64, path.stat().st_size)


def test_two_publishers_of_one_name_are_told_apart_by_publisher(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "A/Tiny-GGUF/x.gguf", "B/tiny/x.gguf", "B/Other/x.gguf")
    assert ids(catalog) == ["a/tiny", "b/tiny", "other"]


def test_of_several_files_in_a_repository_q4_k_m_has_the_plain_name(tmp_path: Path) -> None:
    for name, file_type in (("a", Q4_1), ("b", Q4_K_M), ("c", F16)):
        put(tmp_path / f"lab/Tiny/{name}.gguf", model(file_type=file_type))
    catalog = Catalog(tmp_path)
    assert ids(catalog) == ["tiny", "tiny@f16", "tiny@q4_1"]
    assert catalog.resolve("tiny").quantization == "Q4_K_M"


def test_without_q4_k_m_the_smallest_file_has_the_plain_name(tmp_path: Path) -> None:
    put(tmp_path / "lab/Tiny/a.gguf", model(file_type=Q8_0) + bytes(100))
    put(tmp_path / "lab/Tiny/b.gguf", model(file_type=Q4_1))
    catalog = Catalog(tmp_path)
    assert ids(catalog) == ["tiny", "tiny@q8_0"]
    assert catalog.resolve("tiny").quantization == "Q4_1"


def test_files_of_one_quantization_are_told_apart_by_file_name(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/Tiny/a.gguf", "lab/Tiny/b.gguf", "lab/Tiny/C.gguf", "lab/Tiny/c.gguf")
    assert ids(catalog) == ["tiny", "tiny@a", "tiny@b", "tiny@c"]


FOLDER_NAMES = st.text("aAbB-.GgUuFf", min_size=1, max_size=6).filter(lambda name: not name.startswith("."))


@settings(max_examples=60, deadline=None, database=None)
@given(st.sets(st.tuples(FOLDER_NAMES, FOLDER_NAMES | st.just("a-gguf-gguf"), FOLDER_NAMES), min_size=1, max_size=6))
def test_every_id_is_unique_and_names_its_model(places: set[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        catalog = fill(Path(root), *(f"{publisher}/{repo}/{file}.gguf" for publisher, repo, file in places))
        found = models(catalog)
        assert len({model.id for model in found}) == len(found) == len(places)
        assert [catalog.resolve(model.id) for model in found] == found


@pytest.mark.parametrize(
    "name",
    [
        "meta-llama-3.1-8b-instruct",
        "Meta-Llama-3.1-8B-Instruct-GGUF",
        "lmstudio-community/meta-llama-3.1-8b-instruct",
        "lmstudio-community/Meta-Llama-3.1-8B-Instruct-GGUF",
        "LMSTUDIO-COMMUNITY/META-LLAMA-3.1-8B-INSTRUCT",
        "lmstudio-community/Meta-Llama-3.1-8B-Instruct-GGUF/x.gguf",
        "meta-llama-3.1-8b-instruct@q4_k_m",
        "lmstudio-community/meta-llama-3.1-8b-instruct@Q4_K_M",
    ],
)
def test_a_model_answers_to_every_way_of_writing_its_name(tmp_path: Path, name: str) -> None:
    path = "lmstudio-community/Meta-Llama-3.1-8B-Instruct-GGUF/x.gguf"
    catalog = fill(tmp_path, path, content=model(file_type=Q4_K_M))
    fill(tmp_path, "other/Model/y.gguf")
    assert catalog.resolve(name).path == tmp_path / path


@pytest.mark.parametrize(
    ("repo", "name"),
    [
        ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "lmstudio-community/meta-llama-3.1-8b-instruct"),
        ("QuantFactory/Meta-Llama-3-8B-Instruct-GGUF", "lmstudio-community/meta-llama-3-8b-instruct"),
        ("Qwen/Qwen2.5-7B-Instruct-GGUF", "lmstudio-community/qwen2.5-7b-instruct"),
        ("bartowski/gemma-2-2b-it-GGUF", "lmstudio-community/Gemma-2-2B-it"),
        ("bartowski/gemma-2-9b-it-GGUF", "LMStudio-Community/gemma-2-9b-it-GGUF"),
        ("bartowski/Phi-3.1-mini-4k-instruct-GGUF", "lmstudio-community/phi-3.1-mini-4k-instruct@q4_k_m"),
    ],
)
def test_the_ids_that_guides_write_mean_anybodys_copy(tmp_path: Path, repo: str, name: str) -> None:
    catalog = fill(tmp_path, f"{repo}/x.gguf", content=model(file_type=Q4_K_M))
    fill(tmp_path, "other/Model/y.gguf")
    assert catalog.resolve(name).path == tmp_path / f"{repo}/x.gguf"


def test_a_model_that_has_an_id_itself_goes_before_copies(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lmstudio-community/Tiny-GGUF/x.gguf", "somebody/Tiny-GGUF/x.gguf")
    assert catalog.resolve("lmstudio-community/tiny").publisher == "lmstudio-community"
    with pytest.raises(UnknownModel):
        catalog.resolve("lmstudio-community/")


def test_a_guides_id_of_which_there_are_two_copies_is_refused_with_their_ids(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "A/Tiny-GGUF/x.gguf", "B/Tiny-GGUF/x.gguf")
    with pytest.raises(UnknownModel) as caught:
        catalog.resolve("lmstudio-community/tiny")
    assert list(caught.value.near) == ["a/tiny", "b/tiny"]


def test_a_file_put_in_the_place_of_another_has_another_stamp(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/tiny/x.gguf")
    before = catalog.resolve("tiny").stamp
    assert catalog.resolve("tiny").stamp == before
    path = tmp_path / "lab/tiny/x.gguf"
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").replace(path)
    assert catalog.resolve("tiny").stamp != before


def test_a_name_with_a_quantization_means_that_file(tmp_path: Path) -> None:
    put(tmp_path / "Lab/Tiny-GGUF/a.gguf", model(file_type=Q4_K_M))
    put(tmp_path / "Lab/Tiny-GGUF/b.gguf", model(file_type=Q8_0))
    catalog = Catalog(tmp_path)
    names = ["tiny@q8_0", "TINY@Q8_0", "lab/tiny@q8_0", "Lab/Tiny-GGUF/b.gguf"]
    assert {catalog.resolve(name).id for name in names} == {"tiny@q8_0"}


def test_an_embedding_model_answers_to_lm_studios_name_for_it_too(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/MiniLM-GGUF/x.gguf", content=gguf([text("general.architecture", "bert")]))
    found = catalog.resolve("text-embedding-minilm")
    assert (found.id, found.kind) == ("minilm", "embeddings")


def test_a_name_that_means_several_models_is_refused_with_their_ids(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "A/Tiny-GGUF/x.gguf", "B/Tiny/x.gguf", "B/Other/x.gguf")
    with pytest.raises(UnknownModel) as caught:
        catalog.resolve("tiny")
    assert (caught.value.name, list(caught.value.near)) == ("tiny", ["a/tiny", "b/tiny"])
    assert list(caught.value.known) == ["a/tiny", "b/tiny", "other"]


def test_a_name_that_is_nearly_right_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/SmolLM2-135M-Instruct-GGUF/x.gguf", "lab/Qwen2.5-7B/x.gguf")
    with pytest.raises(UnknownModel) as caught:
        catalog.resolve("HuggingFaceTB/SmolLM2-135M")
    assert list(caught.value.near) == ["smollm2-135m-instruct"]


@pytest.mark.parametrize("name", ["", ".", "..", "../lab/tiny", "lab", "lab/", "/etc/passwd", "x\0y", "ti" * 100_000])
def test_a_name_never_reaches_the_file_system(tmp_path: Path, name: str) -> None:
    catalog = fill(tmp_path / "models", "lab/tiny/x.gguf")
    put(tmp_path / "lab/tiny/x.gguf", model())
    started = time.process_time()
    with pytest.raises(UnknownModel):
        catalog.resolve(name)
    assert time.process_time() - started < 0.5


# Tool use -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (TOOL_TEMPLATE, True),
        ("{%- if tools is not none -%}x{%- endif -%}", True),
        ("{{- 'Tools: ' + tools|tojson }}", True),
        ("{{ messages }}", False),
        ("You have tools. {{ messages }}", False),
        ("{{ 'no tools' }}{# tools #}", False),
        ("{{ message.tools }}{{ built_tools }}", False),
        ("{{ 'it\\'s tools' }}", False),
    ],
)
def test_a_model_is_trained_for_tools_when_its_template_uses_them(
    tmp_path: Path, template: str, expected: bool
) -> None:
    catalog = fill(tmp_path, "lab/tiny/x.gguf", content=model(text("tokenizer.chat_template", template)))
    assert catalog.resolve("tiny").trained_for_tool_use is expected


def test_a_hostile_template_costs_no_time(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/tiny/x.gguf", content=model(text("tokenizer.chat_template", "{% '\\'" * 2_000_000)))
    found = catalog.resolve("tiny")
    started = time.process_time()
    assert not found.trained_for_tool_use
    assert time.process_time() - started < 0.5


# Odd folders --------------------------------------------------------------------------------------------


def test_a_folder_that_does_not_exist_holds_no_models(tmp_path: Path) -> None:
    assert Catalog(tmp_path / "none").scan() == []


def test_files_out_of_place_are_broken_and_say_what_to_do(tmp_path: Path) -> None:
    reason = "not in a folder <publisher>/<repo>; put it into one with `lmstudio import`"
    catalog = fill(tmp_path, "x.gguf", "lab/x.gguf", "lab/tiny/x.gguf", "lab/tiny/deep/x.gguf")
    assert broken(catalog) == {"x.gguf": reason, "lab/x.gguf": reason}
    assert ids(catalog) == ["tiny"]


def test_hidden_folders_unfinished_files_and_projectors_are_left_out(tmp_path: Path) -> None:
    paths = [".downloads/a/x.gguf", "lab/.git/x.gguf", "lab/tiny/.x.gguf", "lab/tiny/x.gguf.part"]
    catalog = fill(tmp_path, *paths, "lab/tiny/mmproj-model-f16.gguf")
    put(tmp_path / "lab/tiny/vision.gguf", gguf([text("general.architecture", "clip")]))
    assert catalog.scan() == []


def test_a_file_that_cannot_be_used_is_broken_with_the_reason(tmp_path: Path) -> None:
    fill(tmp_path, "lab/a/cut.gguf", content=model()[:-1])
    fill(tmp_path, "lab/b/lora.gguf", content=model(text("general.type", "adapter")))
    fill(tmp_path, "lab/c/vocabulary.gguf", content=gguf(tensors=[]))
    fill(tmp_path, "lab/d/renamed.gguf", content=model(number("split.count", 2)))
    assert broken(Catalog(tmp_path)) == {
        "lab/a/cut.gguf": f"truncated: the tensors end at byte {len(model())}, the file has {len(model()) - 1}",
        "lab/b/lora.gguf": "not a model: it holds an adapter",
        "lab/c/vocabulary.gguf": "not a model: it holds a vocabulary and no weights",
        "lab/d/renamed.gguf": "one of 2 parts, but not named like …-00001-of-00002.gguf",
    }


def test_a_fifo_and_links_to_nowhere_are_broken_and_the_scan_ends(tmp_path: Path) -> None:
    folder = tmp_path / "lab/tiny"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "fifo.gguf")
    (folder / "loop.gguf").symlink_to("loop.gguf")
    (folder / "nowhere.gguf").symlink_to("none")
    assert broken(Catalog(tmp_path)) == {
        "lab/tiny/fifo.gguf": "not a regular file",
        "lab/tiny/loop.gguf": "cannot be read (Too many levels of symbolic links)",
        "lab/tiny/nowhere.gguf": "cannot be read (No such file or directory)",
    }


def test_folders_that_link_to_each_other_do_no_harm(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/tiny/x.gguf")
    (tmp_path / "lab/tiny/up").symlink_to(tmp_path)
    (tmp_path / "lab/again").symlink_to(tmp_path / "lab")
    (tmp_path / "all").symlink_to(tmp_path)
    assert ids(catalog) == ["tiny"]


def test_a_link_to_a_model_elsewhere_is_a_model(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside.gguf", model())
    (tmp_path / "models/lab/tiny").mkdir(parents=True)
    (tmp_path / "models/lab/tiny/x.gguf").symlink_to(outside)
    assert ids(Catalog(tmp_path / "models")) == ["tiny"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a\nb.gguf", "a\\nb.gguf"),
        (b"\x1b[31m.gguf", "\\x1b[31m.gguf"),
        (b"a\xffb.gguf", "a\\udcffb.gguf"),
        ("\u202efugg.gguf".encode(), "\\u202efugg.gguf"),
        (b"a@b.gguf", "a@b.gguf"),
    ],
)
def test_a_name_that_does_not_print_is_broken_and_shown_escaped(tmp_path: Path, name: bytes, shown: str) -> None:
    fill(tmp_path, "lab/tiny/x.gguf")
    put(tmp_path / "lab/tiny" / os.fsdecode(name), model())
    assert broken(Catalog(tmp_path)) == {
        f"lab/tiny/{shown}": "its name holds @ or what does not print; rename it",
    }


def test_a_scan_of_very_many_files_ends_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "lab/tiny").mkdir(parents=True)
    for index in range(10_050):
        (tmp_path / f"lab/tiny/{index}.txt").touch()
    assert broken(Catalog(tmp_path)) == {".": "more than 10,000 files and folders; the rest is not listed"}


# Split models -------------------------------------------------------------------------------------------


def test_a_split_model_is_listed_once_with_the_size_of_all_its_parts(tmp_path: Path) -> None:
    paths = [f"lab/Big-GGUF/big-Q8_0-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    catalog = fill(tmp_path, *paths, content=model(number("split.count", 3), file_type=Q8_0))
    [found] = models(catalog)
    assert (found.id, found.path) == ("big", tmp_path / paths[0])
    assert (found.header.parameters, found.header.size_bytes) == (192, 3 * (tmp_path / paths[0]).stat().st_size)


def test_a_split_model_that_lacks_a_part_is_broken_and_names_it(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/big/big-00001-of-00003.gguf", "lab/big/big-00003-of-00003.gguf")
    name = "lab/big/big-00001-of-00003.gguf"
    assert broken(catalog) == {name: "its part big-00002-of-00003.gguf is missing"}


def test_a_part_that_claims_very_many_others_costs_nothing(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/big/big-00007-of-99999.gguf", "lab/none/none-00001-of-00000.gguf")
    name = "lab/big/big-00001-of-99999.gguf"
    assert broken(catalog) == {name: "its part big-00001-of-99999.gguf is missing"}
    assert ids(catalog) == ["none"]


# Scanning again -----------------------------------------------------------------------------------------


def test_a_second_scan_does_not_read_unchanged_files_again(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/tiny/x.gguf")
    before = catalog.scan()
    path = tmp_path / "lab/tiny/x.gguf"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(bytes(path.stat().st_size))
    os.utime(path, ns=times)
    assert catalog.scan() == before


def test_a_changed_or_removed_file_is_seen(tmp_path: Path) -> None:
    catalog = fill(tmp_path, "lab/a/x.gguf", "lab/b/x.gguf")
    assert ids(catalog) == ["a", "b"]
    (tmp_path / "lab/a/x.gguf").unlink()
    put(tmp_path / "lab/b/x.gguf", b"no model")
    assert ids(catalog) == []
    assert broken(catalog) == {"lab/b/x.gguf": "not a GGUF file (it starts with b'no m')"}


# Where models are ---------------------------------------------------------------------------------------


def test_the_models_folder_is_lm_studios_own_unless_something_says_otherwise(tmp_path: Path) -> None:
    assert models_dir({"HOME": str(tmp_path)}) == tmp_path / ".lmstudio/models"


@pytest.mark.parametrize(
    ("value", "expected"), [("/srv/models", "/srv/models"), ("~/m", "{home}/m"), ("~", "{home}")]
)
def test_the_environment_decides_first(tmp_path: Path, value: str, expected: str) -> None:
    put(tmp_path / ".lmstudio/settings.json", b'{"downloadsFolder": "/"}')
    environ = {"HOME": str(tmp_path), "LMSTUDIO_MODELS_DIR": value}
    assert models_dir(environ) == Path(expected.format(home=tmp_path))


def test_lm_studios_downloads_folder_is_honoured(tmp_path: Path) -> None:
    (tmp_path / "big disk").mkdir()
    settings = f'{{"language": "de", "downloadsFolder": "{tmp_path}/big disk"}}'
    put(tmp_path / ".lmstudio/settings.json", settings.encode())
    assert models_dir({"HOME": str(tmp_path)}) == tmp_path / "big disk"


def test_lm_studios_home_pointer_is_honoured(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / ".lmstudio-home-pointer", f"{tmp_path}/elsewhere\n".encode())
    assert models_dir({"HOME": str(tmp_path)}) == tmp_path / "elsewhere/models"


@pytest.mark.parametrize(
    "settings",
    [
        b"",
        b"{",
        b"[]",
        b'{"downloadsFolder": 3}',
        b'{"downloadsFolder": "relative"}',
        b"\xff",
        b'{"downloadsFolder": "/none"}',
    ],
)
def test_senseless_settings_of_lm_studio_are_ignored(tmp_path: Path, settings: bytes) -> None:
    put(tmp_path / ".lmstudio/settings.json", settings)
    put(tmp_path / ".lmstudio-home-pointer", b"not/absolute")
    assert models_dir({"HOME": str(tmp_path)}) == tmp_path / ".lmstudio/models"


def test_the_models_that_can_be_had_have_the_ids_they_are_known_by(tmp_path: Path) -> None:
    catalog = fill(tmp_path, *(known.path for known in KNOWN.values()))
    assert ids(catalog) == sorted(KNOWN)
