"""Batches, and the picture of a run."""

import json
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from train.batches import batched
from train.curve import draw
from train.tokens import Encoded
from vtcode.providers import ToolSpec

TOOL = ToolSpec("mcp__wiki__find", "Find", {"type": "object", "properties": {}})


def encoded(length: int, *specs: ToolSpec) -> Encoded:
    return Encoded((7,) * length, (True,) * length, specs)


def test_every_conversation_is_in_one_batch_and_none_is_too_large() -> None:
    many = [encoded(length) for length in range(20, 400, 3)]
    batches = batched(many, 1000, seed=0)
    assert Counter(len(each.ids) for batch in batches for each in batch) == Counter(len(each.ids) for each in many)
    assert all(len(batch) * max(len(each.ids) for each in batch) <= 1000 for batch in batches)


def test_a_conversation_longer_than_a_batch_has_one_to_itself() -> None:
    assert [len(batch) for batch in batched([encoded(5000), encoded(5000)], 1000, seed=0)] == [1, 1]


def test_a_batch_has_one_kind_of_instructions() -> None:
    batches = batched([encoded(50, *((TOOL,) if index % 2 else ())) for index in range(40)], 300, seed=0)
    assert all(len({len(each.specs) for each in batch}) == 1 for batch in batches)
    assert {len(batch[0].specs) for batch in batches} == {0, 1}


def test_a_seed_gives_the_same_order_and_another_seed_another() -> None:
    many = [encoded(length) for length in range(20, 400)]
    assert batched(many, 1000, seed=3) == batched(many, 1000, seed=3) != batched(many, 1000, seed=4)


def test_the_curve_has_a_dot_for_each_step(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps({"loss": loss}) + "\n" for loss in (2.0, 1.0, 0.5)))
    draw(log, tmp_path / "loss.svg")
    picture = ET.parse(tmp_path / "loss.svg").getroot()
    heights = [float(dot.get("cy", "")) for dot in picture.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(heights) == 3 and heights == sorted(heights)
