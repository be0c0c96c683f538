"""Puts a reply together from the chunks of a Chat Completions stream."""

import msgspec

from vtcode.messages import AssistantMessage, Finish, ToolCall, Usage
from vtcode.providers import MalformedReply, ReasoningDelta, TextDelta

MAX_REPLY = 16 << 20
"""Characters of one reply; more is a server gone wrong."""


# Chunks are read leniently: every server leaves something out.


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Progress(msgspec.Struct):
    total: int = 0
    processed: int = 0


class ErrorObject(msgspec.Struct):
    message: str = ""
    code: str | int | None = None
    type: str | None = None


class Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    prompt_progress: _Progress | None = None
    error: ErrorObject | str | None = None
    model: str | None = None


class Assembly:
    """A reply while its chunks come in."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.is_ended = False
        self.processed = 0
        self.total = 0
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._usage = Usage()
        self._finish = ""
        self._size = 0

    def add(self, chunk: Chunk) -> list[TextDelta | ReasoningDelta]:
        """Take in one chunk, and give what of it can be shown."""
        deltas: list[TextDelta | ReasoningDelta] = []
        if chunk.prompt_progress:
            self.processed, self.total = chunk.prompt_progress.processed, chunk.prompt_progress.total
        if chunk.usage:
            self._usage = _usage(chunk.usage)
        for choice in chunk.choices[:1]:
            if choice.finish_reason:
                self._finish, self.is_ended = choice.finish_reason, True
            if thought := choice.delta.reasoning_content or choice.delta.reasoning:
                self._reasoning.append(thought)
                deltas.append(ReasoningDelta(thought))
            if choice.delta.content:
                self._text.append(choice.delta.content)
                deltas.append(TextDelta(choice.delta.content))
            for call in choice.delta.tool_calls or []:
                self._add_call(call)
            self._size += sum(len(delta.text) for delta in deltas)
        if self._size > MAX_REPLY:
            raise MalformedReply(f"The reply passed {MAX_REPLY >> 20} million characters without an end.")
        return deltas

    def _add_call(self, piece: _Call) -> None:
        # Some servers leave the index out; then an id opens a new call.
        index = piece.index
        if index is None:
            index = len(self._calls) if piece.id or not self._calls else max(self._calls)
        call = self._calls.setdefault(index, _Call(function=_Function("", "")))
        call.id = call.id or piece.id
        call.function.name = (call.function.name or "") + (piece.function.name or "")
        call.function.arguments = (call.function.arguments or "") + (piece.function.arguments or "")
        self._size += len(piece.function.arguments or "")

    def message(self) -> AssistantMessage:
        """Give the whole reply. A reply that was cut runs no call: its arguments may be half of what was meant."""
        calls: list[ToolCall] = []
        for index, call in sorted(self._calls.items()):
            # An id that is missing or taken would leave a result without its call.
            is_fresh = call.id and all(call.id != other.id for other in calls)
            name, arguments = call.function.name or "", call.function.arguments or "{}"
            calls.append(ToolCall(call.id if call.id and is_fresh else f"call_{index}", name, arguments))
        finish = Finish.LENGTH if self._finish == "length" else Finish.TOOLS if calls else Finish.STOP
        return AssistantMessage(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            calls=() if finish is Finish.LENGTH else tuple(calls),
            finish=finish,
            usage=self._usage,
            model=self.model,
        )


def _usage(usage: _Usage) -> Usage:
    details = usage.prompt_tokens_details
    cached = details.cached_tokens if details else None
    return Usage(*(max(0, count or 0) for count in (usage.prompt_tokens, cached, usage.completion_tokens)))
