"""What people say around an order: why they ask, whom for, and their thanks; only training has it."""

import random
from collections.abc import Callable
from typing import Final

_BEFORE: Final = [
    "Quick question.",
    "Quick one:",
    "One more thing.",
    "Another one.",
    "Ok, next.",
    "Right.",
    "So,",
    "Hm.",
    "Sorry to bother you again.",
    "I am new to this project.",
    "I just cloned this.",
    "I have not been here for a while.",
    "My memory is bad.",
    "I am writing the release notes.",
    "This came up in a review.",
    "Somebody on the {word} team wants to know.",
    "We had a talk about {word} today.",
    "The {word} is broken again.",
    "Our {word} server is too slow.",
    "The {word} moved last week.",
    "They changed their minds.",
    "I got this wrong yesterday.",
    "I promised {word} to look into it.",
    "The {word} people complained.",
    "There is a meeting in five minutes.",
    "I want to be sure.",
    "I need this for the {word} report.",
    "Customers keep asking about {word}.",
    "We no longer have a {word}.",
    "It is about the {word}.",
    "Prices have changed.",
    "My screen is too small for this.",
    "I cannot find it myself.",
    "I do not know my way around yet.",
    "I was told that you can help.",
    "The old {word} is gone, and nobody told me.",
    "There are {number} of us waiting for this.",
    "It took {number} minutes this morning.",
    "Let us try something.",
    "First things first.",
    "Before I forget:",
]
_AFTER_SENTENCE: Final = [
    "Thanks.",
    "Thank you.",
    "Thanks a lot!",
    "It is for {word}.",
    "I need it for the {word}.",
    "The {word} team is waiting.",
    "No hurry.",
    "I am in a hurry.",
    "Nothing else.",
    "That is all.",
    "I will do the rest.",
    "It is about time.",
    "The others agree.",
    "I hope that is possible.",
    "Would that be possible?",
    "Can you do that?",
    "I am not sure myself.",
    "Somebody has to.",
    "Then I can go on with {word}.",
    "It has bothered me for {number} days.",
]
_AFTER_WORDS: Final = [
    " pls",
    " please",
    ", please",
    " thx",
    ", thanks",
    ", thank you",
    " for me",
    " for me please",
    ", if you can",
    ", if possible",
    " when you can",
    " while you are at it",
    " because {word} needs it",
    " because of {word}",
    ", as I am still learning",
    " so that {word} works again",
    ", the {word} is too slow",
    ", since {word} asked",
]


def dressed(draw: random.Random, text: str, word: Callable[[], str], *, may_end: bool) -> str:
    """Put an order between other words, now and then.

    Args:
        draw: where chance comes from.
        text: the order.
        word: draws a word to speak of.
        may_end: whether words right after its last one can be told from it.
    """

    def filled(template: str) -> str:
        return template.format(word=word(), number=draw.randrange(2, 90))

    chance = draw.random()
    if may_end and chance < 0.12:
        end = text[-1] if text[-1] in ".?!" else ""
        text = text[: len(text) - len(end)] + filled(draw.choice(_AFTER_WORDS)) + draw.choice((end, ""))
    elif chance < 0.2:
        text += ("" if text[-1] in ".?!" else ".") + " " + filled(draw.choice(_AFTER_SENTENCE))
    if draw.random() < 0.22:
        text = f"{filled(draw.choice(_BEFORE))} {text}"
    return text
