"""Puts a reply together from the chunks of a Chat Completions stream."""

from typing import Any

import msgspec

from vtcode.messages import AssistantMessage, Finish, ToolCall, Usage
from vtcode.providers import MalformedReply, ReasoningDelta, TextDelta

MAX_REPLY = 16 << 20
"""Characters of one reply; more is a server gone wrong."""

MAX_CALLS = 64
"""Calls of one reply; the same."""


# Chunks are read leniently: every server leaves something out.


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _CallPiece(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_CallPiece] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: object = None


class _Usage(msgspec.Struct):
    prompt_tokens: object = None
    completion_tokens: object = None
    prompt_tokens_details: _PromptDetails | None = None


class _Progress(msgspec.Struct):
    total: int = 0
    processed: int = 0


class ErrorObject(msgspec.Struct):
    message: str = ""
    code: str | int | None = None


class Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    prompt_progress: _Progress | None = None
    error: ErrorObject | str | None = None


class _Call(msgspec.Struct):
    """A call while its pieces come in."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class Assembly:
    """A reply while its chunks come in."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.is_ended = False
        self.processed = 0
        self.total = 0
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
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
        for choice in (chunk.choices or [])[:1]:
            if choice.finish_reason:
                self._finish, self.is_ended = choice.finish_reason, True
            delta = choice.delta or _Delta()
            if thought := delta.reasoning_content or delta.reasoning:
                self._reasoning.append(thought)
                deltas.append(ReasoningDelta(thought))
            if delta.content:
                self._text.append(delta.content)
                deltas.append(TextDelta(delta.content))
            for piece in delta.tool_calls or []:
                self._add_call(piece)
            self._size += sum(len(delta.text) for delta in deltas)
        if self._size > MAX_REPLY or len(self._calls) > MAX_CALLS:
            raise MalformedReply(
                f"The reply passed {MAX_REPLY >> 20} million characters or {MAX_CALLS} calls without an end. Try "
                "again, or another model."
            )
        return deltas

    def end(self) -> None:
        """Take note of the marker that ends a stream; after nothing at all it ends no answer."""
        self.is_ended = self.is_ended or bool(self._text or self._calls)

    def _add_call(self, piece: _CallPiece) -> None:
        call = self._call_of(piece)
        function = piece.function or _Function()
        # Some servers repeat the name with each piece.
        if function.name and function.name != call.name:
            call.name += function.name
        arguments = function.arguments or ""
        call.arguments += arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        self._size += len(piece.id or "") + len(function.name or "") + len(arguments)

    def _call_of(self, piece: _CallPiece) -> _Call:
        """Find the call that a piece belongs to: by its index, else by its id, else the newest."""
        known: _Call | None = None
        if piece.index is not None:
            known = self._by_index.get(piece.index)
            # Some servers give all calls the index 0; then another id opens another call.
            if known is not None and piece.id and known.id and piece.id != known.id:
                known = None
        elif piece.id:
            known = next((call for call in self._calls if call.id == piece.id), None)
        elif self._calls:
            known = self._calls[-1]
        if known is None:
            known = _Call(id=piece.id or "")
            self._calls.append(known)
        if piece.index is not None:
            self._by_index[piece.index] = known
        return known

    def message(self) -> AssistantMessage:
        """Give the whole reply. A reply that was cut runs no call: its arguments may be half of what was meant."""
        calls: list[ToolCall] = []
        for index, call in enumerate(self._calls):
            # An id that is missing or taken would leave a result without its call.
            is_fresh = call.id and all(call.id != other.id for other in calls)
            calls.append(ToolCall(call.id if is_fresh else f"call_{index}", call.name, call.arguments or "{}"))
        was_cut = self._finish in {"length", "content_filter"}
        finish = Finish.LENGTH if was_cut else Finish.TOOLS if calls else Finish.STOP
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
    return Usage(*(_count(value) for value in (usage.prompt_tokens, cached, usage.completion_tokens)))


def _count(value: object) -> int:
    """Take a number of tokens as far as it makes sense: nothing depends on it but what a person is shown."""
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 1 << 40 else 0
