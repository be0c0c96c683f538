"""`python -m train`: from the base model to the adapter, the curve of its loss, and nothing in between to do."""

import argparse
import sys
from pathlib import Path
from typing import Final

from train.curve import draw
from train.dataset import held_out, misplaced, shared, training
from train.export import export
from train.fit import LOG, Plan, Progress, fit, restored

ADAPTER: Final = "adapter.gguf"
CURVE: Final = "loss.svg"


def main() -> None:
    """Train, or go on with a run that was ended; then write the adapter and the curve."""
    parser = argparse.ArgumentParser(prog="python -m train", description="Train the default model's adapter.")
    parser.add_argument("--base", type=Path, required=True, help="SmolLM2-135M-Instruct as GGUF")
    parser.add_argument("--folder", type=Path, required=True, help="where checkpoints, the log and the results go")
    parser.add_argument("--samples", type=int, default=Plan().samples, help="conversations (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, metavar="STEPS", help="end early, after so many steps")
    parser.add_argument("--export-only", action="store_true", help="write what the last checkpoint holds")
    arguments = parser.parse_args()
    plan = Plan(samples=arguments.samples, seed=arguments.seed)
    if arguments.export_only:
        student, plan = restored(arguments.base, arguments.folder)
    else:
        _prove_apart(plan)
        student = fit(arguments.base, arguments.folder, plan, _tell, arguments.most)
    export(student.cpu(), plan, arguments.base, arguments.folder / ADAPTER)
    draw(arguments.folder / LOG, arguments.folder / CURVE)
    print(f"wrote {arguments.folder / ADAPTER} and {arguments.folder / CURVE}")


def _tell(progress: Progress) -> None:
    print(progress, flush=True)


def _prove_apart(plan: Plan) -> None:
    both = shared(training(plan.samples, plan.seed), held_out())
    strays = misplaced(held_out(), "held")
    if both or strays:
        sys.exit(f"The splits are not apart: {both or strays}. Correct train/words.py, projects.py or the wordings.")


if __name__ == "__main__":
    main()
