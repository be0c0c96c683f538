"""Keeps a conversation within the model's context: notices when it is time, and has it made shorter."""

import contextlib
from collections.abc import AsyncGenerator

import msgspec

from vtcode import events
from vtcode.budget import Budget, tokens_of, tokens_of_fixed, tokens_of_messages
from vtcode.compaction import SUMMARY_REQUEST, SUMMARY_TOKENS, compacted, fits
from vtcode.context import Profile
from vtcode.messages import AssistantMessage, Finish, UserMessage
from vtcode.providers import Completed, Provider, ProviderError, Request, Retrying, Waiting
from vtcode.situation import Situation

Told = events.Waiting | events.Retrying | events.Compacted | Completed
"""What making room tells: progress, what the model wrote about it, and the shorter conversation."""


class Room:
    """The room that a conversation has."""

    def __init__(self, provider: Provider, profile: Profile, base: Request, budget: Budget, keep_turns: int) -> None:
        self._provider = provider
        self._profile = profile
        self._base = base
        self._budget = budget
        self._keep_turns = keep_turns

    def is_short(self, situation: Situation) -> bool:
        """Tell whether a step from here could come too close to the end of the context."""
        most = self._budget.most
        return most is not None and tokens_of(self._profile.request(self._base, situation)) > most

    def overflowed(self, situation: Situation) -> events.Compacted | None:
        """Make a conversation shorter that the server refused for its length; None when it cannot be shorter.

        The server's context is smaller than was thought, so that is remembered.
        """
        tokens = tokens_of(self._profile.request(self._base, situation))
        context = min(tokens, self._budget.context or tokens)
        self._budget = msgspec.structs.replace(self._budget, context=context)
        return self._shorter(situation, "")

    async def make(self, situation: Situation, *, by_model: bool = True) -> AsyncGenerator[Told]:
        """Make a conversation shorter: summed up by the model if it can, by rule if not; nothing if neither helps.

        Args:
            situation: where the next step would start.
            by_model: whether the model may be asked.
        """
        summary = ""
        if (shorter := self._shorter(situation, "")) is None:
            return
        if by_model and self._profile.can_sum_up:
            try:
                async with contextlib.aclosing(self._summary(situation)) as told:
                    async for event in told:
                        if isinstance(event, Completed):
                            summary = event.message.text if _is_summary(event.message) else ""
                        yield event
            except ProviderError:
                # What is wrong with the server, the step itself will tell.
                summary = ""
        yield (self._shorter(situation, summary) if summary else None) or shorter

    async def _summary(self, situation: Situation) -> AsyncGenerator[Told]:
        """Ask for a summary by one more message, so that the server reads nothing else anew."""
        messages = situation.messages
        if messages and isinstance(messages[-1], UserMessage):
            # Templates refuse two messages of the user in a row, and the newest one is kept anyway.
            messages = messages[:-1]
        if not any(isinstance(message, AssistantMessage) for message in messages):
            return
        asked = (*messages, UserMessage(SUMMARY_REQUEST, by_program=True))
        situation = msgspec.structs.replace(situation, messages=asked, may_call=False)
        base = msgspec.structs.replace(self._base, max_tokens=SUMMARY_TOKENS, schema=None)
        request = self._profile.request(base, situation)
        async with contextlib.aclosing(self._provider.stream(request)) as deltas:
            async for delta in deltas:
                match delta:
                    case Waiting(seconds=seconds, processed=processed, total=total):
                        yield events.Waiting(seconds, processed, total)
                    case Retrying(reason=reason, attempt=attempt, seconds=seconds):
                        yield events.Retrying(reason, attempt, seconds)
                    case Completed(message=message):
                        yield Completed(self._profile.read(message, situation.step))
                    case _:
                        pass

    def _shorter(self, situation: Situation, summary: str) -> events.Compacted | None:
        request = self._profile.request(self._base, situation)
        before = tokens_of(request)
        # Examples of the profile are as fixed as its instructions.
        bare = self._profile.request(self._base, msgspec.structs.replace(situation, messages=()))
        fixed = tokens_of_fixed(bare) + tokens_of_messages(bare.messages)
        target = self._budget.target if self._budget.target is not None else before // 2
        target = max(min(target, before // 2) - fixed, 256)
        messages = compacted(situation.messages, target=target, keep_turns=self._keep_turns, summary=summary)
        if messages is None:
            return None
        after = tokens_of(self._profile.request(self._base, msgspec.structs.replace(situation, messages=messages)))
        return events.Compacted(messages, "summary" if summary else "mechanical", before, after)


def _is_summary(message: AssistantMessage) -> bool:
    return message.finish is Finish.STOP and not message.calls and fits(message.text)
