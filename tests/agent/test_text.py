"""What untrusted text looks like when it is shown."""

import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtcode.text import marked, visible

ANYTHING = st.text(st.characters(exclude_categories=[]))  # lone surrogates included
ORDINARY = st.text(
    st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\u115f\u1160\u3164\uffa0")
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain text, 100 %", "plain text, 100 %"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Grüße, 你好, שלום, नमस्ते", "Grüße, 你好, שלום, नमस्ते"),
        ("C:\\x1b", "C:\\x1b"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("ls\rtouch M", "ls\\rtouch M"),
        ("a\u202eb", "a\\u{202e}b"),
        ("a\u2066b\u2069", "a\\u{2066}b\\u{2069}"),
        ("l\u200bs", "l\\u{200b}s"),
        ("l\u200ds", "l\\u{200d}s"),
        ("\ufeffx", "\\u{feff}x"),
        ("x\ufe0f", "x\\u{fe0f}"),
        ("x\U000e0101\U000e0041", "x\\u{e0101}\\u{e0041}"),
        ("\ud800", "\\u{d800}"),
        ("a\u2028b", "a\\u{2028}b"),
        ("⚠️ careful", "⚠️ careful"),
        ("👩‍💻 and ❤️‍🔥", "👩‍💻 and ❤️‍🔥"),
        ("⚠️\ufe0f", "⚠️\\u{fe0f}"),
        ("e\u0301, o\u0308\u0304", "e\u0301, o\u0308\u0304"),
        ("a" + "\u0301" * 10, "a" + "\u0301" * 8 + "\\u{301}" * 2),
    ],
)
def test_text_is_shown_as(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_one_line_stays_one_line() -> None:
    assert visible("a\n\tb", one_line=True) == "a\\n\\tb"


def steers_or_hides(character: str) -> bool:
    code = ord(character)
    return (
        (unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} and character not in "\n\t")
        or unicodedata.bidirectional(character) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        or code in {0xAD, 0x61C, 0x200B, 0x200C, 0x200E, 0x200F, 0xFEFF}
        or any(code in codes for codes in (range(0x2060, 0x2065), range(0xFE00, 0xFE0F), range(0xE0000, 0xE1000)))
    )


@given(ANYTHING, st.booleans())
def test_nothing_shown_steers_a_terminal_or_hides(text: str, one_line: bool) -> None:
    shown = visible(text, one_line=one_line)
    shown.encode()
    assert not any(map(steers_or_hides, shown))
    assert not (one_line and set(shown) & set("\n\t"))
    for at, character in enumerate(shown):
        assert character not in "\ufe0f\u200d" or (at > 0 and ord(shown[at - 1]) >= 0x2190)


@given(ORDINARY)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert visible(text) == text


@given(ANYTHING)
def test_what_was_shown_is_not_changed_again(text: str) -> None:
    assert visible(visible(text)) == visible(text)


# What a person decides about ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ls -la", "ls -la"),
        ("l\u0455 -la", "l\\u{455} -la"),
        ("c\u0443rl https://g\u043ethub.com", "c\\u{443}rl https://g\\u{43e}thub.com"),
        ("\u0441\u0440 a b", "\\u{441}\\u{440} a b"),
        ("rm\u00a0-rf\u3000x", "rm\\xa0-rf\\u{3000}x"),
        ("\uff52\uff4d x", "\\u{ff52}\\u{ff4d} x"),
        ("\U0001d4fb\U0001d4f6", "\\u{1d4fb}\\u{1d4f6}"),
        ("\u03bfpen", "\\u{3bf}pen"),
        ("l\u0131s", "l\\u{131}s"),
        ("git commit -m 'Größe prüfen, naïve Ångström'", "git commit -m 'Größe prüfen, naïve Ångström'"),
        ("echo 'Проверка связи'", "echo 'Проверка связи'"),
        ("echo 使用git命令", "echo 使用git命令"),
        ("x\x1b[2J\u202e", "x\\x1b[2J\\u{202e}"),
        ("a\n\tb", "a\n\tb"),
    ],
)
def test_what_only_looks_like_ascii_is_marked(text: str, shown: str) -> None:
    assert marked(text) == shown


@given(ANYTHING)
def test_marking_shows_nothing_that_showing_does_not(text: str) -> None:
    assert not any(map(steers_or_hides, marked(text)))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000_000,
        "a" + "\u0301" * 100_000,
        "\x1b" * 200_000,
        "👩\u200d" * 50_000,
        "語" * 1_000_000,
        "\u202e\ufe0f\u200d" * 50_000,
    ],
    ids=["one token", "marks over a letter", "escapes", "joiners", "wide letters", "all kinds"],
)
def test_no_text_takes_long_to_show(text: str) -> None:
    best = min(_seconds(visible, text) for _ in range(3))
    assert best < 0.1, f"{best:.3f} s"


def _seconds(show: Callable[[str], str], text: str) -> float:
    started = time.process_time()
    show(text)
    return time.process_time() - started
