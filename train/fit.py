"""The training loop: a schedule from a seed, checkpoints, resume after any end, and a line of progress a step."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import torch

from train.batches import Batch, batched
from train.dataset import training
from train.model import Student
from train.tokens import Tokens

CHECKPOINT: Final = "checkpoint.pt"
LOG: Final = "log.jsonl"
_WARM_UP: Final = 0.04
_LEAST: Final = 0.05
"""What is left of the learning rate at the end."""


class Plan(msgspec.Struct, frozen=True):
    """All that a run depends on, the base and the programs apart."""

    samples: int = 5_600
    seed: int = 0
    rank: int = 16
    rate: float = 5e-4
    batch: int = 2_000
    """Tokens of a batch, padding included and instructions not."""


class Progress(msgspec.Struct, frozen=True):
    """One step, as it stands in the log."""

    step: int
    steps: int
    loss: float
    """A learned token's, on average over the batch."""
    rate: float
    tokens: int
    """Read so far, instructions not counted."""
    seconds: float
    """Of this step."""

    def __str__(self) -> str:
        left = (self.steps - self.step) * self.seconds / 60
        return (
            f"step {self.step}/{self.steps}  loss {self.loss:.3f}  {self.tokens:,} tokens  about {left:.0f} min left"
        )


def fit(
    base: Path,
    folder: Path,
    plan: Plan,
    tell: Callable[[Progress], None],
    most: int | None = None,
    saved_every: float = 120.0,
) -> Student:
    """Train, or go on where a run in `folder` was ended.

    Args:
        base: the model, as GGUF.
        folder: for checkpoints and the log.
        plan: what to train on, and how.
        tell: is told of each step.
        most: steps after which it ends early, its rate fallen to the end by then; it may change when a run goes on.
        saved_every: seconds between checkpoints.

    Raises:
        ValueError: the run in `folder` is of another plan.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokens = Tokens(base)
    batches = batched(tokens.many(training(plan.samples, plan.seed)), plan.batch, plan.seed)
    batches = batches[:most]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(plan.seed)
    student = Student(base, rank=plan.rank).to(device)
    optimizer = torch.optim.AdamW(student.parameters(), lr=plan.rate, weight_decay=0.0)
    done, read = _resume(folder, plan, student, optimizer)
    saved = time.monotonic()
    with (folder / LOG).open("a") as log:
        for step, batch in enumerate(batches[done:], done + 1):
            started = time.monotonic()
            rate = plan.rate * share(step / len(batches))
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss, count = student.loss(*_tensors(batch, tokens, device))
            (loss / count).backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            read += sum(len(each.ids) for each in batch)
            seconds = time.monotonic() - started
            progress = Progress(step, len(batches), loss.item() / count, rate, read, seconds)
            log.write(json.dumps(msgspec.to_builtins(progress)) + "\n")
            log.flush()
            tell(progress)
            if time.monotonic() - saved > saved_every or step == len(batches):
                _save(folder, plan, student, optimizer, step, read)
                saved = time.monotonic()
    return student


def restored(base: Path, folder: Path) -> tuple[Student, Plan]:
    """Give the adapter of a run as it was last saved."""
    state = _loaded(folder)
    plan = msgspec.convert(state["plan"], Plan)
    student = Student(base, rank=plan.rank)
    student.load_state_dict(state["adapter"])
    return student, plan


def share(progress: float) -> float:
    """Say how much of the learning rate holds: up at first, then down along a cosine."""
    if progress < _WARM_UP:
        return progress / _WARM_UP
    part = (progress - _WARM_UP) / (1 - _WARM_UP)
    return _LEAST + (1 - _LEAST) * (1 + math.cos(math.pi * part)) / 2


def _tensors(batch: Batch, tokens: Tokens, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    length = max(len(each.ids) for each in batch)
    ids = [[*each.ids, *[0] * (length - len(each.ids))] for each in batch]
    learned = [[*each.is_learned, *[False] * (length - len(each.ids))] for each in batch]
    instructions = tokens.instructions(batch[0].specs)
    made = torch.tensor(instructions), torch.tensor(ids), torch.tensor(learned)
    return made[0].to(device), made[1].to(device), made[2].to(device)


def _resume(folder: Path, plan: Plan, student: Student, optimizer: torch.optim.Optimizer) -> tuple[int, int]:
    if not (folder / CHECKPOINT).exists():
        (folder / LOG).unlink(missing_ok=True)
        return 0, 0
    state = _loaded(folder)
    former = msgspec.convert(state["plan"], Plan)
    if former != plan:
        raise ValueError(f"{folder} holds a run of another plan ({former}). Give another folder, or remove it.")
    student.load_state_dict(state["adapter"])
    optimizer.load_state_dict(state["optimizer"])
    # The log may tell of steps after the checkpoint, which are made again.
    lines = (folder / LOG).read_text().splitlines()[: state["step"]]
    (folder / LOG).write_text("".join(f"{line}\n" for line in lines))
    return state["step"], state["read"]


def _save(folder: Path, plan: Plan, student: Student, optimizer: torch.optim.Optimizer, step: int, read: int) -> None:
    state = {
        "plan": msgspec.to_builtins(plan),
        "adapter": student.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "read": read,
    }
    torch.save(state, folder / f"{CHECKPOINT}.part")
    (folder / f"{CHECKPOINT}.part").replace(folder / CHECKPOINT)


def _loaded(folder: Path) -> dict[str, object]:
    return torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)
