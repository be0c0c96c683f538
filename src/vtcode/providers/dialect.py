"""What the two APIs have in common: a request body, a reader of its events, and calls written back."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from vtcode.messages import AssistantMessage, ToolCall
from vtcode.providers import JsonObject, ReasoningDelta, Request, TextDelta
from vtcode.providers.assembly import ErrorObject
from vtcode.providers.draft import Draft


class ServerError(Exception):
    """The server told of an error in the middle of a stream."""

    def __init__(self, error: ErrorObject) -> None:
        super().__init__(error.message)
        self.error = error


class Reader(Protocol):
    """A reply while its events come in."""

    @property
    def draft(self) -> Draft: ...

    @property
    def is_ended(self) -> bool:
        """Tell whether the marker was seen without which a stream is no answer."""
        ...

    @property
    def processed(self) -> int:
        """Tokens of the prompt that were read, of `total`, where the server tells."""
        ...

    @property
    def total(self) -> int: ...

    def read(self, data: str) -> Sequence[TextDelta | ReasoningDelta]:
        """Take in the data of one event, and give what of it can be shown.

        Raises:
            ServerError: when it is an error of the server's.
            msgspec.MsgspecError: when it is nothing that belongs here.
        """
        ...

    def message(self) -> AssistantMessage: ...


class Dialect(Protocol):
    """One of the APIs, as values."""

    @property
    def path(self) -> str:
        """Where it is, after the base URL."""
        ...

    @property
    def name(self) -> str: ...

    @property
    def droppable(self) -> Mapping[str, tuple[str, ...]]:
        """Give the members that a request can do without, each with the words that a refusal names it by."""
        ...

    def body(self, request: Request) -> JsonObject:
        """Write the request. What is the same all session long comes first, so that bodies share their beginning."""
        ...

    def reader(self, model: str) -> Reader: ...


def arguments_of(call: ToolCall) -> str:
    """Write a call's arguments back; malformed ones would be refused by the server, or break its template."""
    try:
        msgspec.json.decode(call.arguments, type=JsonObject)
    except (msgspec.MsgspecError, RecursionError):
        return msgspec.json.encode({"malformed": call.arguments}).decode()
    return call.arguments
