"""The list of models: OpenAI's members, and what a client of a local server needs beside them."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

ModelState = Literal["loaded", "loading", "not-loaded"]


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `GET /v1/models`; members after `owned_by` are ours and LM Studio's own."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = ""
    type: Literal["llm", "embeddings"] | UnsetType = UNSET
    publisher: str | UnsetType = UNSET
    arch: str | UnsetType = UNSET
    quantization: str | UnsetType = UNSET
    format: Literal["gguf", "onnx"] | UnsetType = UNSET
    parameters: int | UnsetType = UNSET
    """How many weights the model has."""
    size_bytes: int | UnsetType = UNSET
    state: ModelState | UnsetType = UNSET
    max_context_length: int | UnsetType = UNSET
    """Tokens that the model was made for."""
    loaded_context_length: int | UnsetType = UNSET
    """Tokens that a request may use now; absent while the model is not loaded."""
    parallel: int | UnsetType = UNSET
    """Requests that are computed together; absent while the model is not loaded."""
    capabilities: list[str] | UnsetType = UNSET
    """`tool_use` when the model was trained to call tools; `vtcode_compact` when it was trained on the agent's
    compact prompts."""
    adapter: str | UnsetType = UNSET
    """The adapter that is laid over the model; absent where none is."""


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
