"""Hostile and unusual text in the window: docs/tui.md, flows 43 and 44."""

import re
from pathlib import Path

from tests.agent.support import Reply, bench, call, says
from tests.tui.terminal import Terminal, window

HOSTILE = "a\x1b]0;owned\x07b\x1b[2Jc\x1b[31md\x9b5me\u202ef\u2066g\x08\x08h\ri\x1bPq#0\x1b\\j\x1b[6n\x05k"
ALLOWED = re.compile(
    rb"\x1b\[(?:\?(?:2026|25|7|2004|12|1)[hl]|[0-9;]*m|[0-9]*[ABCJK])|\x1b\]11;\?\x1b\\|\x1b\[>4;0?m|\x1b\[>[0-9;]*m"
)
"""What the window itself writes."""


def controls(t: Terminal) -> bytes:
    """Give what was written besides text and the sequences of our own."""
    return bytes(re.sub(rb"[^\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", b"", ALLOWED.sub(b"", bytes(t.raw))))


def test_no_text_of_model_tool_file_or_server_steers_the_terminal(home: Path) -> None:
    replies: tuple[Reply, ...] = (
        says(
            f"# {HOSTILE}\n\n```\n{HOSTILE}\n```\n\n| {HOSTILE} |\n|---|\n| {HOSTILE} |\n\n"
            f"[{HOSTILE}](http://x/{HOSTILE})"
        )
        | {"reasoning": HOSTILE}
        | call("run_terminal_cmd", command="cat *"),
        call("read_file", path=f"{HOSTILE}.txt"),
        call(f"no_{HOSTILE}", argument=HOSTILE),
        call("ask_user", question=HOSTILE, choices=[HOSTILE]),
        call("update_plan", plan=[{"step": HOSTILE, "status": "pending"}]),
        {"error": {"status": 400, "message": HOSTILE}},
    )
    with bench(home, *replies) as b, window(b, "--full-auto", rows=40, env={"COLORFGBG": ""}) as t:
        (b.workspace / "x\x1b[2J.txt").write_text(HOSTILE)
        (b.workspace / ".git").mkdir()
        (b.workspace / ".git/HEAD").write_text(f"ref: refs/heads/{HOSTILE}")
        t.ready()
        t.type("\u202ebidi\u2066 \u200b zero")
        t.press("enter")
        t.wait("The model asks")
        t.pump(0.5)
        t.press("enter")
        t.wait("error: ")
        t.ready()
        t.type("@x")
        t.pump(0.5)
        t.press("ctrl-c")
        t.say("/status")
        t.wait("settings")
        assert controls(t) == b""
        assert "\u202e" not in t.everything


def test_wide_letters_right_to_left_text_and_pictures_keep_the_columns(home: Path) -> None:
    text = (
        "日本語のテキストは全角です。" * 6
        + "\n\n| 名前 | 意味 |\n|---|---|\n| 猫 | ねこ 🐈 |\n| דג | سمك |\n\n"
        + "👩‍💻 👍🏽 🇩🇪 ⚠️ café naïve שלום עולם مرحبا\n\n- 項目一\n- العنصر"
    )
    with bench(home, says(text)) as b, window(b, columns=60) as t:
        t.ready()
        t.say("表示して 🎉")
        t.wait("العنصر")
        t.ready()
        assert "› 表示して 🎉" in t.everything
        assert len(t.columns_of("│")) == 1
        t.type("한국어 入力")
        t.pump(0.3)
        # The cursor stands behind what was typed: two columns a letter.
        assert t.cursor[1] == 2 + 2 * 3 + 1 + 2 * 2
