"""What a task means: which lines, which place, and whether anything is to be changed at all."""

import re
from typing import Final

from vtcode.vocabulary import MOST_COPIED, MOST_LINES, PART, WORD

_ORDINALS: Final = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
_RANGE: Final = re.compile(
    r"\blines? (\d{1,6})\b(?>(?:(?: ?- ?| to | through | and )(?:line )?(\d{1,6})\b)?)(?!, ?(?:\d|in\b))"
    r"|(?<!to )(?<!to the )(?<!and )(?<!and the )\b(\d{1,6}(?=(?:st|nd|rd|th) line\b)|"
    + "|".join(f"{ordinal}(?= line\\b)" for ordinal in _ORDINALS)
    + ")",
    re.I,
)
"""Lines that a person speaks of by their numbers; a traceback's `line 7, in` and lists are none."""
_NAME: Final = re.compile(r"\w+(?:\.\d+)*")
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
_STATED: Final = re.compile(
    r"\b(?:should|must|ought to|has to|needs to|like .{1,60} to|want .{1,60} to)(?: now)? (?:be|become)\b"
    r"(?! (?:at|defined|here|in|somewhere|there|written)\b)"
)
"""How a task says what something is to be, perhaps in a word that is there already, such as `true`."""
_QUOTED: Final = re.compile(r"""(?<!\w)(?:"[^"\n]{3,}"|'[^'\n]{3,}'|`[^`\n]{3,}`)(?!\w)""")
_IN_QUOTES: Final = re.compile(r"""(?<!\w)(?:"[^"\n]+"|'[^'\n]+'|`[^`\n]+`)(?!\w)""")
_EXCHANGING: Final = re.compile(
    r"\b(?:alter|chang|convert|correct|edit|exchang|fix|flip|make|making|modify|renam|replac|substitut|swap|switch|trad|turn"
    r"|updat)\w*\b[^.!?;]*\Z",
    re.I,
)
_TO: Final = re.compile(r"(?:(?:in|of)(?: [\w.]+)? )?(?:to|into|with|by|for|read|say)(?: an?| the)?", re.I)
_ARROW: Final = re.compile(
    r"->|→|=>|(?:[\w' ,;.]{0,40}\b)?"
    r"(?:becomes?|meant|it(?:'s| is)(?: now)?|make (?:it|that)|(?:change|turn|update) (?:it|that|this) (?:in)?to"
    r"|(?:should|must|ought to|has to|needs? to|needed to|shall|is to)(?: now)? (?:be|become|have|read|say|use))"
    r"(?: an?| the)?",
    re.I,
)
_INSTEAD: Final = re.compile(
    r"(?:in \S+ )?(?:instead of|in place of|rather than|(?:and |but )?not|over"
    r"|where (?:it|there)(?: now)?(?:'s| has| is| reads| says))(?: an?| the)?",
    re.I,
)
_AFTER_KEY: Final = re.compile(r"\W?\s*(?:[:=]|->)")
_MOST_ABOVE: Final = 12
"""Lines at the top of a file, where imports are."""
_PLACE: Final = re.compile(
    r"\bwhere\b|\b(?:which|what) (?:file|line|module|place)\b|\b(?:defin|declar)(?:ed|es|ition|ation)\b", re.I
)
_MORE_THAN_PLACE: Final = re.compile(
    r"\b(?:returns?|values?|gives?|yields?|sets?)\b"
    r"|\b(?:and|then) (?:change|explain|fix|open|print|read|rename|run|say what|set|show|tell me what)\b",
    re.I,
)
_RENAMING: Final = re.compile(r"\b(?:re)?nam(?:e|ed|ing)\b|\bcall(?:ed)?\b", re.I)
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
    return (start, int(last or start)) if 1 <= start <= int(last or start) else None


def lines_meant(lines: tuple[str, ...], path: str, task: str) -> tuple[str, ...]:
    """Give the lines of a file that a task can mean: what it names, within a definition that it names, or all.

    Of two comparisons in a task, one is there and the other is to be, so the lines that have one of them are meant.
    """
    task = _without(task, path)
    told = {name.casefold() for name in _NAME.findall(task)}
    if any(word.startswith("import") for word in told):
        return lines[:_MOST_ABOVE]
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


def exchanged(line: str, path: str, task: str) -> str | None:
    """Give what a line of a file becomes where a task leaves no choice; None where it leaves one.

    Of two texts in quotes, or of two comparisons, the task says that one gives way to the other, and that one stands
    in the line, once. What a key that is quoted gives way to is left open: the other text may be its new name, or
    its value. Quotes that stand in the line, or behind an equals sign, are of the program.
    """
    paths = {path, path.rpartition("/")[2]}
    quotes = [said for said in _IN_QUOTES.finditer(task) if said.group()[1:-1] not in paths]
    is_code = any(task[: said.start()].rstrip().endswith("=") or said.group() in line for said in quotes)
    texts = [(said.start(), said.group()[1:-1], said.end()) for said in quotes if not is_code]
    signs = [(said.start(), said.group(), said.end()) for said in _COMPARISON.finditer(_QUOTED.sub(_blanked, task))]
    for pair in (texts, signs):
        if len(pair) == 2 and (both := _giving_way(pair, path, task)):
            old, new = both
            places = list(re.finditer(rf"(?<![\w<=>!]){re.escape(old)}(?![\w<=>!])", line))
            is_key = places and _NAME.fullmatch(old) and _AFTER_KEY.match(line, places[0].end())
            if len(places) == 1 and not is_key:
                return f"{line[: places[0].start()]}{new}{line[places[0].end() :]}"
    return None


def _giving_way(pair: list[tuple[int, str, int]], path: str, task: str) -> tuple[str, str] | None:
    """Tell which of two texts in a task gives way to which."""
    (start, first, end), (then, second, _) = pair
    before, between = task[:start], " ".join(task[end:then].replace(path, " ").split()).strip("\"'`,;:. ")
    if _INSTEAD.fullmatch(between):
        return second, first
    if _ARROW.fullmatch(between) or (_TO.fullmatch(between) and _EXCHANGING.search(before)):
        return first, second
    return None


def _blanked(match: re.Match[str]) -> str:
    return " " * len(match.group())


def says_more(task: str, path: str, lines: tuple[str, ...]) -> bool:
    """Tell whether a task has a value, an import, or a word that is not there, or says what is to be; none asks."""
    told = {name.casefold() for name in _NAME.findall(_without(task, path))}
    if _COMPARISON.search(task) or any(word[0].isdigit() or word.startswith("import") for word in told):
        return True
    is_asked = _QUESTION.match(task) is not None
    if _STATED.search(task) and not is_asked and not task.rstrip().endswith("?"):
        return True
    asking = _ASKING | {"set"} if is_asked else _ASKING
    spoken_of = told - {word.casefold() for word in WORD.findall(_without(task, path))}.intersection(asking)
    return not spoken_of or not spoken_of <= set[str]().union(*map(_words, lines))


def _without(task: str, path: str) -> str:
    for name in (path, path.rpartition("/")[2]):
        task = task.replace(name, " ")
    return task


def _words(line: str) -> set[str]:
    """Give a line's names and values, and what the names are put together of, in small letters."""
    names = _NAME.findall(line)
    return {word.casefold() for name in names for word in (name, *PART.findall(name))}
