"""What a person's words tell of a call that a small model is to make: it copies from them, and makes nothing up."""

import re
from collections.abc import Iterable, Sequence
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
_ORDINALS: Final = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
_RANGE: Final = re.compile(
    r"\blines? (\d{1,6})\b(?>(?:(?: ?- ?| to | through | and )(?:line )?(\d{1,6})\b)?)(?!, ?(?:\d|in\b))"
    r"|(?<!to )(?<!to the )(?<!and )(?<!and the )\b(\d{1,6}(?=(?:st|nd|rd|th) line\b)|"
    + "|".join(f"{ordinal}(?= line\\b)" for ordinal in _ORDINALS)
    + ")",
    re.I,
)
"""Lines that a person speaks of by their numbers; a traceback's `line 7, in` and lists are none."""
WORD: Final = re.compile(r"\w+(?:[.-]\w+)*")
_NAME: Final = re.compile(r"\w+(?:\.\d+)*")
_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_COMPARISON: Final = re.compile(r"(?<![^\s'\"`(])(?:[<>]=?|[!=]=)(?![^\s'\"`).,;:?])")
_DEFINITION: Final = re.compile(r"(?:\w+ )*(?:def|class|func|function|fn|struct|impl) \S")
_GLUE: Final = frozenset(
    "a add an and as at be by can change class def edit else fix for from i if in into is it line make not of on or "
    "please put remove rename replace return set should that the this to update use while will with you".split()
)
"""Words that say nothing about which line of a program is meant."""
_ASKING: Final = frozenset(
    "a about an and any anybody are as at be been by can check could current currently d did do does exactly file "
    "find for forget forgot from gave get give gives has have hello help here hey hi how i if in inside into is it "
    "its kindly know line ll look m me mean means my now of on one open or out please pls quickly read recall "
    "remember remind return returns s say says search see shall should show so sure t tell than thank thanks that "
    "the their them there these they this those thx to up us used value ve want was we were what when where which "
    "who whose why will with wonder would you your".split()
)
"""Words of which a question is made, and nothing that a change could put in."""
_QUESTION: Final = re.compile(r"\W*(?:(?:hello|hey|hi)\W+)?(?:what|which|how)\b", re.IGNORECASE)
"""How a task begins in which "set" asks what was set."""
_QUOTED: Final = re.compile(r"""(?<!\w)(?:"[^"\n]{3,}"|'[^'\n]{3,}'|`[^`\n]{3,}`)(?!\w)""")
_RUN: Final = re.compile(r"\S+")
_TOKEN: Final = re.compile(r"\d+(?:\.\d+)+|\w+")
_NO_COMMAND: Final = frozenset(
    "a an and any are at be but by did do does for from he her his how i in is it its me my no not of on "
    "or our please she so that the their them these they this those to us was we were what when where why "
    "with you your".split()
)
_ANSWERING: Final = frozenset(
    "a added also an and approved are at booked build but cancelled cannot changed code costs defined did "
    "documentation ended exit failed fed file files follow for found gave gives heat here I in "
    "instructions is it lent line Line means no not nothing of On on only or play posted printed put ran "
    "read released renamed restored returns run said says sent set shows that The the there There to "
    "Translated Tuned wanted was watered which with workspace wrote".split()
)
"""What answers are made of beside what they tell."""
_PLACE: Final = re.compile(
    r"\bwhere\b|\b(?:which|what) (?:file|line|module|place)\b|\b(?:defin|declar)(?:ed|es|ition|ation)\b", re.I
)
_MORE_THAN_PLACE: Final = re.compile(
    r"\b(?:returns?|values?|gives?|yields?|sets?)\b"
    r"|\b(?:and|then) (?:change|explain|fix|open|print|read|rename|run|say what|set|show|tell me what)\b",
    re.I,
)
_RENAMING: Final = re.compile(r"\b(?:re)?nam(?:e|ed|ing)\b|\bcall(?:ed)?\b", re.I)
_ENDS: Final = ".,;:?!"
_PAIRS: Final = frozenset({'""', "''", "``", "()", "“”", "\u2018\u2019"})
_VERSION: Final = re.compile(r"v?\d+(?:\.\d+)*|\W+")
_CALLED: Final = re.compile(r"""\b(?:(?:file|called|named|name)\s+)+["'`]?([\w./-]+)|\b([A-Z][A-Z_-]{2,})\b""")
"""What follows such a word may be a name, and so may what is all in capitals."""


def words_said(text: str) -> tuple[str, ...]:
    """Give the words of a text as paths are written, without what stands around them."""
    words = (word.lstrip("([{'\"`").rstrip(".,;:?!)]}'\"`") for word in text.split())
    return tuple(dict.fromkeys(word for word in words if word and len(word) <= MOST_COPIED))[:MOST_LINES]


def paths_said(task: str) -> tuple[str, ...]:
    """Give what can be the path of a file in a task: by how it is written, or by what it is called."""
    written = (word for word in words_said(task) if "/" in word or "." in word.strip("."))
    called = (
        name.rstrip(".") for pair in _CALLED.findall(task) for name in pair if name and name.casefold() not in _GLUE
    )
    return tuple(dict.fromkeys(path for path in (*written, *called) if not _VERSION.fullmatch(path)))


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
    parts = {part for name in names for part in _PART.findall(name) if part.isalpha()}
    marks = {*re.findall(r"[^\w\n]", f"{line} {task}"), " ", "_", *"\"'"}
    if "import" in task.casefold():
        parts |= {"import", "from"}
        marks.add("\n")
    return _of(names | parts, marks)


def _of(words: set[str], marks: set[str]) -> str:
    each = "|".join(map(re.escape, sorted(words, key=lambda word: (-len(word), word))))
    return f"^(?:{each}|[{''.join(map(_escaped, sorted(marks)))}])*$"


def _escaped(mark: str) -> str:
    return f"\\x{ord(mark):02x}" if mark.isascii() else mark


def commands(said: Iterable[str]) -> tuple[str, ...]:
    """Give those runs of words that can be a command: none begins with an article or the like."""
    return tuple(each for each in said if each.split()[0].rstrip(_ENDS).casefold() not in _NO_COMMAND)


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


def asks_where(task: str) -> bool:
    """Tell whether a task asks for no more than the place of something, which a search says."""
    return _PLACE.search(task) is not None and _MORE_THAN_PLACE.search(task) is None


def range_said(task: str) -> tuple[int, int] | None:
    """Give the first and the last of the lines that a task speaks of, where it is plain which they are."""
    said = list(_RANGE.finditer(task))
    if len(said) != 1:
        return None
    first, last, ordinal = said[0].groups()
    ordinal = (ordinal or "").lower()
    start = _ORDINALS.index(ordinal) + 1 if ordinal in _ORDINALS else int(first or ordinal)
    return (start, int(last or start)) if start <= int(last or start) else None


def lines_meant(lines: tuple[str, ...], path: str, task: str) -> tuple[str, ...]:
    """Give the lines of a file that a task can mean: what it names, within a definition that it names, or all.

    Of two comparisons in a task, one is there and the other is to be, so the lines that have one of them are meant.
    """
    task = _without(task, path)
    told = {name.casefold() for name in _NAME.findall(task)}
    if any(word.startswith("import") for word in told):
        return lines
    named: list[str] = []
    is_within = False
    for line in lines:
        is_named = not _words(line).isdisjoint(told - _GLUE)
        if _DEFINITION.match(line):
            is_within = is_named
        # A name is changed where it stands, and not in what it is the name of.
        if is_named or (is_within and not _RENAMING.search(task)):
            named.append(line)
    quotations = [said.group()[1:-1] for said in _QUOTED.finditer(task)]
    quoted = tuple(line for line in lines if any(said in line for said in quotations))
    if quoted:
        return quoted
    signs = set(_COMPARISON.findall(task))
    compared = [line for line in lines if signs.intersection(_COMPARISON.findall(line))] if len(signs) > 1 else []
    both = [line for line in compared if line in named]
    return tuple(both or compared or named) or lines


def says_more(task: str, path: str, lines: tuple[str, ...]) -> bool:
    """Tell whether a task has a value, an import, or a word that is not there; one that only asks has none."""
    told = {name.casefold() for name in _NAME.findall(_without(task, path))}
    if _COMPARISON.search(task) or any(word[0].isdigit() or word.startswith("import") for word in told):
        return True
    asking = _ASKING | {"set"} if _QUESTION.match(task) else _ASKING
    spoken_of = told - {word.casefold() for word in WORD.findall(_without(task, path))}.intersection(asking)
    return not spoken_of or not spoken_of <= set[str]().union(*map(_words, lines))


def _without(task: str, path: str) -> str:
    for name in (path, path.rpartition("/")[2]):
        task = task.replace(name, " ")
    return task


def _words(line: str) -> set[str]:
    """Give a line's names and values, and what the names are put together of, in small letters."""
    names = _NAME.findall(line)
    return {word.casefold() for name in names for word in (name, *_PART.findall(name))}
