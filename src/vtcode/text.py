"""Makes untrusted text safe to show."""

import functools
import re
from typing import Final

# Pictures that Unicode draws in colour when U+FE0F follows, and that U+200D joins: "⚠️", "👩‍💻".
_PICTURE: Final = "\u2190-\u2bff\U0001f000-\U0001faff"

_HIDDEN: Final = "".join(
    (
        "\x00-\x08\x0b-\x1f\x7f-\x9f",  # C0 except tab and newline, DEL, C1
        "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069",  # bidirectional controls
        "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c",  # drawn with no width
        "\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb",
        "\u2028\u2029",  # line breaks that are not "\n"
        "\ufe00-\ufe0e\U0001d173-\U0001d17a\U000e0000-\U000e0fff",  # variation selectors and tags
        "\ud800-\udfff",  # lone surrogates: no terminal encoding has them
    )
)

# Model replies are full of "⚠️" and "✔️": escaping the selector there would litter them and hide nothing,
# so that one selector and that one joiner stay where a picture stands beside them.
# What is drawn over the letter before it. A letter or two of these are writing, a hundred thousand cover the screen.
_OVER: Final = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_MOST_OVER: Final = 8

_UNSAFE: Final = re.compile(
    f"[{_HIDDEN}]+"
    f"|\ufe0f(?<![{_PICTURE}]\ufe0f)"
    f"|\u200d(?:(?<![{_PICTURE}]\u200d)(?<![{_PICTURE}]\ufe0f\u200d)|(?![{_PICTURE}]))"
    f"|[{_OVER}](?<=[{_OVER}]{{{_MOST_OVER + 1}}})[{_OVER}]*"
)
_LINE_BREAK: Final = re.compile(r"[\n\t]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str, *, one_line: bool = False) -> str:
    r"""Return `text` with every character that could steer a terminal or hide from the reader escaped.

    Control characters become `\x1b`, others `\u{202e}`, a carriage return `\r`. Newlines and tabs stay,
    unless `one_line` asks for `\n` and `\t`. Backslashes are left alone: the result is for eyes, not for
    parsing back.
    """
    plain = text if one_line else text.replace("\n", "").replace("\t", "")
    if plain.isascii() and plain.isprintable():
        return text
    shown = _UNSAFE.sub(_escape, text)
    return _LINE_BREAK.sub(_escape, shown) if one_line else shown


def _escape(match: re.Match[str]) -> str:
    return "".join(map(_escaped, match.group()))


@functools.cache
def _escaped(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}")


# Look-alikes ---------------------------------------------------------------------------------------------

_ALPHABETS: Final = "".join(
    (
        "\u0131\u017f\u0250-\u02af\u1d00-\u1dbf\u2c60-\u2c7f\ua720-\ua7ff",  # Latin, but not what it seems
        "\u0370-\u03ff\u1f00-\u1fff\u2c80-\u2cff",  # Greek, Coptic
        "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",  # Cyrillic
        "\u0530-\u058f\u13a0-\u13ff\uab70-\uabbf\ua4d0-\ua4ff",  # Armenian, Cherokee, Lisu
    )
)
"""Letters of alphabets that share shapes with ASCII letters."""
_DISGUISED: Final = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u2100-\u218f\uff01-\uff5e\U0001d400-\U0001d7ff"
"""Blanks that are none to a shell, and ASCII in other clothes: full width, bold, numerals."""
_ALIKE: Final = "аАВеЕзЗіІјЈкКМНоОрРсСТуУхХѕЅһԁԛԜԝьЬгпиΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγικνορτυχ"
"""Letters that a hurried reader takes for one of ASCII."""

_WORD: Final = re.compile(r"\w+")
_FOREIGN: Final = re.compile(f"[{_ALPHABETS}]")
_ASCII_LETTER: Final = re.compile("[A-Za-z]")
_MARKED: Final = re.compile(f"[{_DISGUISED}]")


def marked(text: str) -> str:
    r"""Return `text` as `visible` does, with what only looks like ASCII escaped too: for what a person decides about.

    That is a letter of another alphabet in a word with ASCII letters (the Cyrillic one in `l\u{455}`), a word made of
    nothing but letters that look like ASCII, unusual blanks, and full-width and mathematical letters.
    """
    shown = visible(text)
    if shown.isascii():
        return shown
    return _MARKED.sub(_escape, _WORD.sub(_marked_word, shown))


def _marked_word(match: re.Match[str]) -> str:
    word = match.group()
    if word.isascii() or not (_ASCII_LETTER.search(word) or (len(word) > 1 and all(map(_ALIKE.__contains__, word)))):
        return word
    return _FOREIGN.sub(_escape, word)
