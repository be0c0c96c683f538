"""Samples to learn from and to be measured by: apart from each other, and true to what the tools do."""

import json
import random
from pathlib import Path

import jsonschema
import msgspec
import pytest

from tests.agent.tools import Toolbox
from train.dataset import KINDS, Sample, held_out, misplaced, shared, training
from train.dressing import dressed
from train.format import SPECS
from train.running import is_program
from train.scene import Scene, Task, Unfit
from train.words import Split
from vtcode.compact import CompactProfile
from vtcode.messages import AssistantMessage, ToolResult
from vtcode.providers import Request
from vtcode.situation import Situation


@pytest.fixture(scope="module")
def learnt() -> list[Sample]:
    return training(700, seed=0)


@pytest.fixture(scope="module")
def held() -> list[Sample]:
    return held_out()


def test_the_splits_share_no_template_no_name_and_no_repository(learnt: list[Sample], held: list[Sample]) -> None:
    assert shared(learnt, held) == {}
    assert misplaced(learnt, "train") == set() and misplaced(held, "held") == set()


def test_the_check_finds_what_is_shared(learnt: list[Sample]) -> None:
    assert set(shared(learnt, learnt[:1])) == {"templates", "names", "repositories", "paths"}
    assert misplaced(learnt, "held")


def test_a_seed_makes_the_same_samples_again(learnt: list[Sample]) -> None:
    assert training(40, seed=0) == learnt[:40]
    assert training(40, seed=1) != learnt[:40]


def test_every_kind_that_is_measured_is_in_both_splits(learnt: list[Sample], held: list[Sample]) -> None:
    assert {sample.kind.partition(" + ")[0] for sample in learnt} == set(KINDS)
    assert {sample.kind for sample in held} == {kind for kind, (_, _, share) in KINDS.items() if share}


def test_every_reply_is_one_that_the_grammar_lets_through(learnt: list[Sample], held: list[Sample]) -> None:
    # A path that is not there is for servers without a grammar.
    for sample in (*held, *(sample for sample in learnt if "mistaken" not in sample.kind)):
        profile = CompactProfile(SPECS + sample.specs, is_narrow=True)
        for index, message in enumerate(sample.messages):
            if isinstance(message, AssistantMessage):
                situation = Situation(
                    messages=sample.messages[: index + 1],
                    step=1,
                    files=sample.paths,
                    is_program=is_program,
                )
                before = msgspec.structs.replace(situation, messages=sample.messages[:index])
                request, full = (
                    profile.request(Request(model="", system="", messages=()), each) for each in (before, situation)
                )
                jsonschema.validate(json.loads(full.messages[-1].text), request.schema or {})


def test_what_is_said_around_an_order_leaves_the_order_as_it_was() -> None:
    draw = random.Random(1)
    order = "Set port to 90 in app.toml."
    for _ in range(300):
        said = dressed(draw, order, lambda: "harbour", may_end=True)
        assert "Set port to 90 in app.toml" in said
        assert dressed(draw, order, lambda: "harbour", may_end=False).count(order) == 1


def test_an_answer_holds_what_it_is_judged_by(learnt: list[Sample], held: list[Sample]) -> None:
    for sample in (*learnt, *held):
        last = sample.messages[-1]
        assert isinstance(last, AssistantMessage) and not last.calls
        assert all(wanted in last.text for wanted in sample.wanted), sample


@pytest.mark.parametrize("split", ["train", "held"])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"foreign", "talk", "know", "cannot", "run", "injected"}))
def test_results_are_what_the_tools_return(kind: str, split: Split, tmp_path: Path) -> None:
    scene, task = made(kind, split)
    toolbox = Toolbox(tmp_path)
    for file in scene.project.files:
        toolbox.write(file.path, file.text)
    for message, answer in zip(task.messages, task.messages[1:], strict=False):
        if not isinstance(message, AssistantMessage) or not isinstance(answer, ToolResult):
            continue
        (call,) = message.calls
        if call.name == "run_terminal_cmd":
            continue
        outcome = toolbox.run(call.name, **json.loads(call.arguments))
        assert sorted(outcome.text.splitlines()) == sorted(answer.text.splitlines()), message
        assert outcome.ok == (answer.status == "ok")
    if task.edited is not None:
        path, before, after = task.edited
        assert before != after
        assert (tmp_path / path).read_text() == after


def made(kind: str, split: Split) -> tuple[Scene, Task]:
    make, _, _ = KINDS[kind]
    for seed in range(100):
        scene = Scene(random.Random(f"{kind} {seed}"), split)
        try:
            return scene, make(scene)
        except Unfit:
            continue
    raise AssertionError(f"no project was fit for {kind}")
