"""The slash commands."""

import subprocess
from pathlib import Path

from tests.agent.support import Bench, bench, call, says
from tests.tui.terminal import stable, window
from vtcode.tui.commands import COMMANDS


def test_each_command_is_completed_and_told_of(home: Path) -> None:
    with bench(home, says("x")) as b, window(b, rows=60, columns=100) as t:
        t.ready()
        t.type("/mo")
        t.wait("› /model  choose the model")
        t.press("tab")
        t.until(lambda: "› /model" in t.lines, "it to be completed")
        t.press("ctrl-c")
        t.say("/help")
        t.wait("@ mentions a file")
        for command in COMMANDS:
            assert f"  /{command.name}" in t.text
        t.say("/keys")
        t.wait("Ctrl-R")
        t.say("/modle")
        t.wait("There is no command /modle. Did you mean /model?")


def test_a_path_is_no_command(home: Path) -> None:
    with bench(home, says("First.")) as b, window(b) as t:
        t.ready()
        t.say("/etc/hosts is what?")
        t.wait("First.")


def test_facts_are_told_of_status_context_policies_and_the_sandbox(home: Path) -> None:
    with bench(home, says("First.")) as b, window(b, rows=40, columns=100) as t:
        b.write("AGENTS.md", "Be brief.\n")
        t.ready()
        t.say("go")
        t.wait("First.")
        t.say("/status")
        t.wait("settings   LMSTUDIO_BASE_URL")
        drawn = stable(t.text, b)
        assert "model      scripted\nserver     SERVER (lmstudio)" in drawn
        assert "session    SESSION\nsandbox    bubblewrap (auto)\nnetwork    off" in drawn
        t.say("/context")
        t.wait("results")
        assert "system and tools" in t.text
        assert "notes (AGENTS.md)" in t.text
        t.say("/policy")
        t.wait('run_terminal_cmd  prompt  built-in default "prompt"')
        t.say("/sandbox")
        t.wait("commands   run as the policies say", 20)


def test_a_policy_that_is_changed_holds_for_the_next_call(home: Path) -> None:
    replies = (
        call("write_file", path="made", content="x"),
        says("Not."),
        call("run_terminal_cmd", command="echo hi"),
    )
    with bench(home, *replies, says("Done.")) as b, window(b, columns=100) as t:
        t.ready()
        t.say("/policy write_file maybe")
        t.wait("error: Write a tool and allow, prompt or deny")
        t.say("/policy write_file deny")
        t.wait("write_file: deny, until vtcode ends")
        t.say("go")
        t.wait("⊘ write_file made · denied")
        t.wait("Not.")
        t.say("/policy run_terminal_cmd allow")
        t.wait("run_terminal_cmd: allow, until vtcode ends")
        t.say("go")
        t.wait("Done.")
        assert "✓ run_terminal_cmd echo hi" in t.everything
        assert not (b.workspace / "made").exists()


def _repository(b: Bench) -> None:
    b.write("a.txt", "one\n")
    for line in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *line], cwd=b.workspace, check=True)
    b.write("a.txt", "two\n")
    b.write("new.txt", "new\n")


def test_changes_are_shown_and_reviewed(home: Path) -> None:
    with bench(home, says("No problems.")) as b:
        _repository(b)
        with window(b) as t:
            t.ready()
            assert "git " in t.status
            t.say("/diff")
            t.wait("new.txt (new)")
            assert "a.txt\n  1 - one\n  1 + two" in t.text
            t.say("/review")
            t.wait("No problems.")
            log = next((b.home / ".local/state/vtcode/sessions").glob("*/events.jsonl")).read_text()
            assert "Review these changes" in log


def test_a_session_is_begun_gone_on_with_exported_and_copied(home: Path) -> None:
    with bench(home, says("The answer:\n\n```\ncode\n```"), says("Second.")) as b, window(b, columns=100) as t:
        t.ready()
        t.say("first words")
        t.wait("The answer:")
        t.say("/copy 2")
        t.wait("blocks 1 to 1")
        t.say("/copy 1")
        t.wait("Block 1 was given to the terminal's clipboard (5 characters; OSC 52).")
        assert b"\x1b]52;c;Y29kZQo=\x07" in t.raw
        t.say("/export talk.md")
        t.wait("Written to talk.md.")
        assert "first words" in (b.workspace / "talk.md").read_text()
        t.say("/export talk.md")
        t.wait("talk.md is there already")
        t.say("/new")
        t.wait("A new conversation.")
        t.say("other words")
        t.wait("The answer:")
        t.ready()
        t.say("/resume")
        t.wait("Go on with a session")
        t.wait("› first words")
        t.press("enter")
        t.gone("Go on with a session")
        t.ready()
        t.say("and on")
        t.wait("Second.")


def test_rewinding_takes_files_and_conversation_back_and_offers_the_words_again(home: Path) -> None:
    edit = call("edit_file", path="a.txt", old_str="as it was", new_str="changed")
    with bench(home, edit, says("Written.")) as b, window(b, "--full-auto") as t:
        b.write("a.txt", "as it was\n")
        t.ready()
        t.say("change it")
        t.wait("Written.")
        t.ready()
        t.say("/rewind x")
        t.wait("error: Write the number of a turn")
        t.press("escape")
        t.wait("Esc again goes back to an earlier turn")
        t.press("escape")
        t.wait("Go back to before a turn")
        t.press("enter")
        t.wait("What goes back?")
        assert "1 - changed\n" in t.text
        t.press("enter")
        t.wait("restored a.txt")
        t.wait("The conversation goes on from the end of turn 0.")
        t.wait("› change it")
        assert (b.workspace / "a.txt").read_text() == "as it was\n"
        t.press("enter")
        t.wait("Written.")


def test_the_conversation_is_compacted_and_the_screen_cleared(home: Path) -> None:
    replies = [says(f"Answer {number}. " + "word " * 200) for number in range(4)]
    with bench(home, *replies) as b, window(b, columns=100) as t:
        t.ready()
        for number in range(4):
            t.say(f"question {number}")
            t.wait(f"Answer {number}.")
            t.ready()
        t.say("/compact slow")
        t.wait("error: Write /compact")
        t.say("/compact fast")
        t.wait("The conversation was made shorter (mechanical)")
        t.say("/clear")
        t.gone("The conversation was made shorter")


def test_prompts_of_ones_own_are_commands(home: Path) -> None:
    with bench(home, says("Looked.")) as b:
        folder = b.home / ".config" / "vtcode" / "prompts"
        folder.mkdir(parents=True)
        (folder / "look.md").write_text("---\ndescription: looks at a file\n---\nLook at $1 and say $ARGUMENTS.\n")
        (folder / "model.md").write_text("never")
        with window(b) as t:
            t.ready()
            t.type("/lo")
            t.wait("/look  looks at a file")
            t.press("ctrl-c")
            t.say("/look a.py well")
            t.wait("Look at a.py and say a.py well.")
            t.wait("Looked.")


def test_a_theme_is_previewed_and_kept(home: Path) -> None:
    with bench(home, says("x")) as b, window(b, env={"NO_COLOR": "", "COLORTERM": "truecolor"}) as t:
        t.ready()
        t.say("/theme")
        t.wait("Each is shown as you come to it.")
        start = len(t.raw)
        t.press("down")
        t.until(lambda: b"38;2;143;179;201" in t.raw[start:], "another colour")
        t.type("paper")
        t.press("enter")
        t.wait("The theme is paper")
        assert 'theme = "paper"' in (b.home / ".config" / "vtcode" / "vtcode.toml").read_text()


def test_init_doctor_and_mcp_say_what_the_commands_of_the_shell_say(home: Path) -> None:
    with bench(home, says("x")) as b, window(b, rows=50) as t:
        t.ready()
        t.say("/init")
        t.until((b.workspace / "vtcode.toml").exists, "the file")
        t.say("/doctor")
        t.wait("ok     program", 30)
        t.say("/mcp")
        t.wait("No MCP server is configured.", 30)


def test_a_command_that_needs_the_end_of_a_turn_is_refused_while_one_runs(home: Path) -> None:
    slow = says("word " * 60) | {"delay": 0.1}
    with bench(home, slow, says("Second.")) as b, window(b, columns=100) as t:
        t.ready()
        t.say("first words")
        t.wait("generating")
        t.say("/new")
        t.wait("/new has to wait: Esc interrupts what runs.")
        t.press("escape")
        t.wait("Interrupted after")
        t.say("/new")
        t.wait("A new conversation.")
