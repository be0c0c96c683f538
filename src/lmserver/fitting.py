"""Chooses, of a model's quantisations, the one that fits this machine's memory, and says why."""

from collections.abc import Sequence

import msgspec

from lmserver.errors import ModelError
from lmserver.text import size

BITS = {
    "Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q5_K_S": 5.6, "Q4_K_M": 4.9, "Q4_K_S": 4.7, "Q4_1": 5.0,
    "IQ4_NL": 4.6, "IQ4_XS": 4.4, "Q4_0": 4.7, "Q3_K_L": 4.3, "Q3_K_M": 4.0, "IQ3_M": 3.8, "Q3_K_S": 3.7,
    "IQ3_XS": 3.5, "IQ3_XXS": 3.3, "Q2_K": 3.2, "IQ2_M": 2.9,
}  # fmt: skip
"""About how many bits a weight has, all tensors counted; the order is that of quality, the best first."""

USUAL = "Q4_K_M"
"""Better ones cost memory and speed, and gain little: but for small models."""
SMALL = 2e9
"""Weights; below this, more bits are felt in the answers and hardly in the memory."""
SMALL_SHARE = 0.3
"""Of the available memory: what a small model may take to have more bits."""

CONTEXT_SHARE = 0.13
"""Bytes of context for each weight, with 8,192 tokens: Llama 3.1 8B needs 1.07 GB for its 8 billion weights."""
OVERHEAD = 250e6
"""Bytes of a model's process beside weights and context."""


class Variant(msgspec.Struct, frozen=True):
    """One quantisation of a model, and the bytes of all its files."""

    quantization: str
    """As people write it: "Q4_K_M"; empty where the name does not tell."""
    size: int

    @property
    def weights(self) -> float:
        """Estimate how many there are."""
        return self.size * 8 / BITS.get(self.quantization, 16)

    @property
    def need(self) -> float:
        """Estimate the bytes of memory that it takes with 8,192 tokens of context."""
        return self.size + OVERHEAD + CONTEXT_SHARE * self.weights


class Choice(msgspec.Struct, frozen=True):
    """What was chosen, and why, in a sentence."""

    variant: Variant
    reason: str


def choose(variants: Sequence[Variant], available: float) -> Choice:
    """Choose for so many bytes of available memory.

    Q4_K_M, or the best below it that fits; for a small model the best at all that takes little of the memory.

    Raises:
        ModelError: when none fits; the sentence says what the smallest would need.
    """
    ranks = {quantization: rank for rank, quantization in enumerate(BITS)}
    ladder = sorted(
        (each for each in variants if each.quantization in ranks), key=lambda each: ranks[each.quantization]
    )
    better = [each for each in ladder if ranks[each.quantization] < ranks[USUAL]]
    usual = ladder[len(better) :]
    roomy = [each for each in better if each.weights < SMALL and each.need < SMALL_SHARE * available]
    # Where there is nothing of the usual kind, what comes nearest to it.
    rest = usual or better[::-1] or sorted(variants, key=lambda each: each.size)
    fitting = [*roomy, *(each for each in rest if each.need <= available)]
    if not fitting:
        smallest = min(variants, key=lambda each: each.size)
        raise ModelError(
            f"This machine has {size(available)} of memory available, and even the smallest of these files, "
            f"{smallest.quantization or 'the only one'}, needs about {size(smallest.need)}. Free some memory, choose "
            "a smaller model (`lmstudio get --list`), or name the quantisation to get it all the same: "
            f"@{smallest.quantization or 'FILE.gguf'}."
        )
    chosen = fitting[0]
    reason = f"{chosen.quantization or 'the file'}: about {size(chosen.need)} of {size(available)} available memory"
    above = [each for each in ladder if each.size > chosen.size]
    if above:
        next_better = min(above, key=lambda each: each.size)
        reason += f"; the next better, {next_better.quantization}, would need {size(next_better.need)}"
    return Choice(chosen, reason)


def estimated(weights: float) -> list[Variant]:
    """Estimate the usual files of a model with so many weights."""
    return [Variant(name, int(weights * BITS[name] / 8)) for name in ("Q8_0", "Q6_K", "Q4_K_M", "Q3_K_L")]
