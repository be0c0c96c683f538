"""Makes tiny GGUF files for tests, packed by hand, and a disk that is too small for them."""

import contextlib
import resource
import struct
from collections.abc import Generator, Sequence
from pathlib import Path

U8, F32, STRING, ARRAY, U32, U64 = 0, 6, 8, 9, 4, 10

TOOL_TEMPLATE = "{% if tools %}{{ tools | tojson }}{% endif %}{{ messages }}"


def string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def entry(key: str | bytes, kind: int, body: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + body


def text(key: str | bytes, value: str | bytes) -> bytes:
    return entry(key, STRING, string(value))


def number(key: str, value: int) -> bytes:
    return entry(key, U32, struct.pack("<I", value))


def array(kind: int, count: int, body: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + body


def strings(key: str, values: Sequence[str]) -> bytes:
    return entry(key, ARRAY, array(STRING, len(values), b"".join(map(string, values))))


def tensor(name: str, shape: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


WEIGHTS = tensor("token_embd.weight", [32, 2])
"""64 weights of four bytes each."""

LLAMA = (
    text("general.architecture", "llama"),
    text("general.name", "Tiny"),
    number("llama.context_length", 2048),
    number("llama.embedding_length", 32),
    number("llama.block_count", 1),
    strings("tokenizer.ggml.tokens", ["<s>", "</s>", "a", "b"]),
)


def gguf(
    keys: Sequence[bytes] = LLAMA,
    tensors: Sequence[bytes] = (WEIGHTS,),
    *,
    version: int = 3,
    key_count: int | None = None,
    tensor_count: int | None = None,
    alignment: int = 32,
    data: bytes = bytes(256),
) -> bytes:
    """Pack a file; the counts are the true ones unless a test wants to lie about them."""
    head = b"GGUF" + struct.pack(
        "<IQQ",
        version,
        len(tensors) if tensor_count is None else tensor_count,
        len(keys) if key_count is None else key_count,
    )
    head += b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % alignment) + data


def model(*keys: bytes, **options: int) -> bytes:
    """Pack a sound model with more keys; `file_type` and so on become `general.…`."""
    extra = [number(f"general.{name}", value) for name, value in options.items()]
    return gguf([*LLAMA, *keys, *extra])


def put(path: Path, content: bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@contextlib.contextmanager
def small_disk(size: int) -> Generator[None]:
    """Refuse to write any file beyond `size` bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
