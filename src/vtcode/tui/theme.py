"""Themes as data: which role is painted how, for dark and for light backgrounds."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

Role = Literal[
    "dim",  # what stands beside the conversation
    "user",  # what the person said
    "prompt",
    "spinner",
    "ok",
    "bad",
    "warn",
    "accent",  # names: of tools, files, commands
    "heading",
    "strong",
    "em",
    "struck",
    "code",
    "link",
    "quote",
    "added",
    "removed",
    "added_word",
    "removed_word",
    "hunk",
    "selected",
    "keyword",
    "string",
    "comment",
    "number",
    "name",
]
Depth = Literal["none", "16", "256", "full"]

_RESET: Final = "\x1b[0m"
_ATTRIBUTES: Final = {"bold": "1", "dim": "2", "italic": "3", "underline": "4", "reverse": "7", "strike": "9"}
_ANSI: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


class Theme(msgspec.Struct, frozen=True):
    """How each role is painted; what is not named is left as the terminal has it."""

    name: str
    about: str
    is_dark: bool | None
    """None for one that fits any background."""
    styles: Mapping[Role, str]
    """Words: attributes, one of the eight ANSI colours, or `#rrggbb`; `on` before a background."""
    depth: Depth = "full"

    def paint(self, role: Role, text: str) -> str:
        """Give a safe text the look of a role."""
        return self.layer((role,), text)

    def layer(self, roles: Sequence[Role], text: str) -> str:
        """Give a safe text the look of several roles, the later ones over the earlier."""
        codes = ";".join(filter(None, (_codes(self.styles.get(role, ""), self.depth) for role in roles)))
        if not codes or not text:
            return text
        # A line each, so that whoever cuts them apart leaves no style open.
        return "\n".join(f"\x1b[{codes}m{line}{_RESET}" if line else "" for line in text.split("\n"))


@functools.lru_cache(maxsize=512)
def _codes(style: str, depth: Depth) -> str:
    codes: list[str] = []
    ground = 30
    for word in style.split():
        if word == "on":
            ground = 40
        elif word in _ATTRIBUTES:
            codes.append(_ATTRIBUTES[word])
        elif depth == "none":
            continue
        elif word in _ANSI:
            codes.append(str(ground + _ANSI.index(word)))
        else:
            codes += _coloured(word, ground, depth)
    return ";".join(codes)


def _coloured(word: str, ground: int, depth: Depth) -> list[str]:
    red, green, blue = (int(word[at : at + 2], 16) for at in (1, 3, 5))
    match depth:
        case "full":
            return [f"{ground + 8};2;{red};{green};{blue}"]
        case "256":
            # The cube of six steps a colour (xterm).
            steps = [round(value / 255 * 5) for value in (red, green, blue)]
            return [f"{ground + 8};5;{16 + 36 * steps[0] + 6 * steps[1] + steps[2]}"]
        case "16":
            if ground == 40:
                # A background of the eight drowns the text.
                return []
            most = max(red, green, blue)
            bits = sum(1 << at for at, value in enumerate((red, green, blue)) if most and value > most * 0.6)
            return [str(ground + bits)]
        case "none":
            return []


_PLAIN: Final[Mapping[Role, str]] = {
    "dim": "dim",
    "user": "bold",
    "prompt": "bold",
    "spinner": "dim",
    "heading": "bold",
    "strong": "bold",
    "em": "italic",
    "struck": "strike",
    "link": "underline",
    "quote": "dim",
    "added_word": "bold",
    "removed_word": "bold",
    "selected": "bold",
    "bad": "bold",
    "comment": "dim",
    "hunk": "dim",
}
_TERMINAL: Final[Mapping[Role, str]] = {
    **_PLAIN,
    "prompt": "bold cyan",
    "ok": "green",
    "bad": "red",
    "warn": "yellow",
    "accent": "cyan",
    "code": "cyan",
    "link": "underline blue",
    "added": "green",
    "removed": "red",
    "added_word": "bold green underline",
    "removed_word": "bold red underline",
    "hunk": "cyan",
    "selected": "bold cyan",
    "keyword": "magenta",
    "string": "green",
    "number": "yellow",
    "name": "blue",
}


class _Palette(msgspec.Struct, frozen=True):
    """The colours that a theme is made of."""

    red: str
    green: str
    yellow: str
    blue: str
    magenta: str
    cyan: str
    grey: str
    red_ground: str
    green_ground: str


def _painted(palette: _Palette) -> Mapping[Role, str]:
    return {
        **_PLAIN,
        "dim": palette.grey,
        "spinner": palette.grey,
        "quote": palette.grey,
        "comment": f"italic {palette.grey}",
        "prompt": f"bold {palette.cyan}",
        "ok": palette.green,
        "bad": palette.red,
        "warn": palette.yellow,
        "accent": palette.blue,
        "heading": f"bold {palette.magenta}",
        "code": palette.cyan,
        "link": f"underline {palette.blue}",
        "added": palette.green,
        "removed": palette.red,
        "added_word": f"bold {palette.green} on {palette.green_ground}",
        "removed_word": f"bold {palette.red} on {palette.red_ground}",
        "hunk": palette.cyan,
        "selected": f"bold {palette.cyan}",
        "keyword": palette.magenta,
        "string": palette.green,
        "number": palette.yellow,
        "name": palette.blue,
    }


# Ours, each by a base of grey and six colours of even lightness; contrast with the background at least 4.5 : 1.
_DUSK = _Palette("#f28b82", "#9ccc9c", "#e6c674", "#8ab4f8", "#d7aefb", "#78d9ec", "#9aa0a6", "#5c2b29", "#1e4620")
_EMBER = _Palette("#ff8f66", "#b5c77a", "#f0b95b", "#8fb3c9", "#e39fb0", "#86c6b4", "#a89a8c", "#5e2f22", "#3d4723")
_NOON = _Palette("#b3261e", "#1e6b2e", "#7a5900", "#0b57d0", "#8430ce", "#006a7a", "#5f6368", "#f9dedc", "#d3ecd5")
_PAPER = _Palette("#a03b1e", "#4a6516", "#7d5700", "#2f5d82", "#8a3a5f", "#1d6a5c", "#6b6258", "#f4d9cc", "#e3ebcb")

THEMES: Final[tuple[Theme, ...]] = (
    Theme("terminal", "the colours that your terminal has", None, _TERMINAL),
    Theme("dusk", "cool, for a dark background", True, _painted(_DUSK)),
    Theme("ember", "warm, for a dark background", True, _painted(_EMBER)),
    Theme("noon", "cool, for a light background", False, _painted(_NOON)),
    Theme("paper", "warm, for a light background", False, _painted(_PAPER)),
    Theme("plain", "no colours", None, _PLAIN),
)


def named(name: str) -> Theme | None:
    """Find a theme."""
    return next((theme for theme in THEMES if theme.name == name), None)


def choose(name: str, depth: Depth, is_dark: bool | None) -> Theme:
    """Return the theme of that name; for `auto`, one that fits the background.

    Args:
        is_dark: whether the background is; None when that is not known.
    """
    found = named(name)
    if found is None:
        found = named("terminal" if is_dark is None or depth in ("none", "16") else "dusk" if is_dark else "noon")
    assert found is not None
    return msgspec.structs.replace(found, depth=depth)


def depth_of(environ: Mapping[str, str], color: Literal["auto", "always", "never"] = "auto") -> Depth:
    """Tell how many colours a terminal has (https://no-color.org, COLORTERM, terminfo names)."""
    if color == "never" or (color == "auto" and environ.get("NO_COLOR")):
        return "none"
    term = environ.get("TERM", "")
    if environ.get("COLORTERM") in ("truecolor", "24bit"):
        return "full"
    if term in ("", "dumb") and color == "auto":
        return "none"
    return "256" if "256color" in term else "16"


_REPLY: Final = re.compile(r"rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")


def guess_is_dark(environ: Mapping[str, str], reply: str = "") -> bool | None:
    """Tell whether the background is dark.

    Args:
        reply: of the terminal to OSC 11 (xterm's control sequences), such as `rgb:1e1e/1e1e/1e1e`.
    """
    if match := _REPLY.search(reply):
        red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in match.groups())
        # Relative lightness as ITU-R BT.709 weighs it.
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
    ground = environ.get("COLORFGBG", "").rpartition(";")[2]
    if ground.isdecimal() and len(ground) < 3:
        # The eight dark colours but white, and the grey of the bright ones.
        return int(ground) in (0, 1, 2, 3, 4, 5, 6, 8)
    return None
