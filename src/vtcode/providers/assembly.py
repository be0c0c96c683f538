"""Puts a reply together from the chunks of a Chat Completions stream."""

from typing import Any

import msgspec

from vtcode.messages import AssistantMessage, Usage
from vtcode.providers import ReasoningDelta, TextDelta
from vtcode.providers.draft import CallDraft, Draft, count

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
    param: object = None


class Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    prompt_progress: _Progress | None = None
    error: ErrorObject | str | None = None


class Assembly:
    """A reply while its chunks come in."""

    def __init__(self, model: str) -> None:
        self.draft = Draft(model)
        self.is_ended = False
        self.processed = 0
        self.total = 0
        self._by_index: dict[int, CallDraft] = {}

    def add(self, chunk: Chunk) -> list[TextDelta | ReasoningDelta]:
        """Take in one chunk, and give what of it can be shown."""
        draft = self.draft
        draft.count_piece()
        deltas: list[TextDelta | ReasoningDelta] = []
        if chunk.prompt_progress:
            self.processed, self.total = chunk.prompt_progress.processed, chunk.prompt_progress.total
        if chunk.usage:
            draft.usage = _usage(chunk.usage)
        for choice in (chunk.choices or [])[:1]:
            if choice.finish_reason:
                self.is_ended = True
                draft.is_cut = choice.finish_reason in {"length", "content_filter"}
            delta = choice.delta or _Delta()
            if thought := delta.reasoning_content or delta.reasoning:
                deltas.append(draft.think(thought))
            if delta.content:
                deltas.append(draft.say(delta.content))
            for piece in delta.tool_calls or []:
                self._add_call(piece)
        return deltas

    def end(self) -> None:
        """Take note of the marker that ends a stream; after nothing at all it ends no answer."""
        self.is_ended = self.is_ended or self.draft.has_answer

    def message(self) -> AssistantMessage:
        """Give the whole reply."""
        return self.draft.message()

    def _add_call(self, piece: _CallPiece) -> None:
        call = self._call_of(piece)
        function = piece.function or _Function()
        # Some servers repeat the name with each piece.
        if function.name and function.name != call.name:
            call.name += function.name
        arguments = function.arguments or ""
        self.draft.extend_call(
            call, arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        )

    def _call_of(self, piece: _CallPiece) -> CallDraft:
        """Find the call that a piece belongs to: by its index, else by its id, else the newest."""
        known: CallDraft | None = None
        calls = self.draft.calls
        if piece.index is not None:
            known = self._by_index.get(piece.index)
            # Some servers give all calls the index 0; then another id opens another call.
            if known is not None and piece.id and known.id and piece.id != known.id:
                known = None
        elif piece.id:
            known = next((call for call in calls if call.id == piece.id), None)
        elif calls:
            known = calls[-1]
        if known is None:
            known = self.draft.open_call(piece.id or "")
        if piece.index is not None:
            self._by_index[piece.index] = known
        return known


def _usage(usage: _Usage) -> Usage:
    details = usage.prompt_tokens_details
    cached = details.cached_tokens if details else None
    return Usage(count(usage.prompt_tokens), count(cached), count(usage.completion_tokens))
