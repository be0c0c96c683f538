"""Runs a sentence-transformer export: tokenize, compute, pool, normalise. Imported in the child process only."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import tokenizers
from numpy.typing import NDArray

from lmserver.engines.onnx_wire import Answer, Embed, Generate, RefusedError, Vectors
from lmserver.onnx_models import Encoder

TOKENS_AT_ONCE = 2048
"""Tokens of one run, padding included."""
ROWS_AT_ONCE = 16

_Floats = NDArray[np.float32]


class EncoderModel:
    """A loaded encoder."""

    def __init__(self, encoder: Encoder, context_length: int, threads: int) -> None:
        # The extension has no types.
        runtime: Any = onnxruntime
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = runtime.InferenceSession(encoder.graph, options, providers=["CPUExecutionProvider"])
        self._inputs: dict[str, str] = {each.name: each.type for each in self._session.get_inputs()}
        self._tokenizer = tokenizers.Tokenizer.from_file(encoder.tokenizer)
        # What these files say of truncation and padding is from the training, and would drop text silently.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._vocabulary = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self._encoder = encoder
        self._context_length = context_length

    def answer(self, ask: Embed | Generate, is_wanted: Callable[[], bool], send: Callable[[Answer], None]) -> None:
        """Embed what is asked. Raises `RefusedError`."""
        if isinstance(ask, Generate):
            raise RefusedError("This model cannot chat.", "value", "model")
        vectors, tokens = self._embed(ask.inputs, is_wanted)
        send(Vectors(ask.id, vectors, tokens))

    def _embed(self, inputs: Sequence[str | list[int]], is_wanted: Callable[[], bool]) -> tuple[list[bytes], int]:
        """Give a packed vector for each input, and the tokens of all; empty ones if they are no longer wanted."""
        rows = [self._tokens(index, each) for index, each in enumerate(inputs)]
        vectors = [b""] * len(rows)
        # Of like lengths together, so that little is computed for padding.
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        while order and is_wanted():
            count = min(ROWS_AT_ONCE, max(1, TOKENS_AT_ONCE // len(rows[order[-1]])), len(order))
            chosen = order[-count:]
            del order[-count:]
            for index, vector in zip(chosen, self._run([rows[index] for index in chosen]), strict=True):
                vectors[index] = vector.astype("<f4").tobytes()
        return vectors, sum(map(len, rows))

    def _tokens(self, index: int, given: str | list[int]) -> list[int]:
        tokens = self._tokenizer.encode(given).ids if isinstance(given, str) else given
        if len(tokens) > self._context_length:
            raise RefusedError(
                f"it has {len(tokens)} tokens, and the model takes {self._context_length}. Split it.",
                "context",
                str(index),
            )
        if not tokens:
            raise RefusedError("the tokenizer finds nothing in it.", "value", str(index))
        if max(tokens) >= self._vocabulary or min(tokens) < 0:
            raise RefusedError("it holds a token id that is not in the model's vocabulary.", "value", str(index))
        return tokens

    def _run(self, rows: list[list[int]]) -> _Floats:
        width = max(map(len, rows))
        tokens = np.zeros((len(rows), width), np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for row, (own, present) in zip(rows, zip(tokens, mask, strict=True), strict=True):
            own[: len(row)], present[: len(row)] = row, 1
        given = {
            "input_ids": tokens,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(tokens),
            "position_ids": np.broadcast_to(np.arange(width), tokens.shape),
        }
        feed = {
            name: given[name].astype(np.int32 if kind == "tensor(int32)" else np.int64)
            for name, kind in self._inputs.items()
        }
        (output,) = self._session.run([self._encoder.output], feed)
        vectors = self._pooled(np.asarray(output, np.float32), mask)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, 1e-12)

    def _pooled(self, output: _Floats, mask: NDArray[np.int64]) -> _Floats:
        match self._encoder.pooling:
            case "done":
                return output
            case "cls":
                return output[:, 0]
            case "last":
                return output[np.arange(len(output)), mask.sum(axis=1) - 1]
            case "mean":
                weights = mask[:, :, None].astype(np.float32)
                return (output * weights).sum(axis=1) / weights.sum(axis=1)
