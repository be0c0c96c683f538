"""What holds of everything that is drawn, whatever is said."""

import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from vtcode import events
from vtcode.messages import Status, ToolCall, ToolResult
from vtcode.tools.diff import unified_diff
from vtcode.tui.blocks import render_block
from vtcode.tui.chooser import Chooser, Row
from vtcode.tui.diff import render_diff
from vtcode.tui.markdown import Markdown
from vtcode.tui.status import StatusFacts, status_line
from vtcode.tui.theme import THEMES, choose, depth_of, guess_is_dark
from vtcode.tui.transcript import Transcript
from vtcode.tui.wrap import cut, fit, width_of, wrap

SGR = re.compile(r"\x1b\[[0-9;]*m")
THEME = choose("dusk", "full", None)
PLAIN = choose("plain", "none", None)
WIDTHS = st.integers(1, 60)
PIECES = st.sampled_from(
    [
        *(
            "# ",
            "- ",
            "1. ",
            "> ",
            "```",
            "```py\n",
            "~~~",
            "|",
            "---",
            "|---|---|",
            "**",
            "_",
            "`",
            "[a](b)",
            "***\n",
        ),
        *(
            "\n",
            "\n\n",
            "    ",
            "word ",
            "日本",
            "👩\u200d💻",
            "⚠️",
            "\u202e",
            "\x1b[2J",
            "\r",
            "\t",
            "שלום",
            "x" * 30,
        ),
        *("<b>", "\\", "&amp;"),
    ]
)
MARKDOWN = st.lists(PIECES, max_size=40).map("".join)
TEXTS = st.text(max_size=80) | MARKDOWN


def is_safe(line: str) -> bool:
    """Whether a line has none but our own sequences."""
    return all(letter.isprintable() or ord(letter) > 0x9F for letter in SGR.sub("", line))


@settings(max_examples=300, deadline=None)
@given(MARKDOWN, st.lists(st.integers(0, 200), max_size=8), st.integers(20, 80))
def test_an_answer_is_drawn_the_same_in_whatever_pieces_it_comes(text: str, cuts: list[int], width: int) -> None:
    whole = Markdown(THEME, width)
    expected = whole.feed(text) + whole.finish()
    pieces = Markdown(THEME, width)
    drawn: list[str] = []
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, end in pairwise(places):
        drawn += pieces.feed(text[start:end])
        for line in pieces.live():
            assert is_safe(line)
            assert width_of(line) <= width
    drawn += pieces.finish()
    assert drawn == expected
    assert all(map(is_safe, drawn))


@settings(max_examples=200, deadline=None)
@given(TEXTS, WIDTHS)
def test_no_line_is_wider_than_the_window(text: str, width: int) -> None:
    from vtcode.text import visible

    safe = visible(text)
    for line in [*wrap(safe, max(4, width)), *render_block(safe, THEME, max(12, width))]:
        assert width_of(line) <= max(12, width)
    assert width_of(cut(safe.replace("\n", " ").replace("\t", " "), width)) <= width
    assert width_of(fit(safe.replace("\n", " ").replace("\t", " "), width)) == width


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Mn", "Me")), max_size=120),
    st.integers(4, 40),
)
def test_what_is_wrapped_exactly_loses_no_letter(text: str, width: int) -> None:
    assert "".join(wrap(text, width, exact=True)) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=8), st.lists(TEXTS, max_size=8), st.integers(20, 80))
def test_each_changed_line_of_a_diff_is_seen(old: list[str], new: list[str], width: int) -> None:
    before, after = ("".join(line.replace("\n", " ") + "\n" for line in lines) for lines in (old, new))
    diff = unified_diff("a.py", before, after)
    drawn = render_diff(diff, THEME, width, longest=None)
    assert all(is_safe(line) and width_of(line) <= width for line in drawn)
    signs = [re.match(r" *\d+ ([-+ ]) ", SGR.sub("", line)) for line in drawn]
    for sign in "-+":
        changed = sum(line.startswith(sign) and not line.startswith(sign * 3 + " ") for line in diff.split("\n")[2:])
        assert sum(match is not None and match[1] == sign for match in signs) >= changed


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS, st.sampled_from(Status), st.integers(10, 100))
def test_a_call_is_drawn_safely_whatever_its_name_arguments_and_result_are(
    name: str, text: str, status: Status, width: int
) -> None:
    transcript = Transcript(THEME, width)
    call = ToolCall("c", name, text)
    transcript.feed(events.ToolStarted(call, "allow"))
    transcript.feed(events.ToolOutput(call, text))
    live = transcript.live()
    done = transcript.feed(events.ToolFinished(call, ToolResult("c", name, status, text, text), 0.1, text))
    done += transcript.user(text) + transcript.note(text) + transcript.error(text)
    assert all(is_safe(line) for line in live + done)
    assert all(width_of(line) <= width for line in live)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(TEXTS, max_size=12),
    st.lists(st.sampled_from(["up", "down", "pageup", "pagedown", "a", "x", "backspace"])),
    WIDTHS,
)
def test_a_list_fits_whatever_is_in_it(texts: list[str], keys: list[str], width: int) -> None:
    chooser = Chooser("Title", [Row(text, text, text, text[:3]) for text in texts], THEME)
    for key in keys:
        chooser.press(key)
    lines = chooser.lines(width, 9)
    assert len(lines) <= 9
    assert all(is_safe(line) and width_of(line) <= width for line in lines)


def test_the_rows_that_fit_best_come_first_and_ten_thousand_are_no_matter() -> None:
    rows = [Row(name, name) for name in ("a-model-qwen", "qwen-7b", "q-w-e-n", "other")]
    rows += [Row(str(number), f"filler {number}") for number in range(10_000)]
    chooser = Chooser("Model", rows, PLAIN)
    for key in "qwen":
        chooser.press(key)
    assert [SGR.sub("", line).strip("› ") for line in chooser.lines(60, 12)[2:-1]] == [
        "qwen-7b",
        "a-model-qwen",
        "q-w-e-n",
    ]
    chooser.press("enter")
    assert chooser.result == "qwen-7b"


@given(st.text(max_size=60), st.text(max_size=60), st.integers(1, 100))
def test_the_status_line_fits(model: str, branch: str, width: int) -> None:
    facts = StatusFacts(model=model, branch=branch, sandbox="bubblewrap", context_used=5, context_size=10, queued=3)
    line = status_line(facts, width, THEME)
    assert is_safe(line)
    assert width_of(line) <= width


def test_unfinished_code_is_coloured_as_it_will_be_in_the_end() -> None:
    markdown = Markdown(THEME, 80)
    markdown.feed('```python\nx = """a\n')
    [line] = markdown.feed("b in the string\n")
    assert line == THEME.paint("string", "b in the string")


def test_themes_paint_by_the_colours_that_there_are() -> None:
    for theme in THEMES:
        for depth in ("none", "16", "256", "full"):
            painted = choose(theme.name, depth, None).paint("added", "x")
            assert SGR.sub("", painted) == "x"
            assert depth != "none" or not re.search(r"[;\[](3|4)\d", painted)
    assert depth_of({"TERM": "xterm-256color"}) == "256"
    assert depth_of({"TERM": "xterm", "COLORTERM": "truecolor"}) == "full"
    assert depth_of({"TERM": "xterm", "NO_COLOR": "1"}) == "none"
    assert depth_of({"TERM": "dumb"}) == "none"
    assert depth_of({"TERM": "xterm", "NO_COLOR": "1"}, "always") == "16"


def test_light_and_dark_are_told_apart() -> None:
    assert guess_is_dark({"COLORFGBG": "15;0"}) is True
    assert guess_is_dark({"COLORFGBG": "0;15"}) is False
    assert guess_is_dark({"COLORFGBG": "0;default;15"}) is False
    assert guess_is_dark({}) is None
    assert guess_is_dark({}, "rgb:ffff/ffff/ffff") is False
    assert guess_is_dark({}, "rgba:1e/1e/1e/ff") is True
    assert guess_is_dark({}, "nonsense") is None


def test_a_flood_of_output_is_kept_to_its_end_and_what_is_folded_is_bounded_as_a_whole() -> None:
    transcript = Transcript(PLAIN, 60)
    call = ToolCall("c", "run_terminal_cmd", '{"command": "flood"}')
    for number in range(6):
        transcript.feed(events.ToolStarted(call, "allow"))
        for piece in range(3_000):
            transcript.feed(events.ToolOutput(call, f"{number} {piece} {'x' * 1_000}\n"))
        assert f"  │ {number} 2999 xxx" in transcript.live()[-1]
        result = ToolResult("c", call.name, Status.OK, "exit code 0", "exit code 0")
        done = transcript.feed(events.ToolFinished(call, result, 0.1))
        assert f"{number} 2999 xxx" in done[-1]
    folded = transcript.folded()
    assert folded is not None
    assert f"\n5 2999 {'x' * 1_000}\n" in folded.text
    assert 1_000_000 <= len(folded.text) < 2_001_000


def test_a_long_thought_costs_a_frame_no_more_than_its_end() -> None:
    transcript = Transcript(PLAIN, 60, show_reasoning=True)
    transcript.feed(events.ReasoningDelta("word " * 100_000 + "end"))
    lines = transcript.live()
    assert len(lines) < 100
    assert "word end" in lines[-1]
