"""What a provider is: a model behind a server, its deltas, its errors, and where to find one by name."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

import msgspec

from vtcode.messages import AssistantMessage, Message
from vtcode.providers.presets import PRESETS, Api, Preset

JsonObject = dict[str, Any]


# Errors: each carries the sentence for the user, and what to do ------------------------------------------


class ProviderError(Exception):
    """A request that did not come to a reply. The text is what happened and what to do next."""


class Unreachable(ProviderError):
    """Nothing answers at the address."""


class Refused(Unreachable):
    """Nothing listens at the address at all."""


class Unauthorised(ProviderError):
    """The server wants another key."""


class ModelNotFound(ProviderError):
    """The server has no such model."""


class ModelLoadFailed(ProviderError):
    """The server has the model and could not load it."""


class ContextOverflow(ProviderError):
    """The conversation is longer than the loaded context."""


class RateLimited(ProviderError):
    """The server has too much to do."""


class Rejected(ProviderError):
    """The server refused the request, its tools or its schema."""


class NoEndpoint(Rejected):
    """The server has nothing at the path that was asked for."""


class MalformedReply(ProviderError):
    """What came back is not the API that was asked for."""


class Interrupted(ProviderError):
    """The stream ended before the reply did."""


class Stalled(ProviderError):
    """Nothing came for a long time."""


class Endless(ProviderError):
    """The model repeats itself, or writes more than any reply can be."""


# Values --------------------------------------------------------------------------------------------------


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as a model sees it."""

    name: str
    description: str
    parameters: JsonObject


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One step to ask for."""

    model: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    may_call: bool = True
    """False asks for a reply without calls; the tools stay in the prompt, which would be another without them."""
    schema: JsonObject | None = None
    """The reply must be JSON that this accepts."""
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    """Texts that end the reply before they are said."""
    reasoning_effort: str | None = None
    """How much the model is to think; left out for a model that does not take it."""
    parallel_tool_calls: bool | None = None
    """Whether one reply may hold several calls; None leaves it to the server."""
    stall_timeout: float = 600.0
    """Seconds of silence after which the request is given up."""


class TextDelta(msgspec.Struct, frozen=True):
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True):
    text: str


class Waiting(msgspec.Struct, frozen=True):
    """Nothing has come for a while; the prompt's progress, where the server tells it."""

    seconds: float
    """Since the request was sent, or since something came."""
    processed: int = 0
    total: int = 0


class Retrying(msgspec.Struct, frozen=True):
    """The request failed before anything was said, and is made again."""

    reason: str
    attempt: int
    """Which one this will be, from 2."""
    seconds: float
    """Until then."""


class Note(msgspec.Struct, frozen=True):
    """A sentence for the user that changes nothing by itself."""

    text: str


class Completed(msgspec.Struct, frozen=True):
    """The end of every stream that did not raise."""

    message: AssistantMessage


Delta = TextDelta | ReasoningDelta | Waiting | Retrying | Note | Completed


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says of a model; None where it says nothing."""

    id: str
    is_chat: bool = True
    parameters: int | None = None
    """How many weights it has."""
    context_length: int | None = None
    """Tokens that a request may use: what is loaded, else what the model was made for."""
    is_loaded: bool | None = None
    trained_for_tools: bool | None = None
    trained_for_compact: bool = False
    """Whether it was trained on the very prompts of the compact profile."""
    quantization: str | None = None
    size_bytes: int | None = None


class Endpoint(msgspec.Struct, frozen=True):
    """Where a provider is, the key for it, and how it is spoken of."""

    base_url: str
    key: str | None = None
    preset: Preset = PRESETS["lmstudio"]
    api: Api = "auto"

    def __repr__(self) -> str:
        """Leave the key out: reprs end up in logs and traces."""
        return f"Endpoint({self.base_url!r}, {self.preset.label!r}, {self.api!r})"


class Provider(Protocol):
    """A server that has models."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it is, and how it is spoken of."""
        ...

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Delta]:
        """Ask for one reply. The stream ends with `Completed` or raises a `ProviderError`."""
        ...

    async def models(self) -> list[ModelInfo]:
        """List the models. Raises a `ProviderError`."""
        ...

    async def efforts(self, model: str) -> tuple[str, ...]:
        """Tell how much a model can be told to think; nothing where it cannot, or the server does not say."""
        ...

    async def load(self, model: str, tell: Callable[[float], None]) -> bool:
        """Have a model loaded now; False where the server loads it with the first request only.

        Args:
            model: its id.
            tell: told how far it is, as a share of 1, where the server says.

        Raises:
            ProviderError: when it cannot be loaded.
        """
        ...

    async def unload(self, model: str) -> bool:
        """Have a model let go; False where it is not loaded, or the server cannot. Raises a `ProviderError`."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def connect(endpoint: Endpoint) -> Provider:
    """Make the provider at that address; nothing is sent yet."""
    # The HTTP client costs a third of the start-up time, so a run that asks nothing never imports it.
    from vtcode.providers.http import HttpProvider

    return HttpProvider(endpoint)


PROVIDERS = PRESETS
"""The providers that are known by name."""
