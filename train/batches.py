"""Batches of conversations of like length, each with one kind of instructions; their order comes from a seed."""

import random
from collections import defaultdict
from collections.abc import Sequence

from train.tokens import Encoded

Batch = list[Encoded]


def batched(encoded: Sequence[Encoded], tokens: int, seed: int) -> list[Batch]:
    """Make batches of at most `tokens` tokens, padding included."""
    draw = random.Random(f"batches {seed}")
    groups: defaultdict[tuple[str, ...], list[Encoded]] = defaultdict(list)
    for each in encoded:
        groups[tuple(spec.name for spec in each.specs)].append(each)
    batches: list[Batch] = []
    for group in groups.values():
        # A little noise, so that batches differ in more than length.
        group.sort(key=lambda each: len(each.ids) * draw.uniform(0.9, 1.1))
        batch: Batch = []
        for each in group:
            longest = max(len(each.ids), *(len(other.ids) for other in batch), 0)
            if batch and longest * (len(batch) + 1) > tokens:
                batches.append(batch)
                batch = []
            batch.append(each)
        batches.append(batch)
    draw.shuffle(batches)
    return batches
