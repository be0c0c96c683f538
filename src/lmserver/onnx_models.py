"""A folder with an ONNX model → how to run it, and what the catalogue says of it."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from lmserver.errors import BadModelFile
from lmserver.gguf import GgufHeader
from lmserver.onnx_file import OnnxOutline, read_outline

GENERATOR_FILE = "genai_config.json"
MAX_SETTINGS = 1 << 20
"""Bytes of a JSON file of settings."""
MAX_TOKENIZER = 64 << 20
"""Bytes of `tokenizer.json`; the largest real ones have 35 MB."""
DEFAULT_LENGTH = 512
"""Tokens of an encoder that does not say how many it takes."""

GRAPHS = ("model.onnx", "model_quantized.onnx", "model_int8.onnx", "model_uint8.onnx", "model_q4.onnx",
          "model_fp16.onnx")  # fmt: skip
"""What the graph of an encoder is called, in the order of choice."""

_ENCODER_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})
_ENCODER_OUTPUTS = ("sentence_embedding", "last_hidden_state", "token_embeddings")
_JSON = TypeVar("_JSON", bound=msgspec.Struct)

Pooling = Literal["mean", "cls", "last", "done"]


class Encoder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How to run a sentence-transformer export."""

    graph: str
    """Path of the ONNX file."""
    tokenizer: str
    """Path of `tokenizer.json`."""
    output: str
    """The output that holds one vector for each token, or for the text if the pooling is done."""
    pooling: Pooling


class Generator(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How to run a folder of ONNX Runtime's generator."""

    folder: str
    vocabulary: int
    """How many tokens there are."""


Pipeline = Encoder | Generator


class OnnxModel(msgspec.Struct, frozen=True):
    """What a folder holds."""

    pipeline: Pipeline
    header: GgufHeader
    """What a list says of the model, in the same terms as for a GGUF file."""


def read_folder(folder: Path) -> OnnxModel:
    """Look at a folder; no graph is loaded and no code of it is run.

    Raises:
        BadModelFile: when something of the model is missing, unsound, or would reach out of the folder.
    """
    if (folder / GENERATOR_FILE).exists():
        return _generator(folder)
    return _encoder(folder)


def fingerprint(folder: Path) -> tuple[object, ...]:
    """Give a value that changes when a file of the folder does."""
    return tuple(_states(folder)) + tuple(_states(folder / "onnx")) + tuple(_states(folder / "1_Pooling"))


def _states(folder: Path) -> Iterator[tuple[object, ...]]:
    try:
        entries = sorted(folder.iterdir())[:1000]
    except OSError:
        return
    for path in entries:
        try:
            now = path.stat()
        except OSError:
            yield path.name, 0
        else:
            yield path.name, now.st_size, now.st_mtime_ns, now.st_ino


# Generators ---------------------------------------------------------------------------------------------


class _Decoder(msgspec.Struct, frozen=True):
    filename: str = ""


class _GeneratorModel(msgspec.Struct, frozen=True):
    type: str = ""
    context_length: int = 0
    vocab_size: int = 0
    decoder: _Decoder = _Decoder()


class _GeneratorSettings(msgspec.Struct, frozen=True):
    model: _GeneratorModel


class _GeneratorMembers(msgspec.Struct, frozen=True):
    model: dict[str, msgspec.Raw]


class _TokenizerSettings(msgspec.Struct, frozen=True):
    chat_template: str | list[dict[str, str]] | None = None
    model_max_length: float = 0


def _generator(folder: Path) -> OnnxModel:
    content = _read(folder, folder / GENERATOR_FILE, MAX_SETTINGS)
    model = _parsed(content, _GeneratorSettings, GENERATOR_FILE).model
    members = _parsed(content, _GeneratorMembers, GENERATOR_FILE)
    try:
        _check_harmless(msgspec.json.decode(content), "")
    except RecursionError as error:
        raise BadModelFile(f"{GENERATOR_FILE} is nested too deeply") from error
    for path in sorted(folder.iterdir()):
        # The generator reads files of its own choice.
        if path.is_symlink():
            _inside(folder, path.name)
    if others := [name for name in ("encoder", "embedding", "vision", "speech") if name in members.model]:
        raise BadModelFile(f"{GENERATOR_FILE} has model.{others[0]}: only text generators can be served")
    if not model.decoder.filename:
        raise BadModelFile(f"{GENERATOR_FILE} names no model.decoder.filename: only text generators can be served")
    graph = _inside(folder, model.decoder.filename)
    outline = _outline(graph)
    _check_tokenizer(folder, folder / "tokenizer.json")
    settings = _optional(folder, "tokenizer_config.json", _TokenizerSettings)
    if not 0 < model.context_length < 1 << 31:
        raise BadModelFile(f"{GENERATOR_FILE}: model.context_length is not a number of tokens")
    template = settings.chat_template if isinstance(settings.chat_template, str) else None
    if (folder / "chat_template.jinja").exists():
        template = _read(folder, folder / "chat_template.jinja", MAX_SETTINGS).decode(errors="replace")
    if template is None:
        raise BadModelFile("no chat template: neither tokenizer_config.json nor chat_template.jinja holds one")
    return OnnxModel(
        Generator(folder=str(folder), vocabulary=model.vocab_size),
        _header(graph, outline, model.type or "unknown", model.context_length, template),
    )


_RUNS_CODE = ("custom_op", "library", "backend_path", "plugin")


def _check_harmless(value: Any, place: str) -> None:
    """Refuse settings that load code or name a file elsewhere."""
    match value:
        case dict():
            for key, member in value.items():  # pyright: ignore[reportUnknownVariableType]
                where = f"{place}.{key}".lstrip(".")
                if any(word in str(key).lower() for word in _RUNS_CODE):  # pyright: ignore[reportUnknownArgumentType]
                    raise BadModelFile(f"{GENERATOR_FILE}: {where[:80]} would load code, which is never done")
                _check_harmless(member, where)
        case list():
            for member in value:  # pyright: ignore[reportUnknownVariableType]
                _check_harmless(member, place)
        case str():
            if value.startswith(("/", "\\")) or ".." in value.replace("\\", "/").split("/") or ":\\" in value:
                raise BadModelFile(f"{GENERATOR_FILE}: {place[:80]} leads out of the model's folder")
        case _:
            pass


# Encoders -----------------------------------------------------------------------------------------------


class _EncoderSettings(msgspec.Struct, frozen=True):
    model_type: str = ""
    max_position_embeddings: int | None = None
    n_positions: int | None = None


class _SentenceSettings(msgspec.Struct, frozen=True):
    max_seq_length: int | None = None


class _PoolingSettings(msgspec.Struct, frozen=True):
    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False


class _Module(msgspec.Struct, frozen=True):
    type: str = ""


def _encoder(folder: Path) -> OnnxModel:
    places = [folder / name for name in GRAPHS] + [folder / "onnx" / name for name in GRAPHS]
    graph = next((path for path in places if path.exists() or path.is_symlink()), None)
    if graph is None:
        raise BadModelFile(f"none of its ONNX files is called {' or '.join(GRAPHS[:3])}, and no {GENERATOR_FILE}")
    graph = _inside(folder, str(graph.relative_to(folder)))
    outline = _outline(graph)
    if any(name.startswith(("past_key", "past.", "past_")) for name in outline.inputs):
        raise BadModelFile(f"{graph.name} generates text, and the {GENERATOR_FILE} that says how is missing")
    if strange := [name for name in outline.inputs if name not in _ENCODER_INPUTS]:
        raise BadModelFile(f"{graph.name} is no text encoder: it needs the input {strange[0][:80]!r}")
    output = next((name for name in _ENCODER_OUTPUTS if name in outline.outputs), None)
    if output is None or "input_ids" not in outline.inputs:
        raise BadModelFile(f"{graph.name} is no text encoder: it has no output {' or '.join(_ENCODER_OUTPUTS[:2])}")
    _check_tokenizer(folder, folder / "tokenizer.json")
    _check_modules(folder)
    settings = _optional(folder, "config.json", _EncoderSettings)
    return OnnxModel(
        Encoder(
            graph=str(graph),
            tokenizer=str(folder / "tokenizer.json"),
            output=output,
            pooling="done" if output == "sentence_embedding" else _pooling(folder),
        ),
        _header(graph, outline, settings.model_type or "unknown", _length(folder, settings), None),
    )


def _length(folder: Path, settings: _EncoderSettings) -> int:
    positions = settings.max_position_embeddings or settings.n_positions
    # RoBERTa's positions begin after the padding's.
    if positions and "roberta" in settings.model_type:
        positions -= 2
    trained = _optional(folder, "sentence_bert_config.json", _SentenceSettings).max_seq_length
    lengths = [length for length in (positions, trained) if length and 0 < length < 1 << 31]
    return min(lengths, default=DEFAULT_LENGTH)


def _pooling(folder: Path) -> Pooling:
    settings = _optional(folder, "1_Pooling/config.json", _PoolingSettings)
    chosen = [name for name in msgspec.structs.fields(settings) if getattr(settings, name.name)]
    match [field.name for field in chosen]:
        case [] | ["pooling_mode_mean_tokens"]:
            return "mean"
        case ["pooling_mode_cls_token"]:
            return "cls"
        case ["pooling_mode_lasttoken"]:
            return "last"
        case names:
            raise BadModelFile(f"its pooling ({', '.join(names)}) is not one of mean, CLS and last token")


def _check_modules(folder: Path) -> None:
    """Refuse an export whose vectors go through more than pooling: they would not be the model's own."""
    path = folder / "modules.json"
    if not path.exists():
        return
    try:
        modules = msgspec.json.decode(_read(folder, path, MAX_SETTINGS), type=list[_Module])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadModelFile(f"modules.json cannot be read ({error})") from error
    for module in modules:
        kind = module.type.rpartition(".")[2]
        if kind not in {"Transformer", "Pooling", "Normalize"}:
            raise BadModelFile(f"its module {kind[:40]!r} cannot be applied; only pooling can")


class _Tokenizer(msgspec.Struct, frozen=True):
    model: dict[str, msgspec.Raw]


# Files --------------------------------------------------------------------------------------------------


def _header(
    graph: Path, outline: OnnxOutline, architecture: str, context_length: int, template: str | None
) -> GgufHeader:
    packed = "MatMulNBits" in outline.operators
    counts = outline.weights.copy()
    if packed:
        # Two weights of four bits in each byte.
        counts["INT4"] += 2 * counts.pop("UINT8", 0)
    del counts["other"]
    commonest = counts.most_common(1)
    sizes = [path.stat().st_size for path in (graph, *(graph.parent / name for name in outline.locations))]
    return GgufHeader(
        architecture="".join(filter(str.isprintable, architecture))[:64],
        type="model",
        name="",
        organization="",
        basename="",
        size_label="",
        license="",
        quantization=commonest[0][0] if commonest else "",
        context_length=context_length,
        embedding_length=None,
        block_count=None,
        parameters=sum(counts.values()),
        chat_template=template,
        has_pooling=template is None,
        split_count=1,
        size_bytes=sum(sizes),
    )


def _outline(graph: Path) -> OnnxOutline:
    outline = read_outline(graph)
    for location in sorted(outline.locations):
        _inside(graph.parent, location)
    return outline


def _check_tokenizer(folder: Path, path: Path) -> None:
    _parsed(_read(folder, path, MAX_TOKENIZER), _Tokenizer, path.name)


def _optional(folder: Path, name: str, kind: type[_JSON]) -> _JSON:
    path = folder / name
    return _parsed(_read(folder, path, MAX_SETTINGS), kind, name) if path.exists() else kind()


def _parsed(content: bytes, kind: type[_JSON], name: str) -> _JSON:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadModelFile(f"{name} cannot be read ({error})") from error


def _inside(folder: Path, name: str) -> Path:
    """Give the file `name` of a folder, which may hold links, but none that leads out of it."""
    shown = "".join(filter(str.isprintable, name))[:80]
    if not name.isprintable() or Path(name).is_absolute() or ".." in Path(name).parts:
        raise BadModelFile(f"it names the file {shown!r}, which is not in its folder")
    path = folder / name
    try:
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            raise BadModelFile(f"{shown} is a link that leads out of its folder")
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadModelFile(f"{shown} is not a regular file")
    except FileNotFoundError as error:
        raise BadModelFile(f"{shown} is missing") from error
    # A link that leads to itself is a RuntimeError.
    except (OSError, RuntimeError) as error:
        raise BadModelFile(f"{shown} cannot be read ({error})") from error
    return path


def _read(folder: Path, path: Path, limit: int) -> bytes:
    _inside(folder, str(path.relative_to(folder)))
    if path.stat().st_size > limit:
        raise BadModelFile(f"{path.name} has more than {limit >> 20} MiB")
    return path.read_bytes()


def is_part(name: str) -> bool:
    """Tell whether a folder that holds this name holds an ONNX model."""
    return name.lower().endswith(".onnx") or name in {GENERATOR_FILE, "onnx"}
