"""What a conversation looks like: docs/tui.md, flows 1 to 8."""

from pathlib import Path

from tests.agent.support import Reply, bench, call, says
from tests.tui.terminal import stable, window

MARKDOWN = """# Head

Some **bold** and `code`.

- one
- two

| Name | Number |
|---|---|
| alpha | 1 |

```python
def f():
    return 1
```

End."""


def test_an_answer_is_drawn_as_markdown(home: Path) -> None:
    with bench(home, says(MARKDOWN)) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait("End.")
        t.ready()
        drawn = stable(t.text, b)
        assert (
            "› go\n\nHead\n\nSome bold and code.\n\n• one\n• two\n\nName  │ Number\n──────┼───────\nalpha │ 1"
            in drawn
        )
        assert "╭ python\ndef f():\n    return 1\n╰\n\nEnd.\n\nN.N s" in drawn
        assert "#" not in drawn
        assert "**" not in drawn


def test_an_answer_is_seen_while_it_comes_and_each_of_its_lines_is_written_once(home: Path) -> None:
    text = "\n\n".join(f"Paragraph {number} has some words in it." for number in range(12))
    with bench(home, says(text) | {"delay": 0.01}) as b, window(b, rows=12) as t:
        t.ready()
        t.say("go")
        t.wait("Paragraph 2 has")
        assert "Paragraph 11" not in t.text
        t.wait("Paragraph 11 has some words in it.")
        t.ready()
        for number in range(12):
            assert t.everything.count(f"Paragraph {number} has some words in it.") == 1


def test_calls_are_a_line_each_with_outcome_and_time_and_edits_show_their_diff(home: Path) -> None:
    replies = (
        call("read_file", path="a.txt"),
        call("edit_file", path="a.txt", old_str="one", new_str="won"),
        call("read_file", path="missing.txt"),
        says("Done."),
    )
    with bench(home, *replies) as b, window(b, "-c", "tools.policies.edit_file=allow") as t:
        b.write("a.txt", "one\ntwo\n")
        t.ready()
        t.say("go")
        t.wait("Done.")
        t.ready()
        drawn = stable(t.text, b)
        assert "✓ read_file a.txt · lines 1-2 of 2 · N.N s" in drawn
        assert "✓ edit_file a.txt · edited (+1 -1) · N.N s\n    1 - one\n    1 + won\n    2   two" in drawn
        assert "✗ read_file missing.txt · " in drawn


def test_long_output_is_folded_with_its_size_and_a_key_opens_all_of_it(home: Path) -> None:
    replies = (call("run_terminal_cmd", command="seq 1000 1400; exit 3"), says("Done."))
    with bench(home, *replies) as b, window(b, "--full-auto", env={"PAGER": "cat > paged; echo paged"}) as t:
        t.ready()
        t.say("go")
        t.wait("Done.")
        t.ready()
        drawn = stable(t.text, b)
        assert "✗ run_terminal_cmd seq 1000 1400; exit 3 · exit code 3 · N.N s" in drawn
        assert "│ … 396 more lines, 2.0 kB in all (Ctrl-O opens it)\n  │ 1396\n" in drawn
        t.press("ctrl-o")
        t.until((b.workspace / "paged").exists, "the pager to be given it")
        t.ready()
        paged = (b.workspace / "paged").read_text()
        assert paged.startswith("seq 1000 1400; exit 3\n\n1000\n1001\n")
        assert paged.rstrip().endswith("1400")


def test_what_the_model_thinks_is_folded_and_shown_where_the_configuration_says_so(home: Path) -> None:
    thinking: Reply = {"reasoning": "First this.\nThen that.", "text": "Answer."}
    with bench(home, thinking) as b:
        with window(b) as t:
            t.ready()
            t.say("go")
            t.wait("Answer.")
            t.wait("thought 22 characters (Ctrl-O opens it)")
            assert "First this." not in t.everything
        with window(b, "-c", "ui.show_reasoning=true") as t:
            t.ready()
            t.say("go")
            t.wait("Answer.")
            assert "First this.\nThen that.\n\nAnswer." in t.text


def test_a_plan_is_a_checklist(home: Path) -> None:
    plan = [{"step": "Look", "status": "completed"}, {"step": "Mend", "status": "pending"}]
    with bench(home, call("update_plan", plan=plan), says("Done.")) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait("Done.")
        assert "✓ update_plan" in t.text
        assert "    [x] Look\n    [ ] Mend" in t.text


def test_the_spinner_says_what_is_awaited(home: Path) -> None:
    with bench(home, says("word " * 60) | {"delay": 0.03}, says("Done.")) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait("waiting for the model")
        t.wait("tok/s · ")
        assert "generating " in t.text
        t.ready()
        # What was measured stays in the status line.
        assert "tok/s" in t.status


def test_a_command_that_runs_shows_what_it_prints(home: Path) -> None:
    slow = call("run_terminal_cmd", command="echo begun; sleep 2")
    with bench(home, slow, says("Done.")) as b, window(b, "--full-auto") as t:
        t.ready()
        t.say("go")
        t.wait("· run_terminal_cmd echo begun; sleep 2\n  │ begun\n")
        assert "running run_terminal_cmd" in t.text


def test_an_error_of_the_server_is_told_and_the_conversation_goes_on(home: Path) -> None:
    broken: Reply = {"error": {"status": 400, "message": "no such thing"}}
    with bench(home, broken) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait("error: ")
        t.wait("(400): no such\nthing.")
        t.ready()
        t.say("/help status")
        t.wait("/status: what this conversation works with")
