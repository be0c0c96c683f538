"""A turn: ask, stream, approve, run, repeat."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import msgspec

from vtcode import events
from vtcode.approval import Policy
from vtcode.budget import Budget
from vtcode.context import Profile
from vtcode.conversation import Conversation
from vtcode.events import Event
from vtcode.messages import AssistantMessage, Finish, Status, ToolCall, ToolResult, UserMessage
from vtcode.permission import Permission
from vtcode.providers import (
    Completed,
    ContextOverflow,
    Note,
    Provider,
    ProviderError,
    ReasoningDelta,
    Request,
    Retrying,
    TextDelta,
    Waiting,
)
from vtcode.room import Room
from vtcode.situation import Situation
from vtcode.tally import MOST_WARNINGS, Tally
from vtcode.tools import BadArguments, Outcome, Tool, ToolContext, parse_arguments
from vtcode.tools.diff import shortened

EMPTY = "Your reply was empty. Go on, or say what you found."
STILL_EMPTY = "The model gave no answer, also when asked again. Ask in other words, or try another model."
OUT_OF_STEPS = (
    "You have used up your steps. Do not call tools any more: say now what you found, what you did and what is left."
)
NO_ANSWER = "(The model came to no answer within its steps.)"


class TurnSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every turn of a run."""

    base: Request
    """The model and the limits; each step completes it."""
    max_steps: int = 50
    """Replies that may call tools; a last one without is asked for when they are used up."""
    budget: Budget = Budget()
    keep_turns: int = 2
    """Turns that are kept word for word when a conversation is made shorter."""


class _Ended(msgspec.Struct, frozen=True):
    """How a call ended."""

    result: ToolResult
    diff: str = ""


class Agent:
    """A model, its tools and its limits: what turns are run with."""

    def __init__(
        self,
        provider: Provider,
        profile: Profile,
        tools: tuple[Tool, ...],
        context: ToolContext,
        permission: Permission,
        settings: TurnSettings,
        list_files: Callable[[], Awaitable[tuple[str, ...]]],
        is_program: Callable[[str], bool],
    ) -> None:
        self._provider = provider
        self._profile = profile
        self._tools = {tool.name: tool for tool in tools}
        self._context = context
        self._permission = permission
        self._settings = settings
        self._list_files = list_files
        self._is_program = is_program
        self._watchers = frozenset(tool.name for tool in tools if tool.effect == "watches")
        self._room = Room(provider, profile, settings.base, settings.budget, settings.keep_turns)

    async def run_turn(self, conversation: Conversation, text: str) -> AsyncGenerator[Event]:
        """Run one turn, and tell what happens as it happens.

        A failure of the provider is an event (`TurnFinished` with `failed`), not an exception. Closing or
        cancelling the generator ends the turn; open calls are then answered as cancelled. The conversation hears
        each event before it is yielded, since a turn may end at any yield.
        """
        tally = Tally(self._watchers)
        started = events.TurnStarted(text)
        problem = conversation.hear(started)
        try:
            yield started
            if problem:
                yield _told(conversation, problem)
            async with contextlib.aclosing(self._steps(conversation, tally)) as steps:
                async for event in steps:
                    problem = conversation.hear(event)
                    tally.hear(event)
                    yield event
                    if problem:
                        yield _told(conversation, problem)
        except ProviderError as error:
            tally.finish, tally.error = Finish.FAILED, str(error)
        finally:
            conversation.settle("".join(tally.said))
            finished = tally.finished()
            problem = conversation.hear(finished)
        if problem:
            yield events.Notice(problem)
        yield finished

    async def compact(self, conversation: Conversation, *, by_model: bool = True) -> AsyncGenerator[Event]:
        """Make a conversation shorter between turns, and tell of it; nothing is told when it cannot be.

        Args:
            conversation: one whose newest turn has ended.
            by_model: whether the model may be asked for a summary.
        """
        situation = await self._situation(conversation, step=1)
        async with contextlib.aclosing(self._room.make(situation, by_model=by_model)) as told:
            async for event in told:
                if not isinstance(event, Completed):
                    conversation.hear(event)
                    yield event

    async def warm_up(self, conversation: Conversation) -> None:
        """Have the server read what the next request will begin with, while the user still types.

        Nobody waits for this: what goes wrong, the request itself will tell. Cancel it when the user has typed.
        """
        situation = await self._situation(conversation, step=1)
        # Templates want a message of the user; what stands before it is what counts.
        messages = (*situation.messages, UserMessage("…", by_program=True))
        situation = msgspec.structs.replace(situation, messages=messages)
        request = self._profile.request(self._settings.base, situation)
        request = msgspec.structs.replace(request, max_tokens=1, schema=None, stop=())
        with contextlib.suppress(ProviderError):
            async with contextlib.aclosing(self._provider.stream(request)) as deltas:
                async for _ in deltas:
                    pass

    async def _steps(self, conversation: Conversation, tally: Tally) -> AsyncGenerator[Event]:
        has_been_empty = False
        for step in range(1, self._settings.max_steps + 1):
            tally.steps = step
            message = AssistantMessage()
            async with contextlib.aclosing(self._step(conversation, tally, step)) as events_of_step:
                async for event in events_of_step:
                    if isinstance(event, events.MessageFinished):
                        message = event.message
                    yield event
            for call in message.calls:
                async with contextlib.aclosing(self._answer(call, tally)) as answer:
                    async for event in answer:
                        yield event
            is_empty = message.finish is Finish.STOP and not message.calls and not message.text.strip()
            if is_empty and not has_been_empty and not self._profile.is_last(step):
                has_been_empty = True
                yield events.Reminded(EMPTY)
                continue
            if is_empty and has_been_empty:
                tally.finish, tally.error = Finish.FAILED, STILL_EMPTY
                return
            if not message.calls or self._profile.is_last(step):
                tally.finish = Finish.LENGTH if message.finish is Finish.LENGTH else Finish.STOP
                return
            if tally.warnings >= MOST_WARNINGS:
                break
        yield events.Reminded(OUT_OF_STEPS)
        async with contextlib.aclosing(self._step(conversation, tally, tally.steps + 1, may_call=False)) as last:
            async for event in last:
                yield event
        tally.finish = Finish.LIMIT

    async def _step(
        self, conversation: Conversation, tally: Tally, step: int, *, may_call: bool = True
    ) -> AsyncGenerator[Event]:
        """Ask for one reply, and make room for it before, or when the server says that there is none."""
        situation = await self._situation(conversation, step=step, may_call=may_call)
        if self._room.is_short(situation):
            async with contextlib.aclosing(self._room.make(situation)) as told:
                async for event in told:
                    if isinstance(event, Completed):
                        tally.add(event.message.usage)
                    else:
                        yield event
            situation = msgspec.structs.replace(situation, messages=conversation.messages)
        yield events.StepStarted(step)
        try:
            async with contextlib.aclosing(self._reply(situation)) as reply:
                async for event in reply:
                    yield event
        except ContextOverflow:
            shorter = None if tally.said else self._room.overflowed(situation)
            if shorter is None:
                raise
            yield shorter
            situation = msgspec.structs.replace(situation, messages=conversation.messages)
            async with contextlib.aclosing(self._reply(situation)) as reply:
                async for event in reply:
                    yield event

    async def _situation(self, conversation: Conversation, *, step: int, may_call: bool = True) -> Situation:
        return Situation(
            messages=conversation.messages,
            step=step,
            # Each time: the calls in between make files.
            files=await self._list_files() if self._profile.needs_files else (),
            notes=conversation.notes,
            is_program=self._is_program,
            may_call=may_call,
        )

    async def _reply(self, situation: Situation) -> AsyncGenerator[Event]:
        request = self._profile.request(self._settings.base, situation)
        shown = self._profile.shown(situation.step)
        is_shown = False
        async with contextlib.aclosing(self._provider.stream(request)) as deltas:
            async for delta in deltas:
                match delta:
                    case TextDelta(text=text):
                        if piece := shown(text):
                            is_shown = True
                            yield events.TextDelta(piece)
                    case ReasoningDelta(text=text):
                        yield events.ReasoningDelta(text)
                    case Waiting(seconds=seconds, processed=processed, total=total):
                        yield events.Waiting(seconds, processed, total)
                    case Retrying(reason=reason, attempt=attempt, seconds=seconds):
                        yield events.Retrying(reason, attempt, seconds)
                    case Note(text=text):
                        yield events.Notice(text)
                    case Completed(message=message):
                        read = self._profile.read(message, situation.step)
                        if not situation.may_call:
                            read = msgspec.structs.replace(
                                read, text=read.text if read.text.strip() else NO_ANSWER, calls=()
                            )
                        if not is_shown and not read.calls and read.text:
                            # What was to be a call is none, so it is all the answer that there is.
                            yield events.TextDelta(read.text)
                        yield events.MessageFinished(read)

    async def _answer(self, call: ToolCall, tally: Tally) -> AsyncGenerator[Event]:
        """Bring one call to its one result."""
        started = time.monotonic()
        result: ToolResult | None = None
        diff = ""
        tool = self._tools.get(call.name)
        if (warning := tally.warning(call)) is not None:
            result = _error(call, warning)
        elif tool is None:
            offered = ", ".join(self._tools)
            result = _error(call, f"There is no tool {call.name!r}. The tools are: {offered}.")
        else:
            arguments = parse_arguments(tool, call.arguments)
            if isinstance(arguments, BadArguments):
                result = _error(call, str(arguments))
            else:
                async with contextlib.aclosing(self._run(call, tool, arguments)) as run:
                    async for event in run:
                        if isinstance(event, _Ended):
                            result, diff = event.result, event.diff
                        else:
                            yield event
        assert result is not None, "a call that runs ends with its result"
        yield events.ToolFinished(call, result, time.monotonic() - started, diff)

    async def _run(self, call: ToolCall, tool: Tool, arguments: Any) -> AsyncGenerator[Event | _Ended]:
        asked = self._permission.judge(call, tool, arguments, self._context)
        if problem := self._permission.take_problem():
            yield events.Notice(problem)
        rule = asked.verdict.rule
        if asked.verdict.policy is Policy.PROMPT:
            yield events.ApprovalAsked(call, rule)
            decision = await self._permission.ask(asked)
            yield events.ApprovalGiven(call, decision.approved, rule, decision.answer.value, decision.message)
            if problem := self._permission.take_problem():
                yield events.Notice(problem)
            if not decision.approved:
                yield _Ended(_denied(call, f"{rule}, and it was not approved", decision.message))
                return
        elif asked.verdict.policy is Policy.DENY:
            yield _Ended(_denied(call, rule))
            return
        yield events.ToolStarted(call, rule)
        feed = _Feed()
        context = msgspec.structs.replace(self._context, on_output=feed.add, ask=self._permission.answer)
        running = asyncio.create_task(tool.run(arguments, context))
        running.add_done_callback(lambda _: feed.end())
        try:
            while (text := await feed.next()) is not None:
                yield events.ToolOutput(call, text)
            outcome: Outcome = await running
        finally:
            # On every way out, so that nothing of a call outlives its turn.
            running.cancel()
            await asyncio.wait({running})
        status = Status.OK if outcome.ok else Status.ERROR
        diff = shortened(outcome.diff) if outcome.diff else ""
        yield _Ended(ToolResult(call.id, call.name, status, outcome.text, outcome.summary), diff)


class _Feed:
    """What a running call prints, on its way to whoever shows it; a flood is thinned out and never waits."""

    _MOST = 1 << 14

    def __init__(self) -> None:
        self._text = ""
        self._is_ended = False
        self._news = asyncio.Event()

    def add(self, text: str) -> None:
        self._text = (self._text + text)[-self._MOST :]
        self._news.set()

    def end(self) -> None:
        self._is_ended = True
        self._news.set()

    async def next(self) -> str | None:
        """Wait for more; None when the call has ended."""
        await self._news.wait()
        self._news.clear()
        if self._is_ended:
            # The news of the end stays, for the turn after the last text.
            self._news.set()
        text, self._text = self._text, ""
        return text or (None if self._is_ended else "")


def _told(conversation: Conversation, problem: str) -> events.Notice:
    """Have a problem of the recorder's known by whoever else listens; it says each once."""
    notice = events.Notice(problem)
    conversation.hear(notice)
    return notice


def _error(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call.id, call.name, Status.ERROR, text, text)


def _denied(call: ToolCall, why: str, message: str = "") -> ToolResult:
    """Answer a call that did not run, with what the person says to it."""
    text = f"Denied: {call.name} did not run ({why}). Nothing was changed. "
    if message:
        return ToolResult(call.id, call.name, Status.DENIED, f"{text}The user says: {message}", why)
    text += "Do not try it again another way; tell the user what you wanted to do."
    return ToolResult(call.id, call.name, Status.DENIED, text, why)
