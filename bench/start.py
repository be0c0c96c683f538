"""How much longer `--version` and `--help` take than a bare interpreter, in one run.

    .venv/bin/python bench/start.py [ROUNDS]

Prints the median wall and CPU time of each command, and its ratio to `python -c pass`. The rounds are
interleaved, so that a noisy machine disturbs all commands alike.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "vtcode --version": [str(BIN / "vtcode"), "--version"],
    "lmstudio --version": [str(BIN / "lmstudio"), "--version"],
    "vtcode --help": [str(BIN / "vtcode"), "--help"],
    "lmstudio --help": [str(BIN / "lmstudio"), "--help"],
}


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command once and give its wall and CPU seconds."""
    before = os.times()
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - started
    after = os.times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Measure all commands and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            samples[name].append(measure(command))
    medians = {
        name: tuple(statistics.median(column) for column in zip(*rows, strict=True)) for name, rows in samples.items()
    }
    base_wall, base_cpu = medians["python -c pass"]
    print(f"{'command':<20}{'wall ms':>9}{'ratio':>7}{'cpu ms':>9}{'ratio':>7}   (medians of {rounds})")
    for name, (wall, cpu) in medians.items():
        print(f"{name:<20}{wall * 1e3:9.1f}{wall / base_wall:7.2f}{cpu * 1e3:9.1f}{cpu / max(base_cpu, 1e-9):7.2f}")


if __name__ == "__main__":
    main()
