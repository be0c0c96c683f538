"""`python -m train`: from the base model to the adapter."""

import argparse
from pathlib import Path

from train.fit import Plan, fit


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(prog="python -m train", description="Train the default model's adapter.")
    parser.add_argument("--base", type=Path, required=True, help="SmolLM2-135M-Instruct as GGUF")
    parser.add_argument("--folder", type=Path, required=True, help="where checkpoints, the log and the results go")
    parser.add_argument("--samples", type=int, default=Plan().samples)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    plan = Plan(samples=arguments.samples, seed=arguments.seed)
    fit(arguments.base, arguments.folder, plan, lambda progress: print(progress, flush=True))


if __name__ == "__main__":
    main()
