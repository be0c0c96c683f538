"""Chat Completions: request, response and chunk, as OpenAI's API reference shapes them.

Requests are read leniently where known clients differ (unknown keys, tool entries of other types) and
strictly where a value would have an effect. Responses write every member that OpenAI's schema requires,
null ones included.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lmwire.sampling import SamplingRequest, TokenLimit

JsonObject = dict[str, Any]

FinishReason = Literal["stop", "length", "tool_calls"]


# Content parts of a request -----------------------------------------------------------------------------


class TextPart(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """A run of text."""

    text: str


class ImageUrl(msgspec.Struct, frozen=True):
    """Where an image is: a `data:` URL."""

    url: str


class ImagePart(msgspec.Struct, frozen=True, tag_field="type", tag="image_url"):
    """An image for a model that sees."""

    image_url: ImageUrl


class RefusalPart(msgspec.Struct, frozen=True, tag_field="type", tag="refusal"):
    """A refusal that the assistant gave earlier."""

    refusal: str


ContentPart = TextPart | ImagePart | RefusalPart
Content = str | list[ContentPart] | None


# Messages of a request ----------------------------------------------------------------------------------


class FunctionCall(msgspec.Struct, frozen=True):
    """The function that a call names, and its arguments as raw JSON text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call that an assistant message asked for."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class SystemMessage(msgspec.Struct, frozen=True, tag_field="role", tag="system"):
    content: Content


class DeveloperMessage(msgspec.Struct, frozen=True, tag_field="role", tag="developer"):
    content: Content


class UserMessage(msgspec.Struct, frozen=True, tag_field="role", tag="user"):
    content: Content


class AssistantMessage(msgspec.Struct, frozen=True, tag_field="role", tag="assistant"):
    content: Content = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: JsonObject | None = None
    """The old form of `tool_calls`; refused by name."""


class ToolMessage(msgspec.Struct, frozen=True, tag_field="role", tag="tool"):
    tool_call_id: str
    content: Content


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


# The request --------------------------------------------------------------------------------------------


class FunctionDefinition(msgspec.Struct, frozen=True):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True):
    """An offered tool. Entries of a type other than `function` are accepted and left out."""

    type: str
    function: FunctionDefinition | None = None


class NamedFunction(msgspec.Struct, frozen=True):
    name: str


class NamedToolChoice(msgspec.Struct, frozen=True):
    """The demand that one function be called."""

    type: Literal["function"]
    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedToolChoice


class TextFormat(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """Free text: the default."""


class JsonObjectFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class JsonSchema(msgspec.Struct, frozen=True):
    """A named schema; some senders write `strict` as a string."""

    name: str = "response"
    schema: JsonObject | None = None
    description: str | None = None
    strict: bool | str | None = None


class JsonSchemaFormat(msgspec.Struct, frozen=True, tag_field="type", tag="json_schema"):
    """JSON that a schema accepts."""

    json_schema: JsonSchema


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


class TemplateArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The variables of a chat template that a request may set."""

    enable_thinking: bool | None = None
    reasoning_effort: str | None = None


class ChatRequest(SamplingRequest, frozen=True, kw_only=True):
    """The body of `POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_tokens: TokenLimit | None = None
    """Deprecated by OpenAI and sent by most; LM Studio's -1 means "no limit of mine"."""
    max_completion_tokens: Annotated[int, Meta(ge=1, le=1 << 31)] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    chat_template_kwargs: TemplateArguments | None = None
    """llama.cpp's extension; of the template's variables only those of thinking."""
    return_progress: bool | None = None
    """Ask for chunks that tell how far the prompt is read; llama.cpp's extension."""
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None

    # What changes nothing here: bookkeeping of the sender's, and hints.
    store: bool | None = None
    """Completions are not stored here; agents send it to every server."""
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    """The cache here goes by the prompt itself."""
    prompt_cache_retention: str | None = None
    prediction: JsonObject | None = None
    """A hint for speed only."""

    # What is refused by name unless it says what is the case anyhow.
    service_tier: str | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: JsonObject | None = None
    web_search_options: JsonObject | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    chat_template: str | None = None


# The response -------------------------------------------------------------------------------------------


class PromptTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int = 0


class CompletionTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int = 0


class Usage(msgspec.Struct, frozen=True):
    """Tokens spent on one request; `cached_tokens` of the prompt cost no work."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


class TopLogprob(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token of the reply with the natural logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[TopLogprob]


class ChoiceLogprobs(msgspec.Struct, frozen=True):
    content: list[TokenLogprob] | None
    refusal: None = None


class ReplyMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What the assistant said. `reasoning_content` is DeepSeek's member, which local servers adopted."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    index: int = 0
    message: ReplyMessage
    logprobs: ChoiceLogprobs | None = None
    finish_reason: FinishReason


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a finished answer that was not streamed."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str


class FunctionCallDelta(msgspec.Struct, frozen=True):
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a call: the first has id and name, the later ones only arguments."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: FunctionCallDelta


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | None | UnsetType = UNSET
    reasoning_content: str | None | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int = 0
    delta: Delta
    logprobs: ChoiceLogprobs | None = None
    finish_reason: FinishReason | None = None


class PromptProgress(msgspec.Struct, frozen=True):
    """How far the prompt is read, in tokens; llama.cpp's extension, sent to those who ask for it."""

    total: int = 0
    cache: int = 0
    processed: int = 0


class ChatChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    usage: Usage | None | UnsetType = UNSET
    prompt_progress: PromptProgress | UnsetType = UNSET
