"""Reads the header of a GGUF file within bounds."""

import math
import os
import stat
import struct
from collections import Counter
from pathlib import Path

import msgspec

from lmserver.errors import BadModelFile

MAX_KEYS = 10_000
MAX_TENSORS = 100_000
MAX_STRING = 16 << 20
"""Bytes of one string; the largest real one, a chat template, has tens of kilobytes."""
MAX_NAME = 1024
"""Bytes of a key or of a tensor's name; llama.cpp takes 63 for a tensor."""
MAX_STRINGS = 1 << 21
"""Strings in all arrays together, since each costs time: 262,144 tokens with their merges are 0.8 million. An
inner array costs as much as sixteen strings, and counts so."""
MAX_HEADER = 256 << 20
"""Bytes that are walked through; real headers have less than 20 MiB, and a sparse file costs its maker nothing."""
MAX_DEPTH = 3
"""Levels of arrays in arrays."""

_WINDOW = 256 << 10

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_SCALARS = {
    number: struct.Struct("<" + layout)
    for number, layout in {
        0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d",
    }.items()
}  # fmt: skip
"""Layouts of the fixed-size value types by their number; a bool (7) is read as 0 or 1."""
_STRING, _ARRAY = 8, 9
_TENSORS = {dimensions: struct.Struct(f"<{dimensions}QIQ") for dimensions in (1, 2, 3, 4)}

_TENSOR_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8),
    28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
    42: ("Q2_0", 64, 18),
}  # fmt: skip
"""ggml's numbers for tensor types: name, weights in a block, bytes of a block."""

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
    19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
    26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0",
    37: "TQ2_0", 38: "MXFP4", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
"""llama.cpp's numbers for `general.file_type`: how most of a file is quantized."""

_GUESSED = 1024
"""Added to a file type that the converter guessed."""

_POOLING_ARCHITECTURES = frozenset(
    "bert modern-bert neo-bert nomic-bert nomic-bert-moe jina-bert-v2 jina-bert-v3 eurobert gte new "
    "gemma-embedding t5encoder".split()
)

_TEXTS = frozenset(
    "general.architecture general.type general.name general.organization general.basename "
    "general.size_label general.license tokenizer.chat_template adapter.lora.prompt_prefix "
    "vtcode.base_sha256 vtcode.merged_types".split()
)
"""The strings that are kept; all others are skipped unread."""

_Values = dict[str, int | float | str | None]
"""Metadata by key; None stands for what was skipped."""


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a GGUF file says about itself. Texts hold printable characters only, but for the template."""

    architecture: str
    type: str
    """What the file holds: "model", "adapter", "mmproj"; "model" where it does not say."""
    name: str
    organization: str
    basename: str
    size_label: str
    license: str
    quantization: str
    """As people write it: "Q4_K_M"."""
    context_length: int | None
    """Tokens that the model was made for."""
    embedding_length: int | None
    block_count: int | None
    parameters: int
    """How many weights the tensors of this file have."""
    chat_template: str | None
    has_pooling: bool
    """Whether the model gives one vector for a text instead of a next token."""
    split_count: int
    """How many files hold the model: 1 unless it is split."""
    size_bytes: int
    prompt_prefix: str = ""
    """Of an adapter: how the prompts begin that it was trained on; empty means all."""
    base_sha256: str = ""
    """Of an adapter of ours: the digest of the file that it was trained on, in hexadecimal."""
    merged_types: str = ""
    """Of an adapter of ours: how the sum of it and its base is quantised."""
    kv_width: int | None = None
    """Numbers of the key, and of the value, that one layer keeps of a token."""


class _Tensors(msgspec.Struct, frozen=True):
    weights: Counter[str]
    """How many weights there are of each tensor type."""
    end: int
    """Bytes from the start of the tensor data to the end of the last tensor."""


def read_header(path: Path) -> GgufHeader:
    """Read and check the header; tensor data is never read.

    Raises:
        BadModelFile: when it is no regular file, cannot be read, or breaks a rule of the format or a bound.
    """
    try:
        descriptor = _open_regular(path)
        try:
            return _parse(_Reader(descriptor, os.fstat(descriptor).st_size))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BadModelFile(f"cannot be read ({error.strerror})") from error


def read_tokens(path: Path) -> tuple[list[str], list[int]]:
    """Read a model's vocabulary: the texts of its tokens, and their types in llama.cpp's numbers.

    Raises:
        BadModelFile: as `read_header` does; also for a vocabulary and types of different lengths.
    """
    descriptor = _open_regular(path)
    try:
        source = _Reader(descriptor, os.fstat(descriptor).st_size)
        _check_version(source)
        source.number(_U64)
        texts: list[str] = []
        types: list[int] = []
        for _ in range(source.number(_U64)):
            key, kind = source.name("a key"), source.number(_U32)
            if kind == _ARRAY and key == "tokenizer.ggml.tokens":
                texts = [raw.decode(errors="replace") for raw in source.strings()]
            elif kind == _ARRAY and key == "tokenizer.ggml.token_type":
                types = source.integers()
            elif kind == _ARRAY:
                source.skip_array()
            elif kind == _STRING:
                source.skip_string()
            else:
                source.take(_SCALARS[kind].size)
    except (OSError, KeyError) as error:
        raise BadModelFile(f"its vocabulary cannot be read ({error})") from error
    finally:
        os.close(descriptor)
    if len(texts) != len(types):
        raise BadModelFile(f"{len(texts):,} tokens with {len(types):,} types")
    return texts, types


def _open_regular(path: Path) -> int:
    # A FIFO would block and a device would act when opened: ask what it is first.
    _require_regular(os.stat(path).st_mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_regular(os.fstat(descriptor).st_mode)
    except BadModelFile:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise BadModelFile("a directory, not a file" if stat.S_ISDIR(mode) else "not a regular file")


class _Reader:
    """Reads forward through a file of known size; what is skipped is not read."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.size = size
        self._descriptor = descriptor
        self._window = b""
        self._start = 0
        self._at = 0
        self._strings = 0

    @property
    def position(self) -> int:
        return self._start + self._at

    @property
    def remaining(self) -> int:
        return self.size - self.position

    def take(self, length: int) -> bytes:
        if self._at + length > len(self._window):
            self._fill(length)
        taken = self._window[self._at : self._at + length]
        self._at += length
        return taken

    def number(self, layout: struct.Struct) -> int:
        return layout.unpack(self.take(layout.size))[0]

    def string(self, limit: int = MAX_STRING) -> bytes:
        return self.take(self._length(limit))

    def name(self, what: str) -> str:
        """Read a key or a tensor's name; unlike other texts it must be UTF-8."""
        raw = self.string(MAX_NAME)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise BadModelFile(f"{what} is not UTF-8: {raw[:60]!r}") from error

    def skip_string(self) -> None:
        self._skip(self._length(MAX_STRING))

    def skip_array(self, depth: int = 1) -> None:
        if depth > MAX_DEPTH:
            raise BadModelFile(f"arrays inside arrays more than {MAX_DEPTH} deep")
        kind, count = self.number(_U32), self.number(_U64)
        layout = _SCALARS.get(kind)
        smallest = layout.size if layout else 8
        if count * smallest > self.remaining:
            raise BadModelFile(f"truncated: an array claims {count:,} values, more than the file holds")
        if layout:
            self._skip(count * layout.size)
            return
        self._strings += count if kind == _STRING else 16 * count
        if self._strings > MAX_STRINGS:
            raise BadModelFile(f"an array claims {count:,} strings or arrays, more than are read")
        if kind == _STRING:
            self._skip_strings(count)
        elif kind == _ARRAY:
            for _ in range(count):
                self.skip_array(depth + 1)
        else:
            raise BadModelFile(f"an array of the unknown type {kind}")

    def strings(self) -> list[bytes]:
        kind, count = self.number(_U32), self.number(_U64)
        if kind != _STRING or count > MAX_STRINGS:
            raise BadModelFile(f"{count:,} tokens of the type {kind}")
        return [self.string() for _ in range(count)]

    def integers(self) -> list[int]:
        kind, count = self.number(_U32), self.number(_U64)
        layout = _SCALARS.get(kind)
        if layout is None or count > MAX_STRINGS:
            raise BadModelFile(f"{count:,} token types of the type {kind}")
        return [int(value) for (value,) in layout.iter_unpack(self.take(count * layout.size))]

    def _skip_strings(self, count: int) -> None:
        # The one hot loop: a vocabulary is most of a header, so this works on the window directly.
        unpack, window, at = _U64.unpack_from, self._window, self._at
        for _ in range(count):
            if at + 8 > len(window):
                self._at = at
                self._fill(8)
                window, at = self._window, 0
            (length,) = unpack(window, at)
            if length > MAX_STRING:
                raise BadModelFile(f"a string of {length:,} bytes; at most {MAX_STRING:,} are read")
            at += 8 + length
        self._at = at
        self._skip(0)

    def _length(self, limit: int) -> int:
        length = self.number(_U64)
        if length > limit:
            raise BadModelFile(f"a string of {length:,} bytes; at most {limit:,} are read")
        return length

    def _skip(self, length: int) -> None:
        self._at += length
        self._require(0)

    def _require(self, length: int) -> None:
        if self.remaining < length:
            raise self._truncated()
        if self.position + length > MAX_HEADER:
            raise BadModelFile(f"the header is longer than {MAX_HEADER:,} bytes")

    def _fill(self, length: int) -> None:
        self._require(length)
        self._start, self._at = self.position, 0
        self._window = os.pread(self._descriptor, max(length, _WINDOW), self._start)
        if len(self._window) < length:
            raise self._truncated()

    def _truncated(self) -> BadModelFile:
        return BadModelFile(f"truncated: the header goes on past byte {self.size:,}, where the file ends")


def _parse(source: _Reader) -> GgufHeader:
    _check_version(source)
    tensor_count, key_count = source.number(_U64), source.number(_U64)
    for what, count, limit in (("tensors", tensor_count, MAX_TENSORS), ("keys", key_count, MAX_KEYS)):
        if count > limit:
            raise BadModelFile(f"the header claims {count:,} {what}; at most {limit:,} are read")
    values = _read_values(source, key_count)
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise BadModelFile(f"general.alignment is {alignment!r}, not a power of two")
    tensors = _read_tensors(source, tensor_count, alignment)
    end = -(-source.position // alignment) * alignment + tensors.end
    if tensors.end and end > source.size:
        raise BadModelFile(f"truncated: the tensors end at byte {end:,}, the file has {source.size:,}")
    return _header(values, tensors, source.size)


def _check_version(source: _Reader) -> None:
    if not source.size:
        raise BadModelFile("empty")
    start = source.take(min(8, source.size))
    if start[:4] != b"GGUF":
        raise BadModelFile(f"not a GGUF file (it starts with {start[:4]!r})")
    if len(start) < 8:
        raise BadModelFile("truncated: it ends within the first eight bytes")
    version = int.from_bytes(start[4:], "little")
    if int.from_bytes(start[4:], "big") in {1, 2, 3}:
        raise BadModelFile("a GGUF file for big-endian machines; it has to be converted for this one")
    if version not in {2, 3}:
        raise BadModelFile(f"GGUF version {version}; versions 2 and 3 can be read")


def _read_values(source: _Reader, count: int) -> _Values:
    values: _Values = {}
    for _ in range(count):
        key = source.name("a key")
        if not key:
            raise BadModelFile("a key is empty")
        if key in values:
            raise BadModelFile(f"the key {key[:60]!r} is there twice")
        kind = source.number(_U32)
        values[key] = None
        if layout := _SCALARS.get(kind):
            values[key] = source.number(layout)
        elif kind == _STRING and key in _TEXTS:
            values[key] = source.string().decode(errors="replace")
        elif kind == _STRING:
            source.skip_string()
        elif kind == _ARRAY:
            source.skip_array()
        else:
            raise BadModelFile(f"the key {key[:60]!r} has the unknown type {kind}")
    return values


def _read_tensors(source: _Reader, count: int, alignment: int) -> _Tensors:
    names: set[str] = set()
    weights: Counter[str] = Counter()
    end = 0
    for _ in range(count):
        name = source.name("a tensor's name")
        shown = f"the tensor {name[:60]!r}"
        if name in names:
            raise BadModelFile(f"{shown} is there twice")
        names.add(name)
        layout = _TENSORS.get(dimensions := source.number(_U32))
        if layout is None:
            raise BadModelFile(f"{shown} has {dimensions} dimensions, not 1 to 4")
        *shape, kind, offset = layout.unpack(source.take(layout.size))
        if kind not in _TENSOR_TYPES:
            raise BadModelFile(f"{shown} has the unknown type {kind}")
        type_name, block, block_bytes = _TENSOR_TYPES[kind]
        elements = math.prod(shape)
        if not 0 < elements < 1 << 63 or shape[0] % block:
            raise BadModelFile(f"{shown} cannot have the shape {shape} as {type_name}")
        if offset % alignment:
            raise BadModelFile(f"{shown} starts at {offset:,}, not at a multiple of {alignment}")
        weights[type_name] += elements
        end = max(end, offset + elements // block * block_bytes)
    return _Tensors(weights, end)


def _header(values: _Values, tensors: _Tensors, size: int) -> GgufHeader:
    architecture, kind = _label(values, "general.architecture"), _label(values, "general.type")
    if not architecture:
        raise BadModelFile(f"not a model: it holds {kind or 'no general.architecture'}")
    template = values.get("tokenizer.chat_template")
    return GgufHeader(
        architecture=architecture,
        type=kind or "model",
        name=_label(values, "general.name"),
        organization=_label(values, "general.organization"),
        basename=_label(values, "general.basename"),
        size_label=_label(values, "general.size_label"),
        license=_label(values, "general.license"),
        prompt_prefix=_label(values, "adapter.lora.prompt_prefix"),
        base_sha256=_label(values, "vtcode.base_sha256"),
        merged_types=_label(values, "vtcode.merged_types"),
        quantization=_quantization(values, tensors),
        context_length=_count(values, f"{architecture}.context_length"),
        embedding_length=_count(values, f"{architecture}.embedding_length"),
        block_count=_count(values, f"{architecture}.block_count"),
        parameters=tensors.weights.total(),
        chat_template=template if isinstance(template, str) else None,
        has_pooling=architecture in _POOLING_ARCHITECTURES or bool(values.get(f"{architecture}.pooling_type")),
        split_count=_count(values, "split.count") or 1,
        size_bytes=size,
        kv_width=_kv_width(values, architecture),
    )


def _kv_width(values: _Values, architecture: str) -> int | None:
    # Some models have other counts in each layer, written as an array, which is skipped.
    heads = _count(values, f"{architecture}.attention.head_count")
    kept = _count(values, f"{architecture}.attention.head_count_kv") or heads
    embedding = _count(values, f"{architecture}.embedding_length")
    width = _count(values, f"{architecture}.attention.key_length") or (heads and embedding and embedding // heads)
    return kept * width if kept and width else None


def _label(values: _Values, key: str) -> str:
    # Shown in terminals and lists, so it may carry neither control characters nor a novel.
    value = values.get(key)
    text = value[:200] if isinstance(value, str) else ""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _count(values: _Values, key: str) -> int | None:
    value = values.get(key)
    if value is None or (isinstance(value, int) and 0 <= value < 1 << 31):
        return value
    raise BadModelFile(f"{key[:60]} is {value!r}, not a count")


def _quantization(values: _Values, tensors: _Tensors) -> str:
    number = values.get("general.file_type")
    if isinstance(number, int) and (name := _FILE_TYPES.get(number & ~_GUESSED)):
        return name
    return max(tensors.weights, key=tensors.weights.__getitem__, default="unknown")
