"""A conversation in the window."""

from pathlib import Path

from tests.agent.support import bench, call, says
from tests.tui.terminal import window


def test_an_answer_is_drawn_as_markdown_and_stays_in_the_scrollback(home: Path) -> None:
    answer = "# Head\n\nSome **bold** and `code`.\n\n- one\n- two\n\n```python\nx = 1\n```\n\nEnd."
    with bench(home, says(answer)) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait("End.")
        t.ready()
        print(t.everything)
        assert "Some bold and code." in t.text
        assert "• one\n• two" in t.text
        assert 0


def test_calls_are_a_line_each(home: Path) -> None:
    with bench(home, call("read_file", path="a.txt"), call("edit_file", path="a.txt", old_str="one", new_str="1"), call("run_terminal_cmd", command="seq 20; echo err >&2; exit 3"), says("Done.")) as b, window(b) as t:
        b.write("a.txt", "one\ntwo\n")
        t.ready()
        t.say("go")
        t.wait("edit_file asks")
        print(t.text)
        t.pump(0.4)
        t.type("y")
        t.wait("run_terminal_cmd asks")
        print(t.text)
        t.pump(0.4)
        t.type("y")
        t.wait("Done.")
        t.ready()
        print(t.everything)
        assert 0
