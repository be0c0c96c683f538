import os
import struct
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmserver.errors import BadModelFile
from lmserver.gguf import GgufHeader, read_header
from tests.server.ggufmaker import (
    ARRAY,
    F32,
    LLAMA,
    STRING,
    U8,
    U32,
    WEIGHTS,
    array,
    entry,
    gguf,
    model,
    number,
    put,
    string,
    strings,
    tensor,
    text,
)

HUGE = 1 << 63


def header_of(tmp_path: Path, content: bytes) -> GgufHeader:
    return read_header(put(tmp_path / "model.gguf", content))


def reason_for(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(BadModelFile) as caught:
        header_of(tmp_path, content)
    return str(caught.value)


def test_a_sound_file_tells_everything_about_itself(tmp_path: Path) -> None:
    content = gguf(
        [
            *LLAMA,
            text("general.organization", "Lab"),
            text("general.basename", "tiny"),
            text("general.size_label", "64"),
            text("general.license", "apache-2.0"),
            number("general.file_type", 15),
            number("split.count", 3),
            text("tokenizer.chat_template", "{{ messages }}\n"),
        ]
    )
    assert header_of(tmp_path, content) == GgufHeader(
        architecture="llama",
        type="model",
        name="Tiny",
        organization="Lab",
        basename="tiny",
        size_label="64",
        license="apache-2.0",
        quantization="Q4_K_M",
        context_length=2048,
        embedding_length=32,
        block_count=1,
        parameters=64,
        chat_template="{{ messages }}\n",
        has_pooling=False,
        split_count=3,
        size_bytes=len(content),
    )


def test_version_2_is_read_too(tmp_path: Path) -> None:
    assert header_of(tmp_path, gguf(version=2)).architecture == "llama"


def test_what_a_file_does_not_say_stays_empty(tmp_path: Path) -> None:
    header = header_of(tmp_path, gguf([text("general.architecture", "new-kind")]))
    assert (header.name, header.context_length, header.chat_template, header.split_count) == ("", None, None, 1)


def test_without_a_file_type_the_most_common_tensor_type_is_the_quantization(tmp_path: Path) -> None:
    tensors = [tensor("norm", [32]), tensor("ffn", [32, 8], kind=8, offset=128)]
    header = header_of(tmp_path, gguf(tensors=tensors, data=bytes(1024)))
    assert (header.quantization, header.parameters) == ("Q8_0", 32 + 256)


def test_a_guessed_file_type_counts(tmp_path: Path) -> None:
    assert header_of(tmp_path, model(file_type=1024 + 7)).quantization == "Q8_0"


@pytest.mark.parametrize(
    "keys",
    [
        [text("general.architecture", "bert")],
        [text("general.architecture", "nomic-bert")],
        [text("general.architecture", "qwen3"), number("qwen3.pooling_type", 3)],
    ],
)
def test_embedding_models_are_told_from_their_architecture_or_pooling(tmp_path: Path, keys: list[bytes]) -> None:
    assert header_of(tmp_path, gguf(keys)).has_pooling


def test_pooling_of_the_kind_none_is_no_pooling(tmp_path: Path) -> None:
    assert not header_of(tmp_path, model(number("llama.pooling_type", 0))).has_pooling


def test_control_characters_do_not_get_out_of_labels(tmp_path: Path) -> None:
    keys = [text("general.architecture", "llama"), text("general.name", b"\x1b[31mred\xff\n")]
    assert header_of(tmp_path, gguf(keys)).name == "\ufffd[31mred\ufffd\ufffd"


def test_a_larger_alignment_is_respected(tmp_path: Path) -> None:
    keys = [*LLAMA, number("general.alignment", 4096)]
    assert header_of(tmp_path, gguf(keys, alignment=4096)).parameters == 64
    assert reason_for(tmp_path, gguf(keys, alignment=32)).startswith("truncated: the tensors end at byte 4,352")


def test_arrays_three_deep_are_skipped(tmp_path: Path) -> None:
    deep = array(ARRAY, 2, 2 * array(ARRAY, 1, array(F32, 2, bytes(8))))
    assert header_of(tmp_path, model(entry("x.deep", ARRAY, deep))).architecture == "llama"


def test_a_split_model_may_begin_with_a_file_without_tensors(tmp_path: Path) -> None:
    assert header_of(tmp_path, gguf(tensors=[], data=b"")).parameters == 0


def test_a_large_vocabulary_is_read_in_well_under_a_second(tmp_path: Path) -> None:
    tokens = [f"token-{number}" for number in range(262_144)]
    merges = [f"to ken-{number}" for number in range(514_906)]
    content = model(
        strings("tokenizer.ggml.scored_tokens", tokens),
        entry("tokenizer.ggml.scores", ARRAY, array(F32, 262_144, bytes(4 * 262_144))),
        strings("tokenizer.ggml.merges", merges),
    )
    path = put(tmp_path / "large.gguf", content)
    started = time.process_time()
    assert read_header(path).context_length == 2048
    assert time.process_time() - started < 0.8


MALFORMED = {
    "an empty file": (b"", "empty"),
    "a few bytes": (b"GGUF\x03", "truncated: it ends within the first eight bytes"),
    "another format": (b"PK\x03\x04 and so on", r"not a GGUF file (it starts with b'PK\x03\x04')"),
    "version 1": (gguf(version=1), "GGUF version 1; versions 2 and 3 can be read"),
    "a later version": (gguf(version=4), "GGUF version 4; versions 2 and 3 can be read"),
    "big endian": (gguf(version=3 << 24), "a GGUF file for big-endian machines"),
    "2^63 keys": (gguf(key_count=HUGE), "the header claims 9,223,372,036,854,775,808 keys; at most 10,000"),
    "2^63 tensors": (gguf(tensor_count=HUGE), "the header claims 9,223,372,036,854,775,808 tensors"),
    "more keys than there are": (gguf(key_count=7, tensors=[], data=bytes(64)), "a key is empty"),
    "more tensors than there are": (gguf(tensor_count=3), "the tensor '' has 0 dimensions, not 1 to 4"),
    "an endless key": (gguf([struct.pack("<Q", HUGE)]), "a string of 9,223,372,036,854,775,808 bytes"),
    "an endless text": (
        gguf([string("a") + struct.pack("<IQ", STRING, HUGE)]),
        "a string of 9,223,372,036,854,775,808 bytes; at most 16,777,216 are read",
    ),
    "a text longer than the file": (
        gguf([string("a") + struct.pack("<IQ", STRING, 5000)]),
        "truncated: the header goes on",
    ),
    "an array of 2^62 numbers": (
        gguf([entry("a", ARRAY, array(U32, 1 << 62))]),
        "truncated: an array claims 4,611,686,018,427,387,904 values, more than the file holds",
    ),
    "an array of 2^62 texts": (
        gguf([entry("a", ARRAY, array(STRING, 1 << 62))]),
        "truncated: an array claims 4,611,686,018,427,387,904 values, more than the file holds",
    ),
    "more texts than anyone needs": (
        gguf([entry("a", ARRAY, array(STRING, 3_000_000, bytes(24_000_000)))]),
        "an array claims 3,000,000 strings or arrays, more than are read",
    ),
    "a text in an array that is too long": (
        gguf([entry("a", ARRAY, array(STRING, 1, struct.pack("<Q", HUGE)))]),
        "a string of 9,223,372,036,854,775,808 bytes",
    ),
    "arrays 5,000 deep": (
        gguf([entry("a", ARRAY, 5000 * array(ARRAY, 1) + array(U8, 0))]),
        "arrays inside arrays more than 3 deep",
    ),
    "an array of an unknown type": (gguf([entry("a", ARRAY, array(77, 0))]), "an array of the unknown type 77"),
    "a value of an unknown type": (gguf([entry("a", 77, b"")]), "the key 'a' has the unknown type 77"),
    "a key twice": (gguf([*LLAMA, LLAMA[1]]), "the key 'general.name' is there twice"),
    "a key that is not UTF-8": (gguf([text(b"\xff\xfe", "x")]), r"a key is not UTF-8: b'\xff\xfe'"),
    "no architecture": (gguf([]), "not a model: it holds no general.architecture"),
    "an importance matrix": (gguf([text("general.type", "imatrix")]), "not a model: it holds imatrix"),
    "an alignment of 3": (model(alignment=3), "general.alignment is 3, not a power of two"),
    "a context length of text": (
        gguf([LLAMA[0], entry("llama.context_length", F32, struct.pack("<f", 1.5))]),
        "llama.context_length is 1.5, not a count",
    ),
    "no dimensions": (gguf(tensors=[tensor("t", [])]), "the tensor 't' has 0 dimensions, not 1 to 4"),
    "five dimensions": (gguf(tensors=[tensor("t", [1] * 5)]), "the tensor 't' has 5 dimensions, not 1 to 4"),
    "a dimension of zero": (gguf(tensors=[tensor("t", [4, 0])]), "the tensor 't' cannot have the shape [4, 0]"),
    "dimensions that overflow": (
        gguf(tensors=[tensor("t", [1 << 32, 1 << 32])]),
        "the tensor 't' cannot have the shape [4294967296, 4294967296] as F32",
    ),
    "half a block": (gguf(tensors=[tensor("t", [48], kind=8)]), "the tensor 't' cannot have the shape [48] as Q8_0"),
    "an unknown tensor type": (gguf(tensors=[tensor("t", [4], kind=4)]), "the tensor 't' has the unknown type 4"),
    "a tensor twice": (gguf(tensors=[WEIGHTS, WEIGHTS]), "the tensor 'token_embd.weight' is there twice"),
    "a tensor out of step": (gguf(tensors=[tensor("t", [4], offset=7)]), "the tensor 't' starts at 7, not at a mul"),
    "a tensor that starts outside": (gguf(tensors=[tensor("t", [4], offset=1 << 62)]), "truncated: the tensors end"),
    "a tensor larger than the file": (gguf(tensors=[tensor("t", [1 << 40])]), "truncated: the tensors end at byte"),
}


@pytest.mark.parametrize(("content", "reason"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_file_is_refused_at_once_and_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    started = time.process_time()
    assert reason_for(tmp_path, content).startswith(reason)
    assert time.process_time() - started < 0.5


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    content = model()
    assert {reason_for(tmp_path, content[:end]).split(":")[0] for end in range(4, len(content))} == {"truncated"}


def test_the_reason_for_a_cut_file_names_both_sizes(tmp_path: Path) -> None:
    content = model()
    expected = f"truncated: the tensors end at byte {len(content)}, the file has {len(content) - 1}"
    assert reason_for(tmp_path, content[:-1]) == expected


def test_a_sparse_file_costs_no_time(tmp_path: Path) -> None:
    claim = entry("a", ARRAY, array(STRING, 2_000_000))
    path = put(tmp_path / "model.gguf", gguf([claim]))
    first, length = 24 + len(claim), 16 << 20
    with path.open("r+b") as file:
        for place in range(32):
            file.seek(first + place * (8 + length))
            file.write(struct.pack("<Q", length))
        file.truncate(1 << 40)
    started = time.process_time()
    with pytest.raises(BadModelFile, match=r"^the header is longer than 268,435,456 bytes$"):
        read_header(path)
    assert time.process_time() - started < 0.5


def test_a_fifo_is_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.gguf")
    with pytest.raises(BadModelFile, match=r"^not a regular file$"):
        read_header(tmp_path / "model.gguf")


def test_a_device_is_refused() -> None:
    with pytest.raises(BadModelFile, match=r"^not a regular file$"):
        read_header(Path("/dev/zero"))


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match=r"^a directory, not a file$"):
        read_header(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match=r"^cannot be read \(No such file or directory\)$"):
        read_header(tmp_path / "none.gguf")


SOUND = model(
    text("tokenizer.chat_template", "{{ messages }}"),
    entry("x.deep", ARRAY, array(ARRAY, 2, 2 * array(U32, 1, bytes(4)))),
)
HEADER_LENGTH = len(SOUND) - 256


@settings(max_examples=400, deadline=1000, database=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, HEADER_LENGTH - 1), st.integers(0, 255)), max_size=8),
    end=st.integers(0, len(SOUND)) | st.just(len(SOUND)),
)
def test_whatever_the_bytes_are_the_file_is_read_or_refused(changes: list[tuple[int, int]], end: int) -> None:
    content = bytearray(SOUND)
    for place, value in changes:
        content[place] = value
    with tempfile.NamedTemporaryFile() as file:
        file.write(content[:end])
        file.flush()
        try:
            header = read_header(Path(file.name))
        except BadModelFile as error:
            assert str(error)
            assert str(error).isprintable()
        else:
            assert header.size_bytes == end


@settings(max_examples=200, deadline=1000, database=None)
@given(tail=st.binary(max_size=300), counts=st.tuples(st.integers(0, (1 << 64) - 1), st.integers(0, 12)))
def test_random_headers_are_refused_or_read(tail: bytes, counts: tuple[int, int]) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, *counts) + tail)
        file.flush()
        try:
            read_header(Path(file.name))
        except BadModelFile as error:
            assert str(error).isprintable()
