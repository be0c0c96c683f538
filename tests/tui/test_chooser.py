"""Lists: what they cost, and what is seen of a match and of what is typed."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.test_drawing import SGR, TEXTS, WIDTHS, is_safe
from vtcode.tui.chooser import Chooser, Row
from vtcode.tui.entryline import entry_line
from vtcode.tui.panel import Entry
from vtcode.tui.theme import choose
from vtcode.tui.wrap import width_of

THEME = choose("dusk", "full", None)


def typed(chooser: Chooser[str], text: str) -> None:
    for letter in text:
        chooser.press(letter)


def test_a_row_of_one_letter_over_and_over_does_not_hold_the_window_up() -> None:
    rows = [Row(str(number), "a" * 2_000) for number in range(200)]
    chooser = Chooser("Title", rows, THEME)
    since = time.process_time()
    typed(chooser, "a" * 12 + "b")
    assert time.process_time() - since < 2
    assert "nothing fits" in chooser.lines(80, 24)[-2]


def test_a_frame_costs_what_is_on_the_screen_and_not_what_is_in_the_list() -> None:
    chooser = Chooser("Title", [Row(number, f"row {number}", "字" * 5_000) for number in range(10_000)], THEME)
    since = time.process_time()
    for _ in range(10):
        chooser.press("down")
        chooser.lines(80, 24)
    assert time.process_time() - since < 1


def test_the_letters_that_were_looked_for_are_painted() -> None:
    chooser = Chooser("Title", [Row("1", "qwen"), Row("2", "big-qwen"), Row("3", "q-w-e-n")], THEME)
    typed(chooser, "qwen")
    assert f"big-{THEME.paint('accent', 'qwen')}" in chooser.lines(80, 24)[3]
    assert "-".join(THEME.paint("accent", letter) for letter in "qwen") in chooser.lines(80, 24)[4]


def test_groups_stand_above_their_first_rows_while_the_list_scrolls() -> None:
    rows = [Row(str(number), f"row {number}", group="Few" if number < 10 else "Many") for number in range(40)]
    chooser = Chooser("Title", rows, THEME)
    assert SGR.sub("", chooser.lines(60, 12)[2]) == "Few"
    for _ in range(12):
        chooser.press("down")
    shown = [SGR.sub("", line) for line in chooser.lines(60, 12)]
    assert "› row 12" in shown
    assert shown.index("Many") + 1 == shown.index("  row 10")


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=6), TEXTS, WIDTHS, st.integers(1, 12))
def test_whatever_is_typed_the_list_fits_and_the_cursor_is_in_it(
    texts: list[str], query: str, width: int, height: int
) -> None:
    chooser = Chooser("Title", [Row(text, text, text) for text in texts], THEME)
    chooser.paste(query)
    lines = chooser.lines(width, height)
    assert len(lines) <= height
    assert all(is_safe(line) and width_of(line) <= width for line in lines)
    cursor = chooser.cursor(width, height)
    assert cursor is None or (cursor[0] < height and 0 <= cursor[1] < width)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(0, 80), st.integers(0, 60))
def test_a_line_that_is_edited_shows_where_its_cursor_stands(text: str, at: int, width: int) -> None:
    entry = Entry(text)
    entry.at = min(at, len(text))
    line, column = entry_line(entry, width)
    assert width_of(line) <= width
    assert column <= max(0, width - 1)


def test_the_cursor_stays_in_view_in_a_line_that_is_longer_than_the_window() -> None:
    entry = Entry("0123456789" * 200)
    assert entry_line(entry, 11) == ("0123456789", 10)
    entry.at = 1_003
    # The letter under the cursor is the one that follows it.
    line, column = entry_line(entry, 11)
    assert (line[:column], column) == ("3456789012", 10)
    entry.at = 0
    assert entry_line(entry, 11) == ("0123456789…", 0)
    since = time.process_time()
    entry_line(Entry("字" * 2_000), 200)
    assert time.process_time() - since < 0.1
