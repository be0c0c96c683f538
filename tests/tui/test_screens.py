"""Every screen as text, at 60, 80 and 120 columns: tests/tui/snapshots holds what each is to look like.

`VTCODE_SNAPSHOTS=write` writes them anew; the diff is then to be read as carefully as code.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vtcode import events
from vtcode.approval import Policy, Verdict
from vtcode.approver import ApprovalRequest
from vtcode.messages import AssistantMessage, Finish, Status, ToolCall, ToolResult, Usage
from vtcode.tools import Preview
from vtcode.tools.diff import unified_diff
from vtcode.tui.approval import ApprovalPanel
from vtcode.tui.blocks import render_block
from vtcode.tui.chooser import Chooser, Row
from vtcode.tui.commands import COMMANDS
from vtcode.tui.completion import Item, Names
from vtcode.tui.editor import Editor
from vtcode.tui.history import History
from vtcode.tui.keys import KEYS
from vtcode.tui.progress import Progress
from vtcode.tui.questions import AnswerPanel, ConfirmPanel
from vtcode.tui.slash.help import table
from vtcode.tui.status import StatusFacts, status_line
from vtcode.tui.theme import choose
from vtcode.tui.transcript import Transcript
from vtcode.tui.wrap import width_of

SNAPSHOTS = Path(__file__).parent / "snapshots"
THEME = choose("plain", "none", None)
SGR = re.compile(r"\x1b\[[0-9;]*m")

ANSWER = """## What it does

The program keeps **stock of fruit**. Each crate has a _label_ and a `weight`, see [the notes](docs/notes.md).

1. It reads `crates.csv`.
2. It adds up what is there, crate by crate, and says so where a label is missing or stands there twice.
   - nested, with more words than a narrow window has room for in one line
3. It ends.

| Name | What it is | Weight |
|------|------------|-------:|
| apple | a fruit that grows on trees and is kept in crates of wood in a cool place | 12 |
| 梨 | a pear | 7 |

```python
def total(crates: list[Crate]) -> int:
    return sum(crate.weight for crate in crates if crate.label)  # a comment that is long enough to leave the window
```

> Quoted words that somebody else has said, and that are long enough to be wrapped in a window of sixty columns.
"""
OLD = "def add(a, b):\n    return a - b\n\n\ndef unused():\n    pass\n"
NEW = "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return add(a, a)\n"


def _call(name: str, arguments: str, number: int = 1) -> ToolCall:
    return ToolCall(f"call_{number}", name, arguments)


def _finished(call: ToolCall, status: Status, text: str, summary: str, diff: str = "") -> events.ToolFinished:
    return events.ToolFinished(call, ToolResult(call.id, call.name, status, text, summary), 0.4, diff)


def conversation(width: int) -> list[str]:
    transcript = Transcript(THEME, width)
    reads = _call("read_file", '{"path": "src/orchard/crates.py"}')
    edits = _call("edit_file", '{"path": "src/orchard/crates.py", "old_str": "a - b", "new_str": "a + b"}')
    runs = _call(
        "run_terminal_cmd", '{"command": "python -m pytest -q tests/test_crates.py && echo all of it went well"}'
    )
    plans = _call("update_plan", '{"plan": []}')
    refused = _call("write_file", '{"path": "vtcode.toml", "content": "x"}')
    output = "".join(f"tests/test_crates.py::test_{number} PASSED\n" for number in range(12))
    told: list[events.Event] = [
        events.StepStarted(1),
        events.ReasoningDelta("I have to look at the file first."),
        events.MessageFinished(AssistantMessage(calls=(reads,))),
        events.ToolStarted(reads, "allow"),
        _finished(reads, Status.OK, "…", "src/orchard/crates.py, lines 1-6 of 6"),
        _finished(plans, Status.OK, "Noted.", "[x] Look at the file\n[>] Mend the sum\n[ ] Run the tests"),
        _finished(
            edits,
            Status.OK,
            "…",
            "edited src/orchard/crates.py (+3 -3)",
            unified_diff("src/orchard/crates.py", OLD, NEW),
        ),
        events.ToolStarted(runs, "allow"),
        events.ToolOutput(runs, output),
        _finished(runs, Status.ERROR, output, "exit code 1"),
        _finished(refused, Status.DENIED, "no", "denied"),
        events.Notice("The log of this session could not be written; the run goes on."),
        events.Retrying("The server is busy.", 2, 3.0),
        events.TextDelta(ANSWER),
        events.MessageFinished(AssistantMessage(text=ANSWER)),
        events.TurnFinished(Finish.STOP, ANSWER, 2, 4, (), Usage(1234, 1000, 321), 12.3),
    ]
    lines = transcript.user("Mend the sum in crates.py, please.\nAnd run the tests.")
    return lines + [line for event in told for line in transcript.feed(event)]


def endings(width: int) -> list[str]:
    lines: list[str] = []
    for finish, error in (
        (Finish.CANCELLED, ""),
        (Finish.FAILED, "Could not reach LM Studio at http://localhost:1234/v1 (connection refused)."),
        (Finish.LENGTH, ""),
        (Finish.LIMIT, ""),
    ):
        transcript = Transcript(THEME, width)
        lines += transcript.user("Go on.")
        lines += transcript.feed(events.TextDelta("So far, and no"))
        lines += transcript.feed(events.TurnFinished(finish, "", 1, 0, (), Usage(), 3.2, error))
    return lines


def open_parts(width: int) -> list[str]:
    """What the live region shows while a turn runs."""
    answering, thinking, running = (Transcript(THEME, width, show_reasoning=True) for _ in range(3))
    answering.feed(
        events.TextDelta("An answer that is **not** whole yet, and that is long enough to be wrapped in a window")
    )
    thinking.feed(events.ReasoningDelta("Let me see. " * 12))
    call = _call("run_terminal_cmd", '{"command": "make all"}')
    running.feed(events.ToolStarted(call, "allow"))
    running.feed(events.ToolOutput(call, "cc a.c\ncc b.c\ncc c.c\n"))
    progress = Progress()
    spinners: list[str] = []
    for event in (
        events.StepStarted(1),
        events.Waiting(1.0, 1_200, 3_000),
        events.TextDelta("x"),
        events.ToolStarted(call, "allow"),
    ):
        progress.hear(event, 0.0)
        spinners.append(progress.text(4.0))
    progress.say("loading qwen2.5-7b-instruct 40%", 0.0)
    return [
        *answering.live(), "", *thinking.live(), "", *running.live(), "",
        *(line[:width] for line in [*spinners, progress.text(2.0)]),
    ]  # fmt: skip


def _request(preview: Preview, *, may_last: bool = True) -> ApprovalRequest:
    return ApprovalRequest(
        call=_call("run_terminal_cmd" if preview.kind == "command" else "edit_file", "{}"),
        preview=preview,
        verdict=Verdict(Policy.PROMPT, 'tools.policies.run_terminal_cmd = "prompt" (vtcode.toml)'),
        folder=Path("/srv/orchard"),
        sandbox="bubblewrap" if preview.kind == "command" else "",
        may_last=may_last,
    )


def _panel(panel: Any, width: int, height: int = 23) -> list[str]:
    return panel.lines(width, height)


def approval_of_a_command(width: int) -> list[str]:
    command = "find . -name '*.pyc' -delete && python -m pytest -q  --maxfail=1 tests/test_crates.py | tee out.txt"
    return _panel(ApprovalPanel(_request(Preview("command", command)), THEME), width)


def approval_of_a_script(width: int) -> list[str]:
    command = "\n".join(f"echo step {number}" for number in range(1, 41))
    return _panel(ApprovalPanel(_request(Preview("command", command)), THEME), width)


def approval_of_a_diff(width: int) -> list[str]:
    diff = unified_diff("src/orchard/crates.py", OLD, NEW)
    return _panel(ApprovalPanel(_request(Preview("diff", diff), may_last=False), THEME), width)


def approval_with_a_message(width: int) -> list[str]:
    panel = ApprovalPanel(_request(Preview("command", "make all")), THEME, iter(range(100)).__next__)
    panel.lines(width, 23)
    for key in "tuse ninja":
        panel.press(key)
    return _panel(panel, width)


def questions(width: int) -> list[str]:
    question = "Start the server `files` of vtcode.toml? It runs `npx files --root /srv` with your rights."
    choices = ("the one in src", "the one in lib")
    asked = AnswerPanel("The model asks: Which of the two files of that name do you mean?", choices, THEME)
    return [*_panel(ConfirmPanel(question, THEME), width), "", *_panel(asked, width)]


def models(width: int) -> list[str]:
    names = ("meta-llama-3.1-8b-instruct", "qwen2.5-7b-instruct", "gemma-2-2b-it")
    rows = [
        Row(name, f"lmstudio-community/{name}", "not on the server yet · 128k context · tools", "Catalogue")
        for name in names
    ]
    rows.append(
        Row("own", "my-model", "in use · loaded · 32k context · Q4_K_M · 4.7 GB · tools", "Also on the server")
    )
    rows.append(Row("", "Custom LM Studio model", "any other id that the server has", "Else", always=True))
    narrowed = Chooser("Model", rows, THEME)
    for key in "qw7":
        narrowed.press(key)
    return [
        *_panel(Chooser("Model", rows, THEME, note="asking http://localhost:1234/v1 …"), width),
        "",
        *_panel(narrowed, width),
    ]


def long_list(width: int) -> list[str]:
    chooser = Chooser(
        "Go on with a session", [Row(n, f"words of session {n}", "2026-11-01 12:00") for n in range(99)], THEME
    )
    for _ in range(30):
        chooser.press("down")
    return _panel(chooser, width)


def help_and_keys(width: int) -> list[str]:
    commands = [(f"/{command.name} {command.usage}".rstrip(), command.summary) for command in COMMANDS]
    return [*table(THEME, commands, width), "", *table(THEME, list(KEYS), width)]


def typed(width: int) -> list[str]:
    editor = Editor(History(Path("/nonexistent/history")), lambda: None)
    editor.paste("Look at this:\n")
    editor.paste("\n".join(map(str, range(2_000))))
    editor.paste(
        " and at 日本語 too, which is a line that is long enough to be wrapped where the window is narrow, twice"
    )
    return editor.draw(width, 12, lambda text: text, lambda text: text).rows


def menu(width: int) -> list[str]:
    from vtcode.tui.completion import complete

    items = [Item(f"/{command.name}", f"/{command.name}", command.summary) for command in COMMANDS]
    found = complete("/re", Names(()), lambda: items).items
    files = complete(
        "see @cra", Names(["src/orchard/crates.py", "tests/test_crates.py", "a b.txt"]), lambda: items
    ).items
    return [f"{item.display}  {item.meta}".rstrip()[:width] for item in (*found, *files)]


def status(width: int) -> list[str]:
    facts = StatusFacts(
        model="lmstudio-community/qwen2.5-7b-instruct",
        context_used=12_345,
        context_size=32_768,
        tokens_per_second=24.2,
        sandbox="bubblewrap",
        branch="mend-the-sum-of-all-crates",
        queued=2,
    )
    return [status_line(facts, columns, THEME) for columns in (width, width // 2, 20)]


def hostile(width: int) -> list[str]:
    return render_block(
        "# a\\x1b[2Jb\n\n- " + "wide 日本語 " * 12 + "\n- שלום " * 3 + "\n\n> " + "x" * 200, THEME, width
    )


SCREENS: dict[str, Callable[[int], list[str]]] = {
    screen.__name__: screen
    for screen in (
        conversation,
        endings,
        open_parts,
        approval_of_a_command,
        approval_of_a_script,
        approval_of_a_diff,
        approval_with_a_message,
        questions,
        models,
        long_list,
        help_and_keys,
        typed,
        menu,
        status,
        hostile,
    )
}


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_looks_as_it_is_to(name: str, width: int) -> None:
    lines = [SGR.sub("", line) for line in SCREENS[name](width)]
    # Lines of code are left whole, so that they can be copied: the terminal wraps them.
    code = {line for line in lines if line.startswith("    return sum(")}
    assert not [line for line in lines if width_of(line) > width and line not in code]
    shown = "\n".join(line.rstrip() for line in lines) + "\n"
    path = SNAPSHOTS / f"{name}-{width}.txt"
    if os.environ.get("VTCODE_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown)
    assert path.read_text() == shown


def test_no_snapshot_is_of_a_screen_that_is_gone() -> None:
    assert {path.stem.rpartition("-")[0] for path in SNAPSHOTS.iterdir()} == set(SCREENS)
