"""Text → the base model's tokens: its tokenizer, built from what the GGUF file says."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import msgspec
from tokenizers import Tokenizer

from train.dataset import Sample
from train.format import SPECS, pieces, system_prompt
from vtcode.providers import ToolSpec


class Encoded(msgspec.Struct, frozen=True):
    """A conversation in tokens, after its instructions."""

    ids: tuple[int, ...]
    is_learned: tuple[bool, ...]
    specs: tuple[ToolSpec, ...]
    """The tools in its instructions."""


class Tokens:
    """The tokenizer of a GGUF file with GPT-2's kind of vocabulary."""

    def __init__(self, path: Path) -> None:
        fields = gguf.GGUFReader(path).fields

        def of(name: str) -> Any:
            return fields[f"tokenizer.ggml.{name}"].contents()

        tokens: list[str] = of("tokens")
        special = [index for index, kind in enumerate(of("token_type")) if kind == gguf.TokenType.CONTROL]
        split = [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ]
        described = {
            "version": "1.0",
            "added_tokens": [_added(index, tokens[index]) for index in special],
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": split},
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {
                "type": "BPE",
                "vocab": {token: index for index, token in enumerate(tokens)},
                "merges": of("merges"),
            },
        }
        self._tokenizer = Tokenizer.from_str(json.dumps(described))

    def ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def instructions(self, specs: tuple[ToolSpec, ...]) -> list[int]:
        """Give what every conversation with these tools begins with."""
        return self.ids(system_prompt(SPECS + specs))

    def encoded(self, sample: Sample) -> Encoded:
        """Put a sample into tokens."""
        ids: list[int] = []
        is_learned: list[bool] = []
        for piece in pieces(sample.messages, SPECS + sample.specs):
            own = self.ids(piece.text)
            ids += own
            is_learned += [piece.is_learned] * len(own)
        return Encoded(tuple(ids), tuple(is_learned), sample.specs)

    def many(self, samples: Sequence[Sample]) -> list[Encoded]:
        return [self.encoded(sample) for sample in samples]


def _added(index: int, content: str) -> dict[str, object]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": content, "special": True, **plain}
