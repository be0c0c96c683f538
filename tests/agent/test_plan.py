"""The plan that a model keeps, and the questions that it asks."""

import asyncio
import json
import os
from pathlib import Path

import msgspec
import pexpect
import pytest

from tests.agent.support import bench, call, results, says
from tests.agent.tools import Toolbox
from tests.support.processes import BIN
from vtcode.tools import BadArguments
from vtcode.tools.ask import NOBODY
from vtcode.tools.plan import Plan, Step, UpdatePlan

STEPS = [
    {"step": "read", "status": "completed"},
    {"step": "change", "status": "in_progress"},
    {"step": "test", "status": "pending"},
]
CHECKLIST = "[x] read\n[>] change\n[ ] test"


@pytest.fixture
def box(tmp_path: Path) -> Toolbox:
    return Toolbox(tmp_path)


def test_a_plan_is_a_checklist_for_the_person_and_a_word_for_the_model(box: Toolbox) -> None:
    outcome = box.run("update_plan", plan=STEPS)
    assert (outcome.ok, outcome.text, outcome.summary) == (True, "Noted.", CHECKLIST)
    assert box.preview("update_plan", plan=STEPS).text == CHECKLIST


@pytest.mark.parametrize(
    "raw",
    [
        {"plan": STEPS},
        {"plan": STEPS, "explanation": "because"},
        {"steps": STEPS},
        {"plan": [{**step, "status": step["status"].replace("_", " ").title()} for step in STEPS]},
        {"plan": [{"content": "read", "status": "done"}, {"step": "change", "status": "doing"}, "test"]},
    ],
    ids=["ours", "explained", "steps", "words", "loose"],
)
def test_a_plan_is_read_as_models_write_it(raw: dict[str, object]) -> None:
    parsed = UpdatePlan().parse(json.dumps(raw))
    assert parsed == Plan((Step("read", "completed"), Step("change", "in_progress"), Step("test", "pending")))


@pytest.mark.parametrize(
    "raw",
    [
        *("", "{}", "[1]", '{"plan": []}', '{"plan": 3}', '{"plan": [[]]}', '{"plan": [{"step": ""}]}'),
        *(
            '{"plan": [{"step": 1}]}',
            '{"plan": [{"step": "a", "status": "maybe"}]}',
            json.dumps({"plan": ["a"] * 51}),
        ),
    ],
)
def test_a_plan_that_cannot_be_read_is_answered_with_what_was_expected(raw: str) -> None:
    parsed = UpdatePlan().parse(raw)
    assert isinstance(parsed, BadArguments) and str(parsed).startswith("update_plan: ") and len(str(parsed)) < 300


def test_a_plan_is_shown_as_a_checklist_beside_the_answer(tmp_path: Path) -> None:
    hostile = [*STEPS, {"step": "a\x1b[31m\u202e\nb", "status": "pending"}]
    with bench(tmp_path, call("update_plan", plan=hostile), says("Done.")) as it:
        ended = it.exec("plan it")
    assert ended.returncode == 0
    shown = [line.strip() for line in ended.stderr.splitlines()]
    assert any(line.startswith("ok [x] read") for line in shown)
    assert "[>] change" in shown and "[ ] test" in shown
    assert "[ ] a\\x1b[31m\\u{202e} b" in shown


def test_without_a_person_a_question_is_answered_by_deciding(tmp_path: Path) -> None:
    with bench(tmp_path, call("ask_user", question="Which one?", choices=["a", "b"]), says("I took a.")) as it:
        events, ended = it.events("do it")
    assert ended.returncode == 0
    (result,) = results(events)
    assert (result["status"], result["text"]) == ("ok", NOBODY)


def test_the_answer_of_the_person_goes_to_the_model(box: Toolbox) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    async def answer(question: str, choices: tuple[str, ...]) -> str | None:
        asked.append((question, choices))
        return "b"

    box.context = msgspec.structs.replace(box.context, ask=answer)
    outcome = asyncio.run(box.call("ask_user", question="Which one?", choices=["a", "b"]))
    assert (outcome.ok, outcome.text) == (True, "b")
    assert asked == [("Which one?", ("a", "b"))]


@pytest.mark.parametrize(("typed", "answer"), [("2", "blue"), ("green", "green"), ("3", "3"), ("", "(no answer)")])
def test_at_a_terminal_the_person_chooses_by_number_or_answers_freely(
    tmp_path: Path, typed: str, answer: str
) -> None:
    with bench(tmp_path, call("ask_user", question="Which colour?", choices=["red", "blue"]), says("Noted!")) as it:
        child = pexpect.spawn(
            str(BIN / "vtcode"),
            ["exec", "--json", "do it"],
            env=os.environ | it.environment,
            cwd=str(it.workspace),
            timeout=30,
            encoding="utf-8",
        )
        child.expect("The model asks: Which colour")
        child.expect("2. blue")
        child.expect("Your answer: ")
        child.sendline(typed)
        printed = child.read()
        child.close()
    assert child.exitstatus == 0
    (result,) = results([json.loads(line) for line in printed.splitlines() if line.startswith("{")])
    assert result["text"] == answer
