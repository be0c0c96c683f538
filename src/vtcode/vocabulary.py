"""What a small model may write of its own: words that were shown to it, in runs and in patterns."""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

MOST_COPIED: Final = 200
"""Characters of a word or a line that can be copied."""
MOST_LINES: Final = 400
"""Lines of a file, and words of the person, that can be copied from; a grammar of more takes long to make."""
_MOST_STRETCHES: Final = 1_500
"""Stretches of words to choose from: some hundredths of a second for the server's compiler."""
_MOST_OF_AN_END: Final = 40
"""Words at either end of a long text."""
_MOST_CHARACTERS: Final = 100_000
"""Of all stretches together."""
WORD: Final = re.compile(r"\w+(?:[.-]\w+)*")
PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_RUN: Final = re.compile(r"\S+")
_TOKEN: Final = re.compile(r"\d+(?:\.\d+)+|\w+")
_NO_COMMAND: Final = frozenset(
    "a an and any are at be but by did do does for from he her his how i in is it its me my no not of on "
    "or our please she so that the their them these they this those to us was we were what when where why "
    "with you your".split()
)
_ANSWERING: Final = frozenset(
    "a added also an and approved are at booked build but cancelled cannot changed code costs defined did "
    "documentation ended exit failed fed file files follow for found gave gives heat here I in instructions is it "
    "lamps lent Line line means no not nothing of On on only or order play posted printed put ran read released "
    "renamed restored returns run said says sent set show shows that The the There there to Translated Tuned "
    "wanted was watered which with workspace wrote".split()
)
"""What answers are made of beside what they tell."""
_ENDS: Final = ".,;:?!"
_TO_RUN: Final = re.compile(
    r"(?:\b(?:commands?|exec|execute|launch|run):?\s+[\"'`]?|[`$]\s*)([^\s\"'`]+?)(?=[.,;:?!]*(?:[\s\"'`]|\Z))",
    re.I,
)
"""What follows such a word is run, whether it is there or not: it is for the shell to say that it is not."""
_OPTION: Final = re.compile(r"--?\w")
_PAIRS: Final = frozenset({'""', "''", "``", "()", "“”", "\u2018\u2019"})


def stretches(texts: Sequence[str]) -> tuple[str, ...]:
    """Give all runs of words in texts, of the first ones first: a command or a text that is said is one of them."""
    found: dict[str, None] = {}
    left = _MOST_CHARACTERS
    for text in texts:
        words = [match.span() for match in _RUN.finditer(text)]
        # Of a long text, what is to be done stands at its beginning or at its end.
        parts = [words] if len(words) <= 2 * _MOST_OF_AN_END else [words[:_MOST_OF_AN_END], words[-_MOST_OF_AN_END:]]
        longest = max(1, (_MOST_STRETCHES - len(found)) // max(1, sum(map(len, parts))))
        for part in parts:
            for index, (start, _) in enumerate(part):
                for _, end in part[index : index + longest]:
                    new = [each for each in _as_meant(text[start:end]) if each not in found]
                    left -= sum(map(len, new))
                    if left < 0 or len(found) >= 2 * _MOST_STRETCHES:
                        return tuple(found)
                    found |= dict.fromkeys(new)
    return tuple(found)


def _as_meant(said: str) -> list[str]:
    """Give what a run of words can be with, and without, the marks of the sentence that it stands in."""
    plain = said.rstrip(_ENDS)
    inner = plain[1:-1] if plain[:1] + plain[-1:] in _PAIRS else ""
    # What ends in a mark of its own may have another one of the sentence behind it.
    shorter = said[:-1] if said[-1:] in _ENDS else said
    return [each for each in dict.fromkeys((said, shorter, plain, inner)) if each.strip()]


def rewriting(line: str, task: str) -> str:
    """Give the pattern of what a line can become: of its words and the task's, with what stands between them.

    A word is put in as it is, or as a part between underscores and capitals; a number as a whole.
    """
    names = set(_TOKEN.findall(line) + _TOKEN.findall(task)[:MOST_LINES])
    parts = {part for name in names for part in PART.findall(name) if part.isalpha()}
    marks = {*re.findall(r"[^\w\n]", f"{line} {task}"), " ", "_", *"\"'"}
    if "import" in f"{line} {task}".casefold():
        parts |= {"import", "from"}
        marks.add("\n")
    return _of(names | parts, marks)


def _of(words: set[str], marks: set[str]) -> str:
    each = "|".join(map(re.escape, sorted(words, key=lambda word: (-len(word), word))))
    return f"^(?:{each}|[{''.join(map(_escaped, sorted(marks)))}])*$"


def _escaped(mark: str) -> str:
    return f"\\x{ord(mark):02x}" if mark.isascii() else mark


def commands(said: Iterable[str], tasks: Iterable[str], is_program: Callable[[str], bool] | None) -> tuple[str, ...]:
    """Give those runs of words that can be a command.

    A command begins with a program that is there, with a path, with what the person says to run or writes as code,
    or with what has options behind it. None begins with an article or the like, which a shell would take as well.

    Args:
        said: runs of words.
        tasks: what they are from.
        is_program: tells whether a word names a program; None where nobody knows.
    """
    told = {word for task in tasks for word in _TO_RUN.findall(task)}

    @functools.cache
    def is_first(word: str) -> bool:
        return is_program is None or word in told or "/" in word or "=" in word or is_program(word)

    found: list[str] = []
    for each in said:
        first, *rest = each.split()
        if first.rstrip(_ENDS).casefold() in _NO_COMMAND:
            continue
        if is_first(first.rstrip(_ENDS)) or any(map(_OPTION.match, rest)):
            found.append(each)
    return tuple(found)


def answering(shown: Sequence[str]) -> str | None:
    """Give the pattern of an answer: of words that were shown, and of those that any answer has; None for very many.

    Args:
        shown: what the person said, and what the calls made for it say and returned.
    """
    names = {name for text in shown for name in _TOKEN.findall(text)}
    if len(names) > MOST_LINES:
        return None
    marks = {*(mark for text in shown for mark in re.findall(r"[^\w\n]", text)), *_ENDS, *" \"'`()-"}
    counts = {str(text.count("\n") + 1) for text in shown}
    begun = {name.capitalize() for name in names if name.islower()}
    return _of(names | begun | counts | _ANSWERING, marks)
