"""Approvals in the window: docs/tui.md, flows 31 to 34."""

from pathlib import Path

import pytest

from tests.agent.support import bench, call, says
from tests.tui.terminal import window


def test_a_question_shows_command_rule_and_sandbox_and_enter_alone_is_no(home: Path) -> None:
    replies = (call("run_terminal_cmd", command="touch made && echo done"), says("As you wish."))
    with bench(home, *replies) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait("? run_terminal_cmd asks to run\n  touch made && echo done\n")
        assert 'built-in default "prompt" · in ~/work · sandbox: bubblewrap' in t.text
        assert "› [n] No\n  [y] Yes, once\n  [s] Yes, exactly this, for this session" in t.text
        t.pump(0.5)
        t.press("enter")
        t.wait("⊘ run_terminal_cmd touch made && echo done · denied")
        t.wait("As you wish.")
        assert not (b.workspace / "made").exists()


@pytest.mark.parametrize(("key", "asked"), [("y", 2), ("s", 1)])
def test_yes_is_for_once_or_for_the_session(home: Path, key: str, asked: int) -> None:
    command = call("run_terminal_cmd", command="echo x >> made")
    with bench(home, command, command, says("Done.")) as b, window(b) as t:
        t.ready()
        t.say("go")
        for _ in range(asked):
            t.wait("asks to run")
            t.pump(0.5)
            t.type(key)
            t.gone("asks to run")
        t.wait("Done.")
        assert (b.workspace / "made").read_text() == "x\nx\n"


def test_always_holds_in_the_next_session_until_it_is_revoked(home: Path) -> None:
    with bench(home, call("run_terminal_cmd", command="echo x >> made"), says("Done.")) as b:
        with window(b) as t:
            t.ready()
            t.say("go")
            t.wait("asks to run")
            t.pump(0.5)
            t.type("a")
            t.wait("Done.")
        with window(b) as t:
            t.ready()
            t.say("go")
            t.wait("Done.")
            assert (b.workspace / "made").read_text() == "x\nx\n"
            t.say("/approvals")
            t.wait("› echo x >> made  run_terminal_cmd in")
            t.press("enter")
            t.wait("Revoke this?")
            t.pump(0.5)
            t.type("y")
            t.wait("Nothing is approved always.")
            t.say("/new")
            t.wait("A new conversation.")
            t.say("go")
            t.wait("asks to run")


def test_a_no_can_tell_the_model_what_to_do_instead(home: Path) -> None:
    replies = (call("run_terminal_cmd", command="make all"), says("I shall."))
    with bench(home, *replies) as b, window(b, columns=60) as t:
        t.ready()
        t.say("go")
        t.wait("asks to run")
        t.pump(0.5)
        t.type("t")
        t.wait("What shall it do instead?")
        t.type("use ninja")
        t.wait("› use ninja")
        t.press("enter")
        t.wait("I shall.")
        log = next((b.home / ".local/state/vtcode/sessions").glob("*/events.jsonl")).read_text()
        assert "use ninja" in log


def test_keys_that_were_typed_ahead_never_answer(home: Path) -> None:
    replies = (
        says("word " * 20) | {"delay": 0.03, "calls": call("run_terminal_cmd", command="touch made")["calls"]},
    )
    with bench(home, *replies, says("Done.")) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait("generating")
        # Somebody who types on, and does not look.
        for _ in range(80):
            t.type("y")
            t.pump(0.02)
            if "asks to run" in t.text:
                t.type("y\ry\r")
        t.wait("asks to run")
        t.pump(0.1)
        assert "asks to run" in t.text
        assert not (b.workspace / "made").exists()
        t.pump(0.5)
        t.type("y")
        t.wait("Done.")
        assert (b.workspace / "made").exists()


def test_a_long_text_is_read_to_its_end_before_it_can_be_approved(home: Path) -> None:
    script = "\n".join(f"echo line {number}" for number in range(60)) + "\ntouch made"
    with (
        bench(home, call("run_terminal_cmd", command=script), says("Done.")) as b,
        window(b, columns=60, rows=20) as t,
    ):
        t.ready()
        t.say("go")
        t.wait("(scroll to the end first)")
        assert "of 61 · Space, Up and Down scroll" in t.text
        t.pump(0.5)
        t.type("y")
        t.pump(0.3)
        assert "asks to run" in t.text
        while "touch made" not in t.text:
            t.type(" ")
            t.pump(0.1)
        t.gone("(scroll to the end first)")
        t.type("y")
        t.wait("Done.")
        assert (b.workspace / "made").exists()


def test_what_only_looks_like_ascii_is_marked(home: Path) -> None:
    command = "cat l\u0455 \u202egpj.exe\x1b[2K"
    with bench(home, call("run_terminal_cmd", command=command), says("Done.")) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait(r"cat l\u{455} \u{202e}gpj.exe\x1b[2K")
        t.press("escape")
        t.wait("Done.")


def test_a_question_of_the_model_is_answered_by_number_or_in_words(home: Path) -> None:
    question = call("ask_user", question="Which one?", choices=["red", "blue"])
    with bench(home, question, says("Good.")) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait("The model asks: Which one?\n› 1. red\n  2. blue")
        t.pump(0.5)
        t.type("2")
        t.wait("› 2. blue")
        t.press("enter")
        t.wait("Good.")
        log = next((b.home / ".local/state/vtcode/sessions").glob("*/events.jsonl")).read_text()
        assert '"text":"blue"' in log
