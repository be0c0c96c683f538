"""Makes untrusted text safe to show."""

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
_UNSAFE: Final = re.compile(
    f"[{_HIDDEN}]|(?<![{_PICTURE}])\ufe0f|(?<![{_PICTURE}])(?<![{_PICTURE}]\ufe0f)\u200d|\u200d(?![{_PICTURE}])"
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
    character = match.group()
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}")
