"""Shows on standard error how far a long transfer is."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichProgress

from lmserver.storage import Progress


class Bar:
    """A bar with speed and remaining time on a terminal, and a line at each tenth where there is none."""

    def __init__(self) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, TaskID] = {}
        self._said = ""

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Show one state of the transfer."""
        if self._bar.disable:
            tenths = progress.done * 10 // max(1, progress.total)
            line = f"{progress.what}: {tenths * 10} % of {progress.total / 1e6:.0f} MB"
            if line != self._said:
                self._said = line
                print(line, file=sys.stderr, flush=True)
            return
        if progress.what not in self._tasks:
            self._tasks[progress.what] = self._bar.add_task(progress.what, total=progress.total)
        self._bar.update(self._tasks[progress.what], completed=progress.done, total=progress.total)
