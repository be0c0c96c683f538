"""Wordings: `[a|b]` is a choice, `{slot}` is filled in; no wording is in both splits."""

import random
import re
from typing import Final

from train.words import Split

Wordings = dict[Split, list[str]]

_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")
_LONG: Final = {
    r"\b(I|[Ww]e|[Tt]hey) (?:would|had) ": r"\1'd ",
    r"\b([Ww]hat|[Ww]here|[Ww]ho|[Ii]t|[Tt]hat|[Tt]here) is (?!(?:it|this|that|there)\b)": r"\1's ",
    r"\bI am ": "I'm ",
    r"\b([Ww]e|[Yy]ou|[Tt]hey) are ": r"\1're ",
    r"\b(do|does|did|is|are|was|has|would) not\b": r"\1n't",
    r"\bcannot\b": "can't",
    r"\b(I|[Ww]e|[Tt]hey) have (no|a|to)\b": r"\1've \2",
}
"""What people write shorter, and how."""


def wording(draw: random.Random, wordings: Wordings, split: Split, **slots: str) -> tuple[str, str]:
    """Draw a wording and fill it in; give it with the template that it is from."""
    template = draw.choice(wordings[split])
    text = template
    while (choice := _CHOICE.search(text)) is not None:
        text = text[: choice.start()] + draw.choice(choice.group(1).split("|")) + text[choice.end() :]
    if split == "train" and draw.random() < 0.5:
        for long, short in _LONG.items():
            text = re.sub(long, short, text)
    # All at once, so that what is filled in is never taken for a slot.
    filled = re.sub(r"\{(\w+)\}", lambda slot: slots[slot.group(1)], text)
    if split == "train" and template[0] != "{" and draw.random() < 0.12:
        filled = filled[0].lower() + filled[1:]
    return filled, template
