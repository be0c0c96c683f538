"""Items of the Responses API: what a conversation is made of, as clients send it and as we keep and send it."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

JsonObject = dict[str, Any]

Role = Literal["user", "assistant", "system", "developer"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]
Name = Annotated[str, Meta(min_length=1, max_length=256)]


# Content parts ------------------------------------------------------------------------------------------


class InputText(msgspec.Struct, frozen=True, tag_field="type", tag="input_text"):
    """A run of text that is not the model's."""

    text: str


class InputImage(msgspec.Struct, frozen=True, tag_field="type", tag="input_image"):
    """An image for a model that sees, as a `data:` URL."""

    image_url: str | None = None
    detail: Literal["low", "high", "auto", "original"] = "auto"


class TopLogprob(msgspec.Struct, frozen=True):
    """A token that could have stood there, and the natural logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int]


class Logprob(TopLogprob, frozen=True):
    """A token of the text, and what else could have stood there."""

    top_logprobs: list[TopLogprob] = []


class OutputText(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    """A run of text that the model wrote."""

    text: str
    annotations: list[JsonObject] = []
    """Citations of built-in tools; ours has none, and a client's are not kept."""
    logprobs: list[Logprob] = []


class Refusal(msgspec.Struct, frozen=True, tag_field="type", tag="refusal"):
    """A refusal that the assistant gave earlier."""

    refusal: str


class ReasoningText(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    """What the model thought."""

    text: str


class SummaryText(msgspec.Struct, frozen=True, tag_field="type", tag="summary_text"):
    """A summary of what a model thought."""

    text: str


Part = InputText | InputImage | OutputText | Refusal


# Items, as they are kept and sent: every member is there ------------------------------------------------


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A message to or from the model."""

    id: str
    status: ItemStatus = "completed"
    role: Role
    content: list[Part]


class FunctionCall(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    """A call that the model asked for; `arguments` is JSON text."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus = "completed"


class FunctionCallOutput(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call_output"):
    """What a called function gave."""

    id: str
    call_id: str
    output: str | list[InputText | InputImage]
    status: ItemStatus = "completed"


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """What the model thought before it answered."""

    id: str
    summary: list[SummaryText] = []
    content: list[ReasoningText] = []
    status: ItemStatus = "completed"


Item = Message | FunctionCall | FunctionCallOutput | Reasoning


# Items, as clients send them: ids and statuses may be missing or null -------------------------------------


class PlainText(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """A run of text whose sender did not say whose it is."""

    text: str


class OutputTextParam(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    """A run of the model's text; annotations and probabilities change nothing and are not read."""

    text: str


class InputImageParam(msgspec.Struct, frozen=True, tag_field="type", tag="input_image"):
    image_url: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None
    file_id: str | None = None


PartParam = InputText | PlainText | OutputTextParam | InputImageParam | Refusal


class MessageParam(msgspec.Struct, frozen=True, kw_only=True):
    """A message; with or without `type: message`, so its members are read after a look at the type."""

    role: Role
    content: str | list[PartParam]
    id: Name | None = None


class FunctionCallParam(msgspec.Struct, frozen=True, kw_only=True):
    call_id: Name
    name: Name
    arguments: str
    id: Name | None = None


class FunctionCallOutputParam(msgspec.Struct, frozen=True, kw_only=True):
    call_id: Name
    output: str | list[InputText | PlainText | InputImageParam]
    id: Name | None = None


class ReasoningParam(msgspec.Struct, frozen=True, kw_only=True):
    """What the model thought; `encrypted_content` of other servers means nothing here."""

    summary: list[SummaryText] | None = None
    content: list[ReasoningText | PlainText] | None = None
    id: Name | None = None


class ItemReferenceParam(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a stored response, by its id."""

    id: Name


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the items that a response was asked with."""

    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str
    last_id: str
    has_more: bool
