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
    "with yes you your".split()
)
"""Words that no command begins with, but one that is written as code."""
_ANSWERING: Final = frozenset(
    "a added also an and approved are at booked build but cancelled cannot changed code costs defined did "
    "documentation ended exit failed fed file files follow for found gave gives heat here I in instructions is it "
    "lamps lent Line line means no not nothing of On on only or order play posted printed put ran read released "
    "renamed restored returns run said says sent set show shows that The the There there to Translated Tuned "
    "wanted was watered which with workspace wrote".split()
)
"""What answers are made of beside what they tell, in the samples that the default model has learned from."""
_ENDS: Final = ".,;:?!"
_CODE: Final = re.compile(r"`([^`\n]+)`|(?:^|\s)\$ ([^`\n]+)")
"""What is written as code, or behind a prompt."""
_TO_RUN: Final = tuple(
    re.compile(rf"\b{before}:?\s+[\"']?([^\s\"'`]+)", re.I)
    for before in (
        r"(?:(?:re)?run|exec|execute|launch)(?:\s+the\s+command|\s+command)?",
        r"the\s+command(?!\s+line\b)",
        r"(?:run|execute)\b[^:`\n]{0,40}:",
    )
)
"""What follows such words is run, whether it is there or not: it is for the shell to say that it is not."""
_SETTING: Final = re.compile(r"[A-Za-z_]\w*=")
"""A variable of the environment, before the program."""
_OPTION: Final = re.compile(r"--?[A-Za-z]")
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
                    if len(found) >= 2 * _MOST_STRETCHES:
                        return tuple(found)
                    new = [each for each in _as_meant(text[start:end]) if each not in found]
                    if (size := sum(map(len, new))) > left:
                        break
                    left -= size
                    found |= dict.fromkeys(new)
    return tuple(found)


def _as_meant(said: str) -> list[str]:
    """Give what a run of words can be with, and without, the marks of the sentence that it stands in."""
    plain = said.rstrip(_ENDS)
    inner = plain[1:-1] if plain[:1] + plain[-1:] in _PAIRS else ""
    # What ends in a mark of its own may have another one of the sentence behind it.
    shorter = said[:-1] if said[-1:] in _ENDS else said
    return [each for each in dict.fromkeys((said, shorter, plain, inner)) if each.strip()]


def rewriting(lines: Sequence[str], task: str) -> str | None:
    """Give the pattern of what lines can become: of their words and the task's; None for very many.

    A word is put in as it is, or as a part between underscores and capitals; a number as a whole.
    """
    text = "\n".join(lines)
    names = {*_TOKEN.findall(text), *_TOKEN.findall(task)[:MOST_LINES]}
    if len(lines) > 1 and len(names) > MOST_LINES:
        return None
    parts = {part for name in names for part in PART.findall(name) if part.isalpha()}
    marks = {*re.findall(r"[^\w\n]", f"{text} {task}"), " ", "_", *"\"'"}
    if "import" in f"{text} {task}".casefold():
        parts |= {"import", "from"}
        marks.add("\n")
    return _of(names | parts, marks)


def _of(names: set[str], marks: set[str]) -> str:
    """Give the pattern of texts of names and marks in which no number stands beside another."""
    numbers = {name for name in names if name[0].isdigit()}
    word = f"{_one_of(names - numbers)}|" if names - numbers else ""
    other = f"(?:{word}[{''.join(map(_escaped, sorted(marks)))}])"
    number = f"(?:{_one_of(numbers)})?" if numbers else ""
    return f"^(?:{number}{other})*{number}$"


def _one_of(names: set[str]) -> str:
    return "|".join(map(re.escape, sorted(names, key=lambda name: (-len(name), name))))


def _escaped(mark: str) -> str:
    return f"\\x{ord(mark):02x}" if mark.isascii() else mark


def commands(said: Iterable[str], tasks: Sequence[str], is_program: Callable[[str], bool] | None) -> tuple[str, ...]:
    """Give those runs of words that can be a command.

    A command begins with a program that is there, with a path, with what the person says to run or writes as code,
    or else has options and no such word in it. None begins with an article or the like, unless that is code.

    Args:
        said: runs of words.
        tasks: what they are from.
        is_program: tells whether a word names a program; None where nobody knows.
    """
    code = {
        _plain(match.split()[0]) for task in tasks for pair in _CODE.findall(task) for match in pair if match.strip()
    }
    told = {_plain(word) for task in tasks for each in _TO_RUN for word in each.findall(task[:_MOST_CHARACTERS])}

    @functools.cache
    def is_first(word: str) -> bool:
        if word in code:
            return True
        if word.casefold() in _NO_COMMAND:
            return False
        return word in told or "/" in word or bool(_SETTING.match(word)) or is_program is None or is_program(word)

    def is_command(first: str, *rest: str) -> bool:
        if is_first(first):
            return True
        has_options = any(map(_OPTION.match, rest)) and first.casefold() not in _NO_COMMAND
        return has_options and not any(is_first(_plain(word)) for word in rest)

    return tuple(each for each in said if is_command(*map(_plain, each.split()[:1]), *each.split()[1:]))


def _plain(word: str) -> str:
    return word.rstrip(_ENDS) or word


def answering(shown: Sequence[str]) -> str | None:
    """Give the pattern of an answer: of words that were shown and those of `_ANSWERING`; None for very many.

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
