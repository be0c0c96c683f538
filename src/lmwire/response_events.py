"""Stream events of the Responses API; `sequence_number` counts them from 0."""

import msgspec

from lmwire.response_items import Item, Logprob, OutputText, ReasoningText
from lmwire.responses import Response


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    sequence_number: int


# The response as a whole --------------------------------------------------------------------------------


class Created(_Event, frozen=True, kw_only=True, tag="response.created"):
    response: Response


class InProgress(_Event, frozen=True, kw_only=True, tag="response.in_progress"):
    response: Response


class Completed(_Event, frozen=True, kw_only=True, tag="response.completed"):
    response: Response


class Incomplete(_Event, frozen=True, kw_only=True, tag="response.incomplete"):
    """The end of a response that was cut: by its token limit, or by a cancellation."""

    response: Response


class Failed(_Event, frozen=True, kw_only=True, tag="response.failed"):
    response: Response


# One item -----------------------------------------------------------------------------------------------


class ItemAdded(_Event, frozen=True, kw_only=True, tag="response.output_item.added"):
    output_index: int
    item: Item


class ItemDone(_Event, frozen=True, kw_only=True, tag="response.output_item.done"):
    output_index: int
    item: Item


class _PartEvent(_Event, frozen=True, kw_only=True):
    item_id: str
    output_index: int
    content_index: int = 0


class PartAdded(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.added"):
    part: OutputText | ReasoningText


class PartDone(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.done"):
    part: OutputText | ReasoningText


class TextDelta(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.delta"):
    delta: str
    logprobs: list[Logprob] = []


class TextDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.done"):
    text: str
    logprobs: list[Logprob] = []


class ReasoningDelta(_PartEvent, frozen=True, kw_only=True, tag="response.reasoning_text.delta"):
    delta: str


class ReasoningDone(_PartEvent, frozen=True, kw_only=True, tag="response.reasoning_text.done"):
    text: str


class ArgumentsDelta(_Event, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"):
    item_id: str
    output_index: int
    delta: str


class ArgumentsDone(_Event, frozen=True, kw_only=True, tag="response.function_call_arguments.done"):
    item_id: str
    output_index: int
    name: str
    arguments: str


Event = (
    Created
    | InProgress
    | Completed
    | Incomplete
    | Failed
    | ItemAdded
    | ItemDone
    | PartAdded
    | PartDone
    | TextDelta
    | TextDone
    | ReasoningDelta
    | ReasoningDone
    | ArgumentsDelta
    | ArgumentsDone
)


def name_of(event: Event) -> str:
    """Give the name under which an event is sent: its type."""
    return str(event.__struct_config__.tag)
