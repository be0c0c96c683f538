"""What the box costs: a boxed command beside the same command in a bare shell, in one run.

    .venv/bin/python bench/sandbox.py [ROUNDS]

Prints medians and 95th percentiles of `true` run by bash alone, and in the full box (namespaces, mounts, filter of
system calls, limits), interleaved so that a noisy machine disturbs both alike. The target is 15 ms at the median.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vtcode.sandbox import Level, detect, launch
from vtcode.tools.process import run_launched


def bare(folder: Path) -> float:
    """Run bash alone, and give its milliseconds."""
    started = time.perf_counter()
    subprocess.run(["bash", "--norc", "--noprofile", "-c", "true"], cwd=folder, check=True)
    return (time.perf_counter() - started) * 1e3


async def boxed(folder: Path) -> float:
    """Lay out and run the same in the box, and give its milliseconds."""
    started = time.perf_counter()
    status = await run_launched(launch("true", folder, Level.BUBBLEWRAP), folder, 20, lambda _: None)
    assert status == 0
    return (time.perf_counter() - started) * 1e3


async def main() -> None:
    """Measure both and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    if detect(os.environ) is not Level.BUBBLEWRAP:
        sys.exit("no box works here; install bubblewrap")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        samples: dict[str, list[float]] = {"bare bash": [], "in the box": []}
        for _ in range(rounds):
            samples["bare bash"].append(bare(folder))
            samples["in the box"].append(await boxed(folder))
    print(f"{'':<12}{'median ms':>10}{'p95 ms':>9}   ({rounds} rounds)")
    for what, values in samples.items():
        print(f"{what:<12}{statistics.median(values):10.1f}{statistics.quantiles(values, n=20)[-1]:9.1f}")
    more = statistics.median(samples["in the box"]) - statistics.median(samples["bare bash"])
    print(f"overhead at the median: {more:.1f} ms (target 15)")


if __name__ == "__main__":
    asyncio.run(main())
