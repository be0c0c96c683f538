"""The first run: once, in three steps, each of which can be left."""

from pathlib import Path

import pytest

from tests.agent.support import bench, says
from tests.tui.terminal import Place, window
from vtcode.tui.welcome import is_due

FIRST = {"FIRST": "1"}


def test_a_first_run_goes_from_a_server_to_a_model_to_a_question(home: Path) -> None:
    with bench(home, says("It is a project.")) as b:
        with window(b, columns=100, env=FIRST) as t:
            t.wait("1/3  A server answers")
            t.wait("› Go on")
            t.press("enter")
            t.wait("2/3  A model")
            assert "of memory" in t.text
            t.wait("› scripted")
            t.press("enter")
            t.wait("3/3  A first question to try")
            t.press("enter")
            # It is in the editor, for the person to send.
            t.wait("› What is this project, and how is it laid out?")
            assert "It is a project." not in t.text
            t.press("enter")
            t.wait("It is a project.")
        with window(b, env=FIRST) as t:
            t.ready()
            assert "1/3" not in t.everything


def test_escape_leaves_it_for_good(home: Path) -> None:
    with bench(home, says("Hello.")) as b:
        with window(b, env=FIRST) as t:
            t.wait("1/3  A server answers")
            t.press("escape")
            t.ready()
            t.say("hi")
            t.wait("Hello.")
            assert "2/3" not in t.everything
        with window(b, env=FIRST) as t:
            t.ready()
            assert "1/3" not in t.everything


def test_without_a_server_the_embedded_one_is_offered(home: Path) -> None:
    with window(Place(home, LMSTUDIO_BASE_URL="http://127.0.0.1:9/v1"), columns=110, env=FIRST) as t:
        t.wait("1/3  No server answers")
        t.wait("› Start the embedded server")
        t.press("down", "enter")
        t.wait("3/3  A first question to try")


@pytest.mark.parametrize("name", ["welcomed", "history", "sessions"])
def test_who_was_here_before_is_not_welcomed(tmp_path: Path, name: str) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    assert is_due(environ)
    (tmp_path / "vtcode" / name).mkdir(parents=True)
    assert not is_due(environ)
