"""What slash commands do with what is mistyped, missing, too long or a stranger's."""

import base64
import shutil
from pathlib import Path

from tests.agent.support import bench, says
from tests.tui.terminal import window
from vtcode.tui.copying import osc52


def test_a_mistyped_command_with_arguments_is_told_of_and_a_folder_is_no_command(home: Path) -> None:
    with bench(home, says("First.")) as b, window(b) as t:
        t.ready()
        t.say("/polcy read_file deny")
        t.wait("There is no command /polcy. Did you mean /policy?")
        t.say("/tmp is full, what now?")
        t.wait("First.")


def test_a_prompt_of_the_workspace_leads_nowhere_out_of_it(home: Path) -> None:
    with bench(home, says("x")) as b:
        (b.home / "secret").write_text("the secret")
        b.write("docs/hello.md", "Say hello.")
        prompts = b.workspace / ".vtcode" / "prompts"
        prompts.mkdir(parents=True)
        (prompts / "steal.md").symlink_to(b.home / "secret")
        (prompts / "within.md").symlink_to("../../docs/hello.md")
        (prompts / "plain.md").write_text("Say plain.")
        with window(b, rows=60, columns=100) as t:
            t.ready()
            t.say("/help")
            t.wait("Say plain.")
            assert "/within" in t.text
            assert "secret" not in t.text
            t.say("/steal")
            t.wait("There is no command /steal.")


def test_a_prompt_with_the_name_of_a_command_is_not_used_and_told_of(home: Path) -> None:
    with bench(home, says("x")) as b:
        b.write(".vtcode/prompts/keys.md", "never said")
        with window(b, rows=60, columns=100) as t:
            t.ready()
            t.type("/keys")
            t.wait("› /keys")
            assert t.text.count("/keys  ") == 1
            t.press("ctrl-c")
            t.say("/help")
            t.wait("/keys  not used: there is a command of this name")


def test_what_is_too_long_for_the_clipboard_is_put_into_a_file(home: Path) -> None:
    answer = " ".join(map(str, range(16_000)))
    with bench(home, says(answer)) as b, window(b, columns=120) as t:
        t.ready()
        t.say("go")
        t.wait("15999")
        t.ready()
        t.say("/copy")
        t.wait("cannot go through this terminal")
        kept = b.home / ".local/state/vtcode/copied.md"
        assert kept.read_text() == answer
        assert kept.stat().st_mode & 0o777 == 0o600


def test_a_command_that_finds_its_session_gone_says_so_and_the_window_stays(home: Path) -> None:
    with bench(home, says("First."), says("Second.")) as b, window(b, columns=120) as t:
        t.ready()
        t.say("go")
        t.wait("First.")
        t.ready()
        shutil.rmtree(b.home / ".local/state/vtcode/sessions")
        for command in ("/export x.md", "/rewind", "/resume 2026"):
            t.say(command)
            t.wait("There is no session")
            t.say("/clear")
            t.gone("There is no session")
        assert not (b.workspace / "x.md").exists()
        t.say("go on")
        t.wait("Second.")


def test_what_is_copied_steers_no_shell_that_it_is_pasted_into() -> None:
    told = osc52("ls\x1b[201~\rrm -rf x\x07\x9b\n\tend", {"TERM": "xterm"})
    assert told is not None
    assert base64.b64decode(told.removeprefix("\x1b]52;c;").removesuffix("\x07")) == b"ls[201~rm -rf x\n\tend"


def test_a_terminal_inside_another_passes_the_clipboard_on() -> None:
    bare = osc52("x" * 3_000, {"TERM": "xterm"})
    assert bare is not None
    in_tmux = osc52("x" * 3_000, {"TERM": "tmux-256color", "TMUX": "1"})
    assert in_tmux == "\x1bPtmux;\x1b" + bare + "\x1b\\" + bare
    in_screen = osc52("x" * 3_000, {"TERM": "screen", "STY": "1"})
    assert in_screen is not None
    pieces = in_screen.removeprefix("\x1bP").removesuffix("\x1b\\").split("\x1b\\\x1bP")
    assert "".join(pieces) == bare
    assert max(map(len, pieces)) <= 700
    assert osc52("x", {"TERM": "linux"}) is None


def test_a_model_is_unloaded_and_loaded_again_by_the_next_request(home: Path) -> None:
    with bench(home, says("First."), says("Second.")) as b, window(b, rows=30, columns=120) as t:
        t.ready()
        t.say("go")
        t.wait("First.")
        t.ready()
        t.say("/local unload other")
        t.wait("error: other is not loaded")
        t.say("/local load")
        t.wait("error: Write /local, or /local unload")
        t.say("/local unload scripted")
        t.wait("scripted is unloaded. The next request loads it again.")
        t.say("/local")
        t.wait("in use · not loaded")
        t.press("escape")
        t.gone("Local server")
        t.say("go on")
        t.wait("Second.")


def test_an_argument_is_completed_and_the_last_one_sends_the_command(home: Path) -> None:
    with bench(home, says("x")) as b, window(b, columns=100) as t:
        t.ready()
        t.type("/policy wri")
        t.wait("› write_file")
        t.press("enter")
        t.type("de")
        t.wait("› deny")
        t.press("enter")
        t.wait("write_file: deny, until vtcode ends")
