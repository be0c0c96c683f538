"""The window on its terminal."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.support import bench, call, says
from tests.support.processes import BIN, run
from tests.tui.terminal import window


def test_the_first_run_takes_one_through_three_steps_and_never_again(home: Path) -> None:
    with bench(home, says("x")) as b:
        with window(b, rows=30, env={"FIRST": "1"}) as t:
            t.wait("1/3  A server answers")
            t.press("enter")
            t.wait("2/3  A model")
            assert "of memory" in t.text
            t.press("enter")
            t.wait("3/3  A first question to try")
            t.press("enter")
            t.wait("› What is this project, and how is it laid out?")
        with window(b, env={"FIRST": "1"}) as t:
            t.ready()
            t.pump(0.3)
            assert "1/3" not in t.everything


def test_the_first_run_is_skipped_by_escape(home: Path) -> None:
    with bench(home, says("Hello.")) as b, window(b, env={"FIRST": "1"}) as t:
        t.wait("1/3")
        t.press("escape")
        t.gone("1/3")
        t.say("hi")
        t.wait("Hello.")


def test_a_terminal_that_gets_narrower_and_wider_shows_the_region_once(home: Path) -> None:
    # The emulator cuts lines as xterm does, and does not wrap them anew.
    text = "\n\n".join(f"Paragraph {number}." for number in range(40))
    with bench(home, says(text) | {"delay": 0.01}) as b, window(b, columns=100, env={"XTERM_VERSION": "x"}) as t:
        t.ready()
        t.say("go")
        for columns in [60, 120, 40, 80, 61, 100] * 3:
            t.resize(columns, 24)
            t.pump(0.05)
        t.wait("Paragraph 39.")
        t.ready()
        assert sum(line.startswith("scripted ·") for line in t.lines) == 1
        for number in range(40):
            assert f"Paragraph {number}." in t.everything
        t.type("typed")
        t.wait("› typed")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is the terminal that wraps lines anew")
def test_a_storm_of_sizes_in_a_terminal_that_wraps_lines_anew(home: Path) -> None:
    words = "many words that are wrapped where the terminal is narrow"
    text = "\n\n".join(f"Paragraph {number} has {words}." for number in range(30))
    with bench(home, says(text) | {"delay": 0.005}) as b:
        (home / ".local/state/vtcode").mkdir(parents=True)
        (home / ".local/state/vtcode/welcomed").touch()
        server = ["tmux", "-S", str(home / "tmux"), "-f", "/dev/null"]

        def tmux(*words: str) -> str:
            return subprocess.run(
                [*server, *words], env=b.environment, text=True, capture_output=True, check=True
            ).stdout

        def wait(text: str) -> str:
            end = time.monotonic() + 20
            while text not in (shown := tmux("capture-pane", "-p", "-S", "-", "-t", "x")):
                assert time.monotonic() < end, shown
                time.sleep(0.05)
            return shown

        tmux("new-session", "-d", "-s", "x", "-x", "100", "-y", "30", "-c", str(b.workspace), str(BIN / "vtcode"))
        try:
            wait("sandbox bubblewrap")
            tmux("send-keys", "-t", "x", "go", "Enter")
            for columns, rows in [(60, 20), (120, 40), (40, 12), (80, 24), (61, 13), (100, 30)] * 3:
                tmux("resize-window", "-t", "x", "-x", str(columns), "-y", str(rows))
                time.sleep(0.05)
            wait("tokens read")
            shown = wait("Paragraph 29 has")
            for number in range(30):
                assert shown.count(f"Paragraph {number} has") == 1, shown
            assert tmux("capture-pane", "-p", "-t", "x").count("sandbox bubblewrap") == 1
        finally:
            tmux("kill-server")


def test_very_small_terminals_show_what_there_is_room_for(home: Path) -> None:
    with bench(home, says("Hello.")) as b, window(b, columns=20, rows=4) as t:
        t.until(lambda: "scripted" in t.status, "the status")
        t.say("hi")
        t.until(lambda: "\nHello.\n" in t.everything, "the answer")


def test_it_is_put_aside_and_comes_back(home: Path) -> None:
    with bench(home, says("Hello.")) as b, window(b, in_shell=True) as t:
        t.ready()
        t.type("half a thought")
        t.wait("› half a thought")
        t.press("ctrl-z")
        t.wait("Stopped")
        # The terminal is as it was found.
        written = bytes(t.raw)
        assert written.count(b"\x1b[?2004h") <= written.count(b"\x1b[?2004l") + 1
        t.say("echo in the $((1+1))nd program")
        t.wait("in the 2nd program")
        t.say("fg")
        t.wait("› half a thought")
        t.press("enter")
        t.wait("Hello.")


def test_a_terminal_that_closes_in_the_middle_of_a_turn_loses_nothing(home: Path) -> None:
    replies = (call("run_terminal_cmd", command="echo $$ > pid; sleep 4712"), says("Second."))
    with bench(home, *replies) as b:
        with window(b, "--full-auto") as t:
            t.ready()
            t.say("remember the needle")
            t.until((b.workspace / "pid").exists, "the command")
            pid = t.process.pid
            t.process.close(force=False)
            end = time.monotonic() + 10
            while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
                time.sleep(0.05)
            assert not Path(f"/proc/{pid}").exists()
        assert subprocess.run(["pgrep", "-f", "sleep 4712"], check=False).returncode == 1
        with window(b, "--continue", "--full-auto") as t:
            t.ready()
            assert "› remember the needle" in t.text
            t.say("and on")
            t.wait("Second.")


def test_it_ends_by_signals_as_by_keys(home: Path) -> None:
    with bench(home, says("x")) as b:
        with window(b) as t:
            t.ready()
            t.process.kill(signal.SIGTERM)
            assert t.ended() == 128 + signal.SIGTERM
            # The terminal is as it was found: nothing that is pasted is marked, and there is a cursor.
            assert t.raw.rfind(b"\x1b[?2004l") > t.raw.rfind(b"\x1b[?2004h")
            assert t.raw.rfind(b"\x1b[?25h") > t.raw.rfind(b"\x1b[?25l")
        with window(b) as t:
            t.ready()
            t.press("ctrl-d")
            assert t.ended() == 0


def test_each_frame_is_one_write_between_marks_and_no_screen_is_cleared(home: Path) -> None:
    with bench(home, says("word " * 100) | {"delay": 0.005}) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.wait("tokens read")
        written = bytes(t.raw)
        assert written.count(b"\x1b[?2026h") == written.count(b"\x1b[?2026l")
        assert b"\x1b[2J" not in written
        assert b"\x1b[3J" not in written
        assert b"\x1b[?1049h" not in written
        # Outside the marks nothing is drawn.
        outside = b"".join(part.rpartition(b"\x1b[?2026l")[2] for part in written.split(b"\x1b[?2026h"))
        assert b"word" not in outside


def test_the_status_line_leaves_out_what_does_not_fit(home: Path) -> None:
    with bench(home, says("Hello.")) as b:
        subprocess.run(["git", "init", "-q", "-b", "a-branch", str(b.workspace)], check=True)
        b.write(".git/x", "")
        for columns, told in ((100, True), (30, False)):
            with window(b, columns=columns) as t:
                t.ready()
                assert t.status.startswith("scripted")
                assert ("git a-branch" in t.status) is told
                assert "sandbox bubblewrap" in t.status


def test_colours_are_left_out_with_no_color_and_where_the_configuration_says_so(home: Path) -> None:
    with bench(home, says("Some `code` here.")) as b:
        for flags, environment, coloured in (
            ((), {"NO_COLOR": "", "COLORTERM": "truecolor"}, True),
            ((), {"NO_COLOR": "1", "COLORTERM": "truecolor"}, False),
            (("-c", "ui.color=never"), {"NO_COLOR": "", "COLORTERM": "truecolor"}, False),
        ):
            with window(b, *flags, env=environment) as t:
                t.ready()
                t.say("go")
                t.wait("Some code here.")
                assert (b"\x1b[38;2;" in t.raw or b"\x1b[36m" in t.raw) is coloured


def test_the_theme_follows_the_background_that_the_terminal_tells(home: Path) -> None:
    for reply, colour in (("rgb:ffff/ffff/ffff", b"38;2;0;106;122"), ("rgb:1e1e/1e1e/1e1e", b"38;2;120;217;236")):
        home_of = home / reply[4:8]
        home_of.mkdir()
        environment = {"NO_COLOR": "", "COLORTERM": "truecolor", "COLORFGBG": ""}
        with bench(home_of, says("Some `code` here.")) as b, window(b, env=environment) as t:
            t.until(lambda t=t: b"\x1b]11;?" in t.raw, "the question for the background")
            t.type(f"\x1b]11;{reply}\x1b\\")
            t.ready()
            t.say("go")
            t.wait("Some code here.")
            assert colour in t.raw
            assert "rgb" not in t.text


def test_plain_lines_are_for_dumb_terminals_and_where_they_are_asked_for(home: Path) -> None:
    with bench(home, says("Hello.")) as b:
        for flags, environment in ((("--plain",), {}), ((), {"TERM": "dumb"})):
            with window(b, *flags, env=environment) as t:
                t.wait("Ctrl-D ends")
                assert b"\x1b[?2026h" not in t.raw
                t.say("hi")
                t.wait("Hello.")


def test_without_a_terminal_there_is_no_window(home: Path) -> None:
    with bench(home, says("Hello.")) as b:
        ended = run(["vtcode"], b.environment, cwd=b.workspace)
        assert "\x1b[?2026h" not in ended.stdout + ended.stderr


def test_a_long_turn_that_ends_rings_the_bell(home: Path) -> None:
    with bench(home, says("word " * 21) | {"delay": 0.5}) as b, window(b) as t:
        t.ready()
        t.say("go")
        t.until(lambda: b"\x07" in t.raw, "the bell", 30)
        t.wait("tokens read")


def test_an_unwritable_home_is_no_reason_not_to_talk(home: Path) -> None:
    with bench(home, says("Hello.")) as b, window(b, env={"XDG_STATE_HOME": "/proc/nowhere"}) as t:
        t.ready()
        t.say("hi")
        t.wait("Hello.")
