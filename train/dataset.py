"""Samples of both splits: how many of which kind, from a seed, and the proof that the splits share nothing."""

import random
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from train import changing, looking, running, talking
from train.scene import Scene, Task, Unfit
from train.words import Split, split_of
from vtcode.messages import Message
from vtcode.providers import ToolSpec

Maker = Callable[[Scene], Task]

KINDS: Final[dict[str, tuple[Maker, float, float]]] = {
    "lookup": (looking.lookup, 14, 12),
    "line": (looking.line, 5, 6),
    "where": (looking.where, 11, 8),
    "nowhere": (looking.nowhere, 3, 4),
    "global value": (looking.global_value, 7, 8),
    "returns": (looking.returns, 7, 6),
    "list": (looking.listing, 7, 8),
    "list all": (looking.listing_all, 5, 4),
    "injected": (looking.injected, 4, 6),
    "replace": (changing.replace, 8, 12),
    "assign": (changing.assign, 14, 14),
    "assign and run": (changing.assign_and_run, 6, 6),
    "rename": (changing.rename, 6, 6),
    "import": (changing.add_import, 8, 6),
    "flip": (changing.flip, 8, 6),
    "write": (changing.write, 9, 8),
    "run": (running.run, 12, 10),
    # The server's grammar lets nobody write a path that is not there, so this is for servers without one.
    "mistaken": (changing.mistaken_lookup, 3, 0),
    "talk": (talking.talk, 11, 12),
    "cannot": (talking.cannot, 5, 4),
    "foreign": (talking.foreign, 9, 6),
    "returns there": (looking.returns_there, 4, 0),
    "said there": (looking.said_there, 3, 0),
    "reword": (changing.reword, 11, 0),
    "know": (talking.know, 7, 0),
}
"""What makes a kind of sample, its weight in training, and how many of 160 held-out samples it makes."""

_TOGETHER: Final = 0.1
"""How many training conversations go on to a second task."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and what it is made of."""

    kind: str
    messages: tuple[Message, ...]
    paths: tuple[str, ...]
    """The workspace's files."""
    repository: str
    names: frozenset[str]
    templates: frozenset[str]
    wanted: tuple[str, ...]
    edited: tuple[str, str, str] | None
    specs: tuple[ToolSpec, ...] = ()


def training(count: int, seed: int) -> list[Sample]:
    """Make samples to learn from."""
    draw = random.Random(f"train {seed}")
    kinds, weights = list(KINDS), [weight for _, weight, _ in KINDS.values()]
    samples: list[Sample] = []
    while len(samples) < count:
        made = _made(draw, "train", draw.choices(kinds, weights)[0])
        if made is None:
            continue
        scene, sample = made
        if not sample.specs and sample.edited is None and draw.random() < _TOGETHER:
            sample = _continued(draw, scene, sample, draw.choices(kinds, weights)[0])
        samples.append(sample)
    return samples


def held_out(count: int = 160, seed: int = 1) -> list[Sample]:
    """Make samples to be measured by: the same for a seed, whatever was trained on."""
    draw = random.Random(f"held {seed}")
    total = sum(share for _, _, share in KINDS.values())
    samples: list[Sample] = []
    for kind, (_, _, share) in KINDS.items():
        wanted = len(samples) + round(count * share / total)
        while len(samples) < wanted:
            made = _made(draw, "held", kind)
            samples += [made[1]] if made else []
    return samples


def shared(first: Iterable[Sample], second: Iterable[Sample]) -> dict[str, set[str]]:
    """Say what two sets of samples have in common, by what it is; nothing, if they are apart."""
    one, other = list(first), list(second)

    def common(of: Callable[[Sample], Iterable[str]]) -> set[str]:
        return {each for sample in one for each in of(sample)} & {each for sample in other for each in of(sample)}

    found = {
        "templates": common(lambda sample: sample.templates),
        "names": common(lambda sample: sample.names),
        "repositories": common(lambda sample: [sample.repository]),
        "paths": common(lambda sample: sample.paths),
    }
    return {what: both for what, both in found.items() if both}


def misplaced(samples: Iterable[Sample], split: Split) -> set[str]:
    """Give the names that belong to the other split."""
    return {name for sample in samples for name in sample.names if split_of(name) != split}


def _made(draw: random.Random, split: Split, kind: str) -> tuple[Scene, Sample] | None:
    scene = Scene(draw, split)
    make, _, _ = KINDS[kind]
    try:
        task = make(scene)
    except Unfit:
        return None
    return scene, _sample(kind, scene, task)


def _continued(draw: random.Random, scene: Scene, sample: Sample, kind: str) -> Sample:
    """Go on with a second task in the same place, if there is one."""
    make, _, _ = KINDS[kind]
    try:
        task = make(scene)
    except Unfit:
        return sample
    if task.specs:
        return sample
    both = msgspec.structs.replace(task, messages=(*sample.messages, *task.messages))
    return _sample(f"{sample.kind} + {kind}", scene, both)


def _sample(kind: str, scene: Scene, task: Task) -> Sample:
    return Sample(
        kind=kind,
        messages=task.messages,
        paths=scene.project.paths,
        repository=scene.project.name,
        names=frozenset(scene.names.drawn),
        templates=frozenset(scene.templates),
        wanted=task.wanted,
        edited=task.edited,
        specs=task.specs,
    )
