"""Several replies to one request at once, each piece with the number of its choice."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from lmserver.engines import Finished, Piece, Work
from lmserver.routes.work import Job
from lmwire.chat import CompletionTokensDetails, PromptTokensDetails, Usage

_PIECES_AHEAD = 64
"""Pieces that wait for a slow client before its generations do."""

Numbered = tuple[int, Piece]


async def run_choices(job: Job, works: Sequence[Work], prompts: int = 1) -> AsyncGenerator[Numbered]:
    """Run all `works`; closing the iterator ends them all.

    Args:
        job: the request's use of the model.
        works: all choices of the first prompt, then of the next.
        prompts: how many prompts there are.

    Raises:
        ApiError: what `Job.run` raises for the first that fails; the others are ended.
    """
    if len(works) == 1:
        async with contextlib.aclosing(job.run(works[0])) as pieces:
            async for piece in pieces:
                yield 0, piece
        return
    queue: asyncio.Queue[Numbered | BaseException] = asyncio.Queue(_PIECES_AHEAD)
    each = len(works) // prompts
    pieces = [job.run(work, is_first=index % each == 0) for index, work in enumerate(works)]
    tasks = [asyncio.create_task(_feed(index, source, queue)) for index, source in enumerate(pieces)]
    try:
        running = len(tasks)
        while running:
            item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item
            running -= isinstance(item[1], Finished)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _feed(index: int, source: AsyncGenerator[Piece], queue: asyncio.Queue[Numbered | BaseException]) -> None:
    try:
        async with contextlib.aclosing(source):
            async for piece in source:
                await queue.put((index, piece))
    except Exception as error:
        await queue.put(error)


def total(usages: Sequence[Usage], prompts: int = 1) -> Usage:
    """Add up what choices cost; a prompt counts once, however many choices it has.

    Args:
        usages: of all choices, in their order: all choices of a prompt stand together.
        prompts: how many prompts there are.
    """
    firsts = usages[:: max(1, len(usages) // prompts)]
    prompt = sum(usage.prompt_tokens for usage in firsts)
    completion = sum(usage.completion_tokens for usage in usages)
    cached = [usage.prompt_tokens_details for usage in firsts]
    thoughts = [usage.completion_tokens_details for usage in usages]
    return Usage(
        prompt,
        completion,
        prompt + completion,
        PromptTokensDetails(sum(details.cached_tokens for details in cached if details)),
        CompletionTokensDetails(sum(details.reasoning_tokens for details in thoughts if details)),
    )
