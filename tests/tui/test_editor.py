"""What is typed."""

import os
from pathlib import Path

from tests.agent.support import bench, call, says
from tests.tui.terminal import window


def test_several_lines_are_written_with_alt_enter_and_ctrl_j(home: Path) -> None:
    with bench(home, says("Got it.")) as b, window(b) as t:
        t.ready()
        t.type("one")
        t.press("alt-enter")
        t.type("two")
        t.press("ctrl-j")
        t.type("three\\")
        t.press("enter")
        t.type("four")
        t.wait("› one\n  two\n  three\n  four")
        t.press("enter")
        t.wait("Got it.")
        t.press("ctrl-c")
        t.wait("Ctrl-C again ends vtcode")
        t.press("ctrl-c")
        assert t.ended() == 0
        log = next((b.home / ".local/state/vtcode/sessions").glob("*/events.jsonl")).read_text()
        assert r'"text":"one\ntwo\nthree\nfour"' in log


def test_a_paste_of_ten_thousand_lines_is_a_placeholder_and_is_sent_whole(home: Path) -> None:
    pasted = "\n".join(f"line {number}" for number in range(10_000))
    with bench(home, says("Got it.")) as b, window(b) as t:
        t.ready()
        t.type("look: ")
        t.paste(pasted)
        t.wait("› look: [pasted 10,000 lines #1]", 3)
        # As one character.
        t.press("backspace")
        t.gone("[pasted")
        t.paste(pasted)
        t.wait("[pasted 10,000 lines #")
        t.press("enter")
        t.wait("… 9,988 more lines (Ctrl-O opens it)")
        t.wait("Got it.")
        log = next((b.home / ".local/state/vtcode/sessions").glob("*/events.jsonl")).read_text()
        assert pasted.replace("\n", "\\n") in log


def test_what_was_typed_is_found_again_in_later_sessions(home: Path) -> None:
    with bench(home, says("First."), says("Second.")) as b:
        with window(b) as t:
            t.ready()
            t.say("the needle in the hay")
            t.wait("First.")
            t.say("another thing")
            t.wait("Second.")
        with window(b) as t:
            t.ready()
            t.press("up")
            t.wait("› another thing")
            t.press("up")
            t.wait("› the needle in the hay")
            t.press("ctrl-c")
            t.press("ctrl-r")
            t.wait("What was typed before")
            t.type("ndl")
            t.wait("1 of 2")
            t.press("enter")
            t.gone("What was typed before")
            t.wait("› the needle in the hay")


def test_a_line_that_begins_with_a_blank_is_kept_nowhere(home: Path) -> None:
    with bench(home, says("First.")) as b, window(b) as t:
        t.ready()
        t.say(" secret words")
        t.wait("First.")
        t.say("/exit")
        assert t.ended() == 0
        assert "secret" not in (b.home / ".local/state/vtcode/history").read_text()


def test_a_mention_completes_the_names_of_files(home: Path) -> None:
    with bench(home, says("Read it.")) as b, window(b) as t:
        b.write("src/deep/settings.py", "x = 1\n")
        b.write("a b.txt", "x\n")
        t.ready()
        t.type("look at @sett")
        t.wait("› src/deep/settings.py")
        t.press("tab")
        t.wait("› look at @src/deep/settings.py")
        t.type("and @a b")
        t.press("ctrl-c")
        t.type("@a")
        t.wait("› a b.txt")
        t.press("enter")
        t.wait('› @"a b.txt"')
        t.press("enter")
        t.wait("Read it.")


def test_an_exclamation_mark_runs_a_command_in_the_sandbox_and_tells_the_model(home: Path) -> None:
    with bench(home, says("Seen.")) as b, window(b) as t:
        t.ready()
        t.say("!echo here $((40+2)); touch /etc/vtcode-was-here; cat ~/secret")
        t.wait("here 42")
        t.wait("Read-only file system")
        t.wait("exit 1 · the model is told with what you say next")
        assert not Path("/etc/vtcode-was-here").exists()
        t.say("go on")
        t.wait("Seen.")
        log = next((b.home / ".local/state/vtcode/sessions").glob("*/events.jsonl")).read_text()
        assert "I ran `echo here" in log
        assert "here 42" in log
        t.say("!printf one; sleep 0.3; printf 'two\\nthree'")
        t.wait("onetwo\nthree\n")
        t.say("!sleep 100")
        t.wait("! sleep 100")
        t.press("escape")
        t.wait("Interrupted.")


def test_a_hash_adds_a_note_to_agents_md(home: Path) -> None:
    with bench(home, says("x")) as b, window(b) as t:
        b.write("AGENTS.md", "Notes without an end of line")
        t.ready()
        t.say("# always use tabs")
        t.wait("Noted in AGENTS.md")
        assert (b.workspace / "AGENTS.md").read_text() == "Notes without an end of line\n- always use tabs\n"


def test_the_text_is_edited_in_an_editor_of_ones_own(home: Path) -> None:
    editor = home / "editor"
    editor.write_text('#!/bin/sh\nprintf " and more" >> "$1"\n')
    editor.chmod(0o755)
    with bench(home, says("x")) as b, window(b, env={"EDITOR": str(editor)}) as t:
        t.ready()
        t.type("some words")
        t.press("ctrl-g")
        t.wait("› some words and more")


def test_undo_brings_back_what_was_deleted(home: Path) -> None:
    with bench(home, says("x")) as b, window(b) as t:
        t.ready()
        t.type("some words")
        t.wait("› some words")
        t.press("ctrl-w")
        t.until(lambda: "› some" in t.lines and "words" not in t.text, "the word to go")
        t.press("ctrl-_")
        t.wait("› some words")


def test_vim_keys_edit_where_the_configuration_asks_for_them(home: Path) -> None:
    with bench(home, says("Sent.")) as b, window(b, "-c", "ui.editing_mode=vi") as t:
        t.ready()
        assert "insert" in t.status
        t.type("one two three")
        t.press("escape")
        t.until(lambda: "normal" in t.status, "normal mode")
        t.type("bdwIzero ")
        t.wait("› zero one two")
        assert "insert" in t.status
        t.press("enter")
        t.wait("Sent.")


def test_what_is_said_while_the_agent_works_waits_and_can_be_taken_back(home: Path) -> None:
    slow = says("word " * 40) | {"delay": 0.05}
    with bench(home, slow, says("Second."), says("Third.")) as b, window(b) as t:
        t.ready()
        t.say("first")
        t.wait("generating")
        t.say("second")
        t.say("third")
        t.wait("  next: second\n  next: third")
        assert "2 queued" in t.status
        t.press("up")
        t.wait("› third")
        t.until(lambda: "next: third" not in t.text, "it to be taken back")
        t.press("ctrl-c")
        t.wait("Second.")
        t.ready()
        assert "Third." not in t.everything


def test_escape_interrupts_a_turn_and_its_command_and_ctrl_c_twice_ends(home: Path) -> None:
    replies = (call("run_terminal_cmd", command="echo $$ > pid; sleep 4711"), says("Second."))
    with bench(home, *replies) as b, window(b, "--full-auto") as t:
        t.ready()
        t.say("go")
        t.until((b.workspace / "pid").exists, "the command to begin")
        t.press("escape")
        t.wait("⊘ run_terminal_cmd echo $$ > pid; sleep 4711 · interrupted")
        t.wait("Interrupted after")
        t.ready()
        t.say("again")
        t.wait("Second.")
        t.press("ctrl-c")
        t.wait("Ctrl-C again ends vtcode")
        t.press("ctrl-c")
        assert t.ended() == 0
        assert "vtcode --resume " in t.text
        assert os.system("pgrep -f '[s]leep 4711' > /dev/null")
