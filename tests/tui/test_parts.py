"""The window's parts: what was typed, names, prompts, colours asked for, notes, and questions."""

import base64
import multiprocessing
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtcode.approval import Policy, Verdict
from vtcode.approver import Answer, ApprovalRequest, Decision
from vtcode.messages import ToolCall
from vtcode.text import visible
from vtcode.tomledit import TomlError, with_value
from vtcode.tools import Preview
from vtcode.tui.approval import ApprovalPanel
from vtcode.tui.background import QUERY, Background
from vtcode.tui.branch import branch_of
from vtcode.tui.completion import Completions, Item, Names, complete
from vtcode.tui.copying import MOST_BYTES, osc52
from vtcode.tui.guard import QUIET
from vtcode.tui.history import History
from vtcode.tui.jotting import NotNoted, note
from vtcode.tui.notify import attention
from vtcode.tui.prompts import Prompt, filled
from vtcode.tui.questions import AnswerPanel, ConfirmPanel
from vtcode.tui.theme import choose
from vtcode.workspace import Workspace

THEME = choose("plain", "none", None)


# History --------------------------------------------------------------------------------------------------


def test_what_was_typed_is_kept_newest_first_and_each_text_once(tmp_path: Path) -> None:
    history = History(tmp_path / "state" / "history")
    for text in ("one", "two\nlines", "one", "Three"):
        history.append_string(text)
    assert oct((tmp_path / "state" / "history").stat().st_mode)[-3:] == "600"
    again = History(tmp_path / "state" / "history")
    assert again.search("") == ["Three", "one", "two\nlines"]
    assert again.search("t") == ["Three", "two\nlines"]
    assert again.search("T") == ["Three"]


def _write(path: Path, name: str) -> None:
    history = History(path)
    for number in range(200):
        history.append_string(f"{name} {number}\nsecond line")


def test_two_sessions_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = History(path).search("")
    assert {f"{name} {number}\nsecond line" for name in "ab" for number in range(200)} == set(found)


def test_the_file_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "history"
    history = History(path)
    for number in range(60):
        history.append_string(f"{number} " + "x" * 40_000)
    assert path.stat().st_size < 1_100_000
    assert History(path).search("")[0].startswith("59 ")


def test_a_damaged_file_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(b"\xff\xfe garbage\n+half\n\n# x\n+whole\n+text\n\n# y\n+torn")
    assert History(path).search("") == ["torn", "whole\ntext", "half"]


# Names ----------------------------------------------------------------------------------------------------


def offered(text: str, *names: str) -> Completions:
    return complete(text, Names(names), lambda: [Item("/model", "/model"), Item("/remodel", "/remodel")])


def test_the_best_names_come_first() -> None:
    names = ("docs/crates.md", "src/crates.py", "src/c/r/a/t/e.py", "crates/other.py", "x.py")
    assert [item.text for item in offered("look at @crates", *names).items] == [
        "@src/crates.py",
        "@docs/crates.md",
        "@crates/other.py",
    ]
    assert [item.text for item in offered("@srepy", *names).items] == ["@src/crates.py", "@src/c/r/a/t/e.py"]


def test_a_mention_is_no_mail_address_and_a_command_stands_alone() -> None:
    assert not offered("mail me@x.py", "x.py").items
    assert offered("(see @x", "x.py").start == 5
    assert [item.text for item in offered("/mod").items] == ["/model", "/remodel"]
    assert not offered("see /mod").items
    assert not offered("/model x").items


@given(st.text(max_size=40))
def test_a_hostile_name_is_shown_safely_or_not_at_all(name: str) -> None:
    for item in offered("@", name).items:
        assert item.display == visible(item.display, one_line=True)
        assert item.text.isprintable()


# Prompts, notes, settings ---------------------------------------------------------------------------------


def test_what_follows_the_name_of_a_prompt_is_put_in_its_places() -> None:
    assert filled(Prompt("Look at $1 for $2, $ARGUMENTS, $3.", ""), "a b") == "Look at a for b, a b, ."
    assert filled(Prompt("Look.", ""), "a b") == "Look.\n\na b"
    assert filled(Prompt("Cost: $10", ""), "x") == "Cost: x0"


def test_a_note_is_added_at_the_end_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    workspace = Workspace(tmp_path / "work")
    note(workspace, "first\nline")
    note(workspace, "second")
    assert (tmp_path / "work" / "AGENTS.md").read_text() == "- first line\n- second\n"
    (tmp_path / "work" / "AGENTS.md").unlink()
    (tmp_path / "work" / "AGENTS.md").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotNoted):
        note(workspace, "third")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[agent]\ndefault_model = "m"\n'),
        ("[agent]\nprovider = 'x' # c\n\n[ui]\n", "[agent]\ndefault_model = \"m\"\nprovider = 'x' # c\n\n[ui]\n"),
        (
            '# top\n[agent]\n default_model = "a"  # mine\nx = 1\n',
            '# top\n[agent]\ndefault_model = "m"  # mine\nx = 1\n',
        ),
        ("[ui]\ncolor = 'never'", "[ui]\ncolor = 'never'\n\n[agent]\ndefault_model = \"m\"\n"),
        ("[agent]", '[agent]\ndefault_model = "m"\n'),
    ],
)
def test_one_value_is_set_and_every_other_byte_stays(before: str, after: str) -> None:
    assert with_value(before, ("agent",), "default_model", "m") == after


@pytest.mark.parametrize(
    "text", ["agent = {provider = 'x'}\n", "[agent]\ndefault_model = '''\nx'''\n", "agent.x = 1\n"]
)
def test_a_value_that_cannot_be_set_safely_is_not(text: str) -> None:
    tomllib.loads(text)
    with pytest.raises(TomlError, match="set it by hand"):
        with_value(text, ("agent",), "default_model", "m")


# The terminal ---------------------------------------------------------------------------------------------


@given(st.integers(0, 60), st.sampled_from(["\x1b\\", "\x07"]))
def test_the_reply_of_the_terminal_is_taken_out_of_what_is_typed_however_it_is_cut(at: int, end: str) -> None:
    found: list[str] = []
    background = Background(found.append, lambda: 0.0)
    data = f"abc\x1b]11;rgb:ffff/ffff/ffff{end}def\x1b[A"
    assert background.filter(data[:at]) + background.filter(data[at:]) in ("abcdef\x1b[A", data[:at] + data[at:])
    if not 3 < at <= 5:
        assert found == ["rgb:ffff/ffff/ffff"]
    assert QUERY.startswith("\x1b]11;?")


def test_without_a_reply_everything_typed_arrives() -> None:
    times = iter([0.0, 0.1, 5.0, 5.0])
    background = Background(lambda _: None, lambda: next(times))
    assert background.filter("\x1b") == "\x1b"
    assert background.filter("\x1b]11;rgb") == "\x1b]11;rgb"
    assert background.filter("x") == "x"


def test_a_clipboard_takes_what_fits_and_tmux_is_asked_to_pass_it_on() -> None:
    assert osc52("hä", {}) == f"\x1b]52;c;{base64.b64encode('hä'.encode()).decode()}\x07"
    passed = osc52("x", {"TMUX": "1"})
    assert passed is not None
    assert passed.startswith("\x1bPtmux;\x1b\x1b]52;")
    assert osc52("x" * (MOST_BYTES + 1), {}) is None


def test_attention_is_called_for_as_the_terminal_can_show_it() -> None:
    assert attention({}, "auto") == "\x07"
    assert attention({"TERM_PROGRAM": "WezTerm"}, "auto") == "\x1b]9;vtcode is done\x07"
    assert attention({"TERM_PROGRAM": "WezTerm", "TMUX": "1"}, "auto").startswith("\x1bPtmux;\x1b\x1b]9;")
    assert attention({"TERM_PROGRAM": "WezTerm"}, "bell") == "\x07"
    # tmux names itself, and by default passes nothing on.
    passed = "\x1bPtmux;\x1b\x1b]9;vtcode is done\x07\x1b\\\x07"
    assert attention({"TERM_PROGRAM": "tmux", "TMUX": "1", "KITTY_WINDOW_ID": "1"}, "auto") == passed
    assert attention({"TERM_PROGRAM": "tmux", "TMUX": "1"}, "auto") == "\x07"
    assert attention({"TERM_PROGRAM": "vscode", "KITTY_WINDOW_ID": "1"}, "auto") == "\x07"
    assert attention({"WT_SESSION": "1"}, "auto") == "\x07"
    assert attention({"TERM": "xterm-kitty"}, "auto", "a\x1b]0;b\x07") == "\x1b]9;a\\x1b]0;b\\x07\x07"
    assert attention({"TERM_PROGRAM": "WezTerm"}, "off") == ""


def test_the_branch_is_read_from_files_also_of_a_worktree(tmp_path: Path) -> None:
    assert branch_of(tmp_path) == ""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/a/b\n")
    (tmp_path / "deep/er").mkdir(parents=True)
    assert branch_of(tmp_path / "deep/er") == "a/b"
    (tmp_path / ".git/HEAD").write_text("0123456789\n")
    assert branch_of(tmp_path) == ""
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / ".git/worktrees/other").mkdir(parents=True)
    (tmp_path / ".git/worktrees/other/HEAD").write_text("ref: refs/heads/c\n")
    (other / ".git").write_text(f"gitdir: {tmp_path}/.git/worktrees/other\n")
    assert branch_of(other) == "c"
    (other / ".git").unlink()
    os.mkfifo(other / ".git")
    assert branch_of(other) == ""


# Questions ------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def asked(text: str = "make all", kind: str = "command", *, may_last: bool = True) -> ApprovalRequest:
    return ApprovalRequest(
        call=ToolCall("c", "run_terminal_cmd", "{}"),
        preview=Preview(kind, text),  # pyright: ignore[reportArgumentType]
        verdict=Verdict(Policy.PROMPT, "a rule"),
        folder=Path("/srv"),
        sandbox="bubblewrap",
        may_last=may_last,
    )


KEYS = st.sampled_from(["y", "s", "a", "n", "enter", "up", "down", "tab", " ", "pagedown", "end", "x", "Y", "t"])


@given(st.lists(st.tuples(KEYS, st.floats(0, QUIET * 0.9)), max_size=40))
def test_no_burst_of_keys_answers_before_the_question_was_quietly_seen(keys: list[tuple[str, float]]) -> None:
    clock = Clock()
    for panel in (ApprovalPanel(asked(), THEME, clock), ConfirmPanel("Really?", THEME, clock)):
        panel.lines(80, 24)
        for key, wait in keys:
            clock.now += wait
            panel.press(key)
        assert not panel.is_done
        clock.now += QUIET * 2


@given(st.lists(KEYS, max_size=20))
def test_a_question_that_was_never_drawn_is_never_answered_with_yes(keys: list[str]) -> None:
    clock = Clock()
    panel = ApprovalPanel(asked(), THEME, clock)
    for key in keys:
        clock.now += 1
        panel.press(key)
    assert not panel.is_done


@given(st.lists(KEYS, max_size=12), st.integers(10, 30))
def test_what_was_not_seen_to_its_end_is_never_approved(keys: list[str], height: int) -> None:
    clock = Clock()
    text = "\n".join(map(str, range(200)))
    panel = ApprovalPanel(asked(text), THEME, clock)
    seen: set[str] = set()
    for key in ["x", *keys]:
        seen |= {line.strip().rpartition(" ")[2] for line in panel.lines(80, height)}
        clock.now += 1
        if not panel.is_done:
            panel.press(key)
    if panel.is_done and panel.result is not None and panel.result.approved:
        assert "199" in seen


def test_each_answer_has_its_key_and_those_that_last_are_offered_only_where_they_can() -> None:
    for key, answer in (("y", Answer.ONCE), ("s", Answer.SESSION), ("a", Answer.ALWAYS), ("n", Answer.NO)):
        for may_last in (True, False):
            clock = Clock()
            panel = ApprovalPanel(asked(may_last=may_last), THEME, clock)
            panel.lines(80, 24)
            clock.now += 1
            panel.press(key)
            lasts = answer in (Answer.SESSION, Answer.ALWAYS)
            assert panel.result == (Decision(answer) if may_last or not lasts else None)


def test_the_arrows_and_enter_answer_too_and_the_first_is_no() -> None:
    for downs, result in ((0, Answer.NO), (1, Answer.ONCE), (3, Answer.ALWAYS)):
        clock = Clock()
        panel = ApprovalPanel(asked(), THEME, clock)
        panel.lines(80, 24)
        clock.now += 1
        for _ in range(downs):
            panel.press("down")
        panel.press("enter")
        assert panel.result == Decision(result)


@given(st.text(max_size=300), st.integers(20, 100), st.integers(6, 30))
def test_every_letter_of_a_command_is_shown(text: str, width: int, height: int) -> None:
    clock = Clock()
    panel = ApprovalPanel(asked(text), THEME, clock)
    shown: list[str] = []
    for _ in range(400):
        lines = panel.lines(width, height)
        assert len(lines) <= height
        shown += lines
        clock.now += 1
        panel.press("pagedown")
    assert any("[y] Yes, once" in line and "scroll" not in line for line in panel.lines(width, height)) or height < 8
    letters = set("".join(shown))
    from vtcode.text import marked

    assert {letter for letter in marked(text) if letter.isprintable() and not letter.isspace()} <= letters


def test_a_pasted_text_answers_nothing() -> None:
    clock = Clock()
    panel = ApprovalPanel(asked(), THEME, clock)
    panel.lines(80, 24)
    clock.now += 1
    panel.paste("y\n")
    assert not panel.is_done


def test_a_question_of_the_model_takes_words_of_ones_own() -> None:
    clock = Clock()
    panel = AnswerPanel("Which?", ("a", "b"), THEME, clock)
    panel.lines(80, 24)
    clock.now += 1
    for key in ("up", "up", "down", "down", "x", "y", "backspace", "enter"):
        panel.press(key)
    assert panel.result == "x"


def test_the_end_counts_as_seen_when_it_is_drawn_and_not_when_the_key_for_it_came() -> None:
    clock = Clock()
    panel = ApprovalPanel(asked("\n".join(map(str, range(200)))), THEME, clock)
    panel.lines(80, 12)
    clock.now += 1
    for key in ("end", "y"):
        panel.press(key)
    assert not panel.is_done
    assert any("199" in line for line in panel.lines(80, 12))
    panel.press("y")
    assert panel.result == Decision(Answer.ONCE)


@pytest.mark.parametrize("height", [1, 2])
@pytest.mark.parametrize("text", ["make all", "one\ntwo\nthree"])
def test_a_screen_too_low_for_the_text_approves_nothing_that_it_did_not_show(height: int, text: str) -> None:
    clock = Clock()
    panel = ApprovalPanel(asked(text), THEME, clock)
    shown: list[str] = []
    for _ in range(5):
        shown += panel.lines(80, height)
        clock.now += 1
        panel.press("pagedown")
    panel.press("y")
    assert not panel.is_done or all(any(line in row for row in shown) for line in text.split("\n"))
    assert height > 1 or not panel.is_done


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("l\u0455 -la", "letters that look like others"),
        ("echo \u202eabc", "characters that are not seen"),
        ("\x1b[2Jl\u0455", "characters that are not seen and letters that look like others"),
        ("ls -la", ""),
    ],
)
def test_what_is_not_what_it_seems_is_told(text: str, told: str) -> None:
    shown = " ".join(ApprovalPanel(asked(text), THEME, Clock()).lines(120, 24))
    assert (f"it has {told}, written here by their numbers" in shown) if told else "Beware" not in shown


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200), st.integers(20, 100), st.integers(6, 30))
def test_every_letter_of_a_diff_is_shown_before_it_can_be_approved(text: str, width: int, height: int) -> None:
    from vtcode.text import marked
    from vtcode.tools.diff import unified_diff

    diff = unified_diff("a.py", "", text.replace("\r", ""))
    clock = Clock()
    panel = ApprovalPanel(asked(diff, "diff"), THEME, clock)
    shown = ""
    for _ in range(250):
        shown += "".join(panel.lines(width, height))
        clock.now += 1
        panel.press("pagedown")
    added = "".join(line[1:] for line in marked(diff).split("\n") if line.startswith("+") and line[:3] != "+++")
    assert {letter for letter in added if letter.isprintable() and not letter.isspace()} <= set(shown)
