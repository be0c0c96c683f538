"""Commands that run on while the model does something else; they end with the run."""

import asyncio
import codecs
import contextlib
import time
from pathlib import Path
from typing import Final

from vtcode.sandbox import Launch
from vtcode.sandbox.limits import Exceeded
from vtcode.tools.output import Ends, plain, where
from vtcode.tools.planted import cleared
from vtcode.tools.process import run_launched
from vtcode.tools.spool import Spool, SpoolFile

MOST_RUNNING: Final = 8
MOST_SECONDS: Final = 24 * 3600
_EARLY_SECONDS: Final = 0.3
"""How long a start waits for what ends at once, such as a name that does not exist."""
_PATIENCE_SECONDS: Final = 5.0
"""How long a look waits for something new: models that look again and again are slowed down by it."""


class Job:
    """One command, and what it printed since it was last looked at."""

    def __init__(self, number: int, file: SpoolFile | None, limit: int) -> None:
        self.number = number
        self.state = ""
        """How it ended; empty while it runs."""
        self.ok = True
        self._file = file
        self._limit = limit
        self._fresh = Ends(limit)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._started = time.monotonic()
        self._news = asyncio.Event()

    async def run(self, launch: Launch, root: Path, seconds: float, aside: Path | None) -> None:
        """Run to the end, and keep how it ended."""
        try:
            with cleared(root, aside) as planted:
                code = await run_launched(launch, root, seconds, self._feed)
        except TimeoutError:
            self.state, self.ok = f"timed out after {seconds:.0f} s and was stopped", False
        except Exceeded as excess:
            self.state, self.ok = f"used {excess} and was stopped", False
        except (OSError, ValueError) as error:
            self.state, self.ok = f"could not be started: {error}", False
        except asyncio.CancelledError:
            self.state = "stopped"
            raise
        else:
            self.state, self.ok = f"exit code {code if code >= 0 else 128 - code}", code == 0
            if planted.sentence:
                self.state, self.ok = f"{self.state}. {planted.sentence}", False
        finally:
            if self._file is not None:
                self._file.close()
            self._news.set()

    async def wait(self, seconds: float) -> None:
        """Wait until there is something new."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)

    def look(self) -> str:
        """Return how it is and what it printed since the last look."""
        self._news.clear()
        fresh, self._fresh = plain(self._fresh.text(where(self._file))).strip("\n"), Ends(self._limit)
        state = self.state or f"running for {time.monotonic() - self._started:.0f} s"
        return f"{state}\n{fresh}" if fresh else f"{state}, no new output"

    def _feed(self, chunk: bytes) -> None:
        self._fresh.add(self._decoder.decode(chunk))
        if self._file is not None:
            self._file.write(chunk)
        self._news.set()


class Background:
    """The commands of one run that were left running."""

    def __init__(self) -> None:
        self._jobs: dict[int, tuple[Job, asyncio.Task[None]]] = {}

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(self._jobs)

    async def start(
        self, launch: Launch, root: Path, seconds: float, spool: Spool | None, limit: int, aside: Path | None = None
    ) -> Job | None:
        """Start one; None when too many run already."""
        if sum(not task.done() for _, task in self._jobs.values()) >= MOST_RUNNING:
            return None
        job = Job(len(self._jobs) + 1, spool.open() if spool is not None else None, limit)
        task = asyncio.create_task(job.run(launch, root, seconds, aside))
        self._jobs[job.number] = (job, task)
        await asyncio.wait({task}, timeout=_EARLY_SECONDS)
        return job

    async def look(self, number: int, *, stop: bool) -> Job | None:
        """Find one and wait a little for news of it, or stop it; None when there is none of that number."""
        if number not in self._jobs:
            return None
        job, task = self._jobs[number]
        if stop:
            await _stopped(task)
        else:
            await job.wait(_PATIENCE_SECONDS)
        return job

    async def close(self) -> None:
        """Stop them all, with everything that they started."""
        await asyncio.gather(*(_stopped(task) for _, task in self._jobs.values()))


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    # Not awaited itself: its cancellation is not ours.
    await asyncio.wait({task})
