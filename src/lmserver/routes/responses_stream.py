"""Pieces of an engine → a response that grows, and the events that tell of it."""

import time
from typing import assert_never

import msgspec

from lmserver.engines import (
    CallPiece,
    Finished,
    GeneratedToken,
    Progress,
    ReasoningPiece,
    TextPiece,
    TokenProbability,
)
from lmserver.errors import ApiError
from lmserver.routes.responses_items import new_id
from lmwire import response_events as events
from lmwire import response_items as items
from lmwire import responses as wire
from lmwire.chat import Usage
from lmwire.response_events import Event


class _OpenItem:
    """The item that the model is writing now."""

    def __init__(self, index: int, kind: type[TextPiece] | type[ReasoningPiece], call: CallPiece | None) -> None:
        self.index = index
        self.kind = CallPiece if call else kind
        self.call_index = call.index if call else None
        self._call = call
        prefix = "fc" if call else "msg" if kind is TextPiece else "rs"
        self.id = new_id(prefix)
        self.written: list[str] = []
        self.logprobs: list[items.Logprob] = []

    @property
    def text(self) -> str:
        return "".join(self.written)

    def part(self) -> items.OutputText | items.ReasoningText:
        if self.kind is TextPiece:
            return items.OutputText(self.text, logprobs=list(self.logprobs))
        return items.ReasoningText(self.text)

    def item(self, status: items.ItemStatus) -> items.Item:
        if self._call is not None:
            call = self._call
            return items.FunctionCall(id=self.id, call_id=call.id, name=call.name, arguments=self.text, status=status)
        content = [] if status == "in_progress" and not self.written else [self.part()]
        if self.kind is TextPiece:
            parts = [part for part in content if isinstance(part, items.OutputText)]
            return items.Message(id=self.id, status=status, role="assistant", content=[*parts])
        thoughts = [part for part in content if isinstance(part, items.ReasoningText)]
        return items.Reasoning(id=self.id, status=status, content=thoughts)


class Writer:
    """Folds pieces into a response. Each method gives the events that tell what it changed."""

    def __init__(self, response: wire.Response) -> None:
        self._base = response
        self._done: list[items.Item] = []
        self._open: _OpenItem | None = None
        self._count = 0

    @property
    def response(self) -> wire.Response:
        """The response as it is now."""
        growing = [self._open.item("in_progress")] if self._open else []
        return msgspec.structs.replace(self._base, output=[*self._done, *growing])

    def begin(self, model: str) -> list[Event]:
        """Note the id of the model that answers."""
        self._base = msgspec.structs.replace(self._base, model=model)
        return [
            events.Created(sequence_number=self._next(), response=self.response),
            events.InProgress(sequence_number=self._next(), response=self.response),
        ]

    def take(self, piece: TextPiece | ReasoningPiece | CallPiece | Progress) -> list[Event]:
        """Add a piece of the reply."""
        match piece:
            case Progress():
                return []
            case TextPiece(text=text) | ReasoningPiece(text=text):
                told = self._switch(type(piece), None)
                logprobs = [_logprob(token) for token in piece.tokens] if isinstance(piece, TextPiece) else []
                return told + self._write(text, logprobs)
            case CallPiece(arguments=text):
                told = self._switch(ReasoningPiece, piece)
                return told + self._write(text, []) if text else told
            case _:
                assert_never(piece)

    def finish(self, end: Finished) -> list[Event]:
        """End as the engine ended; the events of the end itself come from `last`."""
        is_cut = end.reason == "length"
        told: list[Event] = []
        if not self._done and self._open is None and end.usage.total_tokens:
            # A reply of nothing is a message all the same: the conversation goes on from it. Only where nothing
            # was asked is there no message either.
            told += self._switch(TextPiece, None)
        told += self._close("incomplete" if is_cut else "completed")
        self._base = msgspec.structs.replace(
            self._base,
            status="incomplete" if is_cut else "completed",
            completed_at=None if is_cut else int(time.time()),
            incomplete_details=wire.IncompleteDetails("max_output_tokens") if is_cut else None,
            usage=_usage(end.usage),
        )
        return told

    def cancel(self) -> list[Event]:
        """End because somebody asked for it."""
        told = self._close("incomplete")
        self._base = msgspec.structs.replace(self._base, status="cancelled")
        return told

    def fail(self, error: ApiError) -> list[Event]:
        """End because the engine could not go on."""
        told = self._close("incomplete")
        code: wire.FailureCode = "server_error"
        if error.status < 500:
            code = "rate_limit_exceeded" if error.status == 429 else "invalid_prompt"
        failure = wire.Failure(code, error.body.message)
        self._base = msgspec.structs.replace(self._base, status="failed", error=failure)
        return told

    def not_stored(self) -> None:
        """Note that the response could not be kept after all."""
        self._base = msgspec.structs.replace(self._base, store=False)

    def last(self) -> Event:
        """Tell the end of the response."""
        number, response = self._next(), self.response
        match response.status:
            case "completed":
                return events.Completed(sequence_number=number, response=response)
            case "failed":
                return events.Failed(sequence_number=number, response=response)
            case "incomplete" | "cancelled" | "in_progress":
                return events.Incomplete(sequence_number=number, response=response)

    # One item -------------------------------------------------------------------------------------------

    def _switch(self, kind: type[TextPiece] | type[ReasoningPiece], call: CallPiece | None) -> list[Event]:
        """Close the item that is open and open another, unless the piece goes on with it."""
        call_index = call.index if call else None
        wanted = CallPiece if call else kind
        if self._open is not None and self._open.kind is wanted and self._open.call_index == call_index:
            return []
        told = self._close("completed")
        self._open = opened = _OpenItem(len(self._done), kind, call)
        told.append(
            events.ItemAdded(sequence_number=self._next(), output_index=opened.index, item=opened.item("in_progress"))
        )
        if call is None:
            told.append(
                events.PartAdded(
                    sequence_number=self._next(), item_id=opened.id, output_index=opened.index, part=opened.part()
                )
            )
        return told

    def _write(self, text: str, logprobs: list[items.Logprob]) -> list[Event]:
        assert self._open is not None, "an item was opened for the piece"
        item = self._open
        item.written.append(text)
        item.logprobs += logprobs
        number = self._next()
        if item.kind is TextPiece:
            return [
                events.TextDelta(
                    sequence_number=number,
                    item_id=item.id,
                    output_index=item.index,
                    delta=text,
                    logprobs=logprobs,
                )
            ]
        delta = events.ReasoningDelta if item.kind is ReasoningPiece else events.ArgumentsDelta
        return [delta(sequence_number=number, item_id=item.id, output_index=item.index, delta=text)]

    def _close(self, status: items.ItemStatus) -> list[Event]:
        if self._open is None:
            return []
        open_item, self._open = self._open, None
        item_id, index, text = open_item.id, open_item.index, open_item.text
        item = open_item.item(status)
        told: list[Event] = []
        if isinstance(item, items.FunctionCall):
            told.append(
                events.ArgumentsDone(
                    sequence_number=self._next(), item_id=item_id, output_index=index, name=item.name, arguments=text
                )
            )
        else:
            number = self._next()
            if open_item.kind is TextPiece:
                done = events.TextDone(
                    sequence_number=number,
                    item_id=item_id,
                    output_index=index,
                    text=text,
                    logprobs=list(open_item.logprobs),
                )
            else:
                done = events.ReasoningDone(sequence_number=number, item_id=item_id, output_index=index, text=text)
            part = events.PartDone(
                sequence_number=self._next(), item_id=item_id, output_index=index, part=open_item.part()
            )
            told += [done, part]
        self._done.append(item)
        told.append(events.ItemDone(sequence_number=self._next(), output_index=index, item=item))
        return told

    def _next(self) -> int:
        self._count += 1
        return self._count - 1


def _usage(usage: Usage) -> wire.Usage:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return wire.Usage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=wire.InputTokensDetails(prompt.cached_tokens if prompt else 0),
        output_tokens=usage.completion_tokens,
        output_tokens_details=wire.OutputTokensDetails(completion.reasoning_tokens if completion else 0),
        total_tokens=usage.total_tokens,
    )


def _logprob(token: GeneratedToken) -> items.Logprob:
    return items.Logprob(
        token.token,
        token.logprob,
        _bytes(token),
        [items.TopLogprob(other.token, other.logprob, _bytes(other)) for other in token.top],
    )


def _bytes(token: TokenProbability) -> list[int]:
    return list(token.token.encode()) if token.bytes is None else token.bytes
