"""Wordings: `[a|b]` is a choice, `{slot}` is filled in; no wording is in both splits."""

import random
import re
from typing import Final

from train.words import Split

Wordings = dict[Split, list[str]]

_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")


def wording(draw: random.Random, wordings: Wordings, split: Split, **slots: str) -> tuple[str, str]:
    """Draw a wording and fill it in; give it with the template that it is from."""
    template = draw.choice(wordings[split])
    text = template
    while (choice := _CHOICE.search(text)) is not None:
        text = text[: choice.start()] + draw.choice(choice.group(1).split("|")) + text[choice.end() :]
    # All at once, so that what is filled in is never taken for a slot.
    filled = re.sub(r"\{(\w+)\}", lambda slot: slots[slot.group(1)], text)
    if split == "train" and template[0] != "{" and draw.random() < 0.12:
        filled = filled[0].lower() + filled[1:]
    return filled, template
