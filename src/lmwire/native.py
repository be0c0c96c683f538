"""LM Studio's own REST API for models: the lists of `/api/v0` and `/api/v1`, load and unload.

Members that the original does not have are marked; they are what `lmstudio ps` shows.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lmwire.models import ModelState

# /api/v0 ------------------------------------------------------------------------------------------------


class V0Model(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `GET /api/v0/models`. Its readers know no other formats and states than these."""

    id: str
    object: Literal["model"] = "model"
    type: Literal["llm", "embeddings"]
    publisher: str
    arch: str
    compatibility_type: Literal["gguf"] = "gguf"
    quantization: str
    state: ModelState
    max_context_length: int
    loaded_context_length: int | UnsetType = UNSET
    capabilities: list[str] = []


class V0List(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `GET /api/v0/models`."""

    object: Literal["list"] = "list"
    data: list[V0Model]


# /api/v1 ------------------------------------------------------------------------------------------------


class Quantization(msgspec.Struct, frozen=True):
    name: str
    bits_per_weight: float | None


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    vision: bool = False
    trained_for_tool_use: bool


class LoadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is loaded."""

    context_length: int
    parallel: int
    """Requests that are computed together."""
    eval_batch_size: int | UnsetType = UNSET
    """Tokens of a prompt that are read at a time."""


class LoadedInstance(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded model; members after `config` are ours."""

    id: str
    config: LoadConfig
    status: Literal["idle", "loading", "generating", "embedding"]
    in_flight: int
    """Requests that are computed now."""
    queued: int
    ttl_seconds: int | None
    """Seconds without a request after which it is let go; null means never."""
    idle_seconds: float
    """Seconds since its last request ended; 0 while it is in use."""
    size_bytes: int
    """The memory that it takes, estimated."""
    load_progress: float | None = None
    """Which share of it is in memory, from 0 to 1, while it loads; null otherwise, and where that is not known."""


class NativeModel(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `GET /api/v1/models`."""

    type: Literal["llm", "embedding"]
    publisher: str
    key: str
    display_name: str
    architecture: str | None
    quantization: Quantization | None
    size_bytes: int
    params_string: str | None
    loaded_instances: list[LoadedInstance]
    max_context_length: int
    format: Literal["gguf", "onnx"] | None
    capabilities: Capabilities | UnsetType = UNSET
    """Absent for embedding models."""
    description: None = None


class NativeList(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `GET /api/v1/models`."""

    models: list[NativeModel]


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /api/v1/models/load`; `parallel`, `ttl`, `gpu` and `draft_model` are ours."""

    model: Annotated[str, Meta(min_length=1)]
    context_length: Annotated[int, Meta(ge=16, le=1 << 31)] | None = None
    eval_batch_size: Annotated[int, Meta(ge=16, le=16384)] | None = None
    parallel: Annotated[int, Meta(ge=1, le=256)] | None = None
    ttl: Annotated[int, Meta(ge=1, le=366 * 86_400)] | None = None
    """Seconds without a request after which it is let go; without it the model stays."""
    gpu: Literal["off", "max"] | Annotated[float, Meta(ge=0, le=1)] | None = None
    """How much of the model is computed on a GPU."""
    draft_model: str | None = None
    """The id of a smaller model that guesses ahead."""
    echo_load_config: bool = False


class LoadReply(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a load that succeeded."""

    type: Literal["llm", "embedding"]
    instance_id: str
    load_time_seconds: float
    status: Literal["loaded"] = "loaded"
    load_config: LoadConfig | UnsetType = UNSET


class UnloadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /api/v1/models/unload`; `force` is ours, and cuts off requests that use the model."""

    instance_id: Annotated[str, Meta(min_length=1)]
    force: bool = False


class UnloadReply(msgspec.Struct, frozen=True, kw_only=True):
    instance_id: str


# Who is there -------------------------------------------------------------------------------------------


class Greeting(msgspec.Struct, frozen=True):
    """The body of `GET /lmstudio-greeting`."""

    lmstudio: bool = True


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `GET /lms-status`."""

    package: str
    version: str
