"""The Responses API: request and response, as OpenAI's reference and the Open Responses specification shape them.

Members that the specification requires are written even when they are null.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lmwire.response_items import Item, JsonObject

Status = Literal["completed", "failed", "in_progress", "cancelled", "incomplete"]

ToolMode = Literal["none", "auto", "required"]


# Text format --------------------------------------------------------------------------------------------


class TextFormat(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """Free text: the default."""


class JsonObjectFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class JsonSchemaFormat(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="json_schema"):
    """JSON that a schema accepts; it is always enforced, whatever `strict` says."""

    name: Annotated[str, Meta(max_length=256)] = "response"
    description: str | None = None
    schema: JsonObject
    strict: bool | None = None


Format = TextFormat | JsonObjectFormat | JsonSchemaFormat

Verbosity = Literal["low", "medium", "high"]


class TextParam(msgspec.Struct, frozen=True):
    """How the text of a reply is to be; `verbosity` is for models of OpenAI's and changes nothing here."""

    format: Format | None = None
    verbosity: Verbosity | None = None


class Text(msgspec.Struct, frozen=True):
    """How the text of a reply was to be."""

    format: Format
    verbosity: Verbosity | UnsetType = UNSET


# Tools --------------------------------------------------------------------------------------------------


class FunctionToolParam(msgspec.Struct, frozen=True):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """A function that the model could call."""

    name: str
    description: str | None
    parameters: JsonObject | None
    strict: bool | None


class FunctionChoice(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    """The demand that one function be called."""

    name: str


class AllowedTools(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allowed_tools"):
    """The demand that only some of the tools be offered."""

    mode: ToolMode = "auto"
    tools: Annotated[list[FunctionChoice], Meta(min_length=1)]


ToolChoice = ToolMode | FunctionChoice | AllowedTools


# The request --------------------------------------------------------------------------------------------


class ReasoningOptions(msgspec.Struct, frozen=True):
    """How much the model is to think. A `summary` is never made: the reasoning itself is sent."""

    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    include_obfuscation: bool | None = None


Penalty = Annotated[float, Meta(ge=-2, le=2)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
Label = Annotated[str, Meta(max_length=4096)]


class ResponsesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/responses`. A null means the same as a missing key."""

    model: str = ""
    input: str | list[JsonObject] | None = None
    """Text of the user's, or items; nothing at all only loads the model."""
    instructions: str | None = None
    """Stands before the conversation, and is not carried over to the next response."""
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=1 << 31)] | None = None
    max_tool_calls: Annotated[int, Meta(ge=1, le=1 << 31)] | None = None
    """Limits calls of built-in tools, which do not exist here."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    top_k: Annotated[int, Meta(ge=0, le=1 << 31)] | None = None
    min_p: Probability | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    seed: Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None = None
    tools: list[JsonObject] | None = None
    tool_choice: ToolMode | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    text: TextParam | None = None
    reasoning: ReasoningOptions | None = None
    include: list[str] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    metadata: Metadata | None = None
    user: Label | None = None
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None
    service_tier: Label | None = None
    truncation: Literal["auto", "disabled"] | None = None
    background: bool | None = None
    conversation: Any = None
    prompt: Any = None
    ttl: Annotated[int, Meta(ge=1, le=1 << 31)] | None = None
    """Seconds without a request after which the model may be let go; LM Studio's extension."""


# The response -------------------------------------------------------------------------------------------


class InputTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    """What OpenAI bills for the writing of its cache; ours costs nothing."""


class OutputTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int = 0


class Usage(msgspec.Struct, frozen=True):
    """Tokens spent on one response."""

    input_tokens: int = 0
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int = 0


class IncompleteDetails(msgspec.Struct, frozen=True):
    reason: Literal["max_output_tokens"]


FailureCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]


class Failure(msgspec.Struct, frozen=True):
    """Why a response failed after it had begun."""

    code: FailureCode
    message: str


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response, finished or not."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Status = "in_progress"
    background: bool = False
    error: Failure | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    model: str
    output: list[Item] = []
    parallel_tool_calls: bool
    previous_response_id: str | None
    prompt_cache_key: str | None
    reasoning: ReasoningOptions
    safety_identifier: str | None
    service_tier: Literal["default"] = "default"
    store: bool
    temperature: float
    text: Text
    tool_choice: ToolChoice
    tools: list[FunctionTool]
    top_logprobs: int
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    truncation: Literal["disabled"] = "disabled"
    usage: Usage | None = None
    user: str | None
    metadata: dict[str, str]


class Deleted(msgspec.Struct, frozen=True):
    """The answer to a deletion."""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True
