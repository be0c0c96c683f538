"""Questions that are not for approval: of ours, and of the model."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.test_drawing import SGR, TEXTS, is_safe
from tests.tui.test_parts import KEYS, Clock, asked
from vtcode.approver import Answer, Decision
from vtcode.tui.guard import QUIET
from vtcode.tui.panel import Panel
from vtcode.tui.questions import AnswerPanel, ConfirmPanel, PanelApprover
from vtcode.tui.theme import choose
from vtcode.tui.wrap import width_of

THEME = choose("plain", "none", None)
LONG = "\n".join(f"line {number}" for number in range(40))


def seen(panel: ConfirmPanel | AnswerPanel, height: int = 12) -> list[str]:
    return [SGR.sub("", line) for line in panel.lines(60, height)]


def test_a_long_question_of_ours_is_agreed_to_only_when_its_end_was_seen() -> None:
    clock = Clock()
    panel = ConfirmPanel(LONG, THEME, clock)
    assert seen(panel)[-3:] == ["lines 1-9 of 40 · Space scrolls", "› [n] No", "  [y] Yes (scroll to the end first)"]
    clock.now += 1
    panel.press("y")
    assert not panel.is_done
    for _ in range(4):
        panel.press(" ")
    panel.press("y")
    assert not panel.is_done, "the end was scrolled to, and not drawn"
    assert seen(panel)[-4:] == ["line 39", "lines 32-40 of 40 · Space scrolls", "› [n] No", "  [y] Yes"]
    panel.press("y")
    assert panel.result is True


@given(st.lists(KEYS, max_size=12), st.integers(1, 12))
def test_no_key_agrees_to_what_was_not_seen_to_its_end(keys: list[str], height: int) -> None:
    clock = Clock()
    panel = ConfirmPanel(LONG, THEME, clock)
    shown: set[str] = set()
    for key in keys:
        shown |= set(seen(panel, height))
        clock.now += 1
        if not panel.is_done:
            panel.press(key)
    assert not panel.result or "line 39" in shown


def test_enter_alone_and_escape_are_no() -> None:
    for keys in (["enter"], ["escape"], ["down", "up", "enter"], ["n"]):
        clock = Clock()
        panel = ConfirmPanel("Really?", THEME, clock)
        panel.lines(60, 10)
        clock.now += 1
        for key in keys:
            panel.press(key)
        assert (panel.is_done, panel.result) == (True, False)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.lists(TEXTS, max_size=30), st.lists(KEYS, max_size=8), st.integers(8, 60), st.integers(1, 20))
def test_a_question_of_the_model_fits_whatever_it_says(
    question: str, choices: list[str], keys: list[str], width: int, height: int
) -> None:
    clock = Clock()
    panels = (AnswerPanel(question, tuple(choices), THEME, clock), ConfirmPanel(question, THEME, clock))
    for panel in panels:
        panel.lines(width, height)
        for key in keys:
            clock.now += 1
            panel.press(key)
        lines = panel.lines(width, height)
        assert len(lines) <= height
        assert all(is_safe(line) and width_of(line) <= width for line in lines)
        cursor = panel.cursor(width, height)
        assert cursor is None or (0 <= cursor[0] < len(lines) and 0 <= cursor[1] < width)


def test_the_marked_choice_is_always_seen_and_whole() -> None:
    clock = Clock()
    choices = tuple(f"choice {number} {'word ' * 20}end" for number in range(30))
    panel = AnswerPanel("Which?", choices, THEME, clock)
    panel.lines(60, 12)
    clock.now += 1
    for number in range(30):
        shown = seen(panel)
        assert shown[0] == "Which?"
        start = next(at for at, line in enumerate(shown) if line.startswith("›"))
        assert shown[start].startswith(f"› {number + 1}. choice {number}")
        assert any(line.endswith("end") for line in shown[start : start + 3])
        panel.press("down")
    assert seen(panel)[-2] == "› "


def test_a_long_answer_is_typed_as_quickly_as_a_short_one() -> None:
    panel = AnswerPanel("Which?", (), THEME, Clock(), text="字" * 2_000)
    since = time.process_time()
    for _ in range(5):
        panel.lines(120, 24)
        panel.cursor(120, 24)
    assert time.process_time() - since < 0.5


@pytest.mark.parametrize(("given_up", "key"), [(True, ""), (False, "y")])
def test_the_approver_says_no_where_nobody_answers(given_up: bool, key: str) -> None:
    async def show(panel: Panel[object]) -> object:
        if given_up:
            return None
        panel.lines(80, 24)
        await asyncio.sleep(QUIET * 1.5)
        panel.press(key)
        return panel.result

    approver = PanelApprover(show, lambda: THEME)

    async def ask() -> tuple[Decision, bool, str | None]:
        return await approver.decide(asked()), await approver.confirm("Really?"), await approver.answer("Which?", ())

    decision, is_agreed, answer = asyncio.run(ask())
    assert decision == Decision(Answer.NO if given_up else Answer.ONCE)
    assert is_agreed is not given_up
    assert answer is None
