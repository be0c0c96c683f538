"""Which models a server has, read from the lists that servers write."""

from typing import cast
from urllib.parse import urlsplit

import msgspec

from vtcode.providers import ModelInfo
from vtcode.providers.decoding import decode


class _Meta(msgspec.Struct):
    """What llama.cpp tells beside the standard members."""

    n_params: object = None
    n_ctx_train: object = None
    size: object = None


class Card(msgspec.Struct):
    """A model as servers list it; members beyond the id differ in meaning and type, so they are looked at."""

    id: str
    type: object = None
    parameters: object = None
    quantization: object = None
    size_bytes: object = None
    state: object = None
    loaded_context_length: object = None
    max_context_length: object = None
    max_model_len: object = None
    """vLLM's word for the context."""
    context_length: object = None
    capabilities: object = None
    meta: object = None


class ModelList(msgspec.Struct):
    data: list[Card]


def read_models(content: bytes) -> list[ModelInfo]:
    """Read a list of models. Raises `msgspec.MsgspecError`."""
    return [_info(card) for card in decode(content, ModelList).data]


def native_url(base_url: str) -> str:
    """Give the address of LM Studio's own list: on the same origin, beside the API and not below it."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/v1')}/api/v0/models"


class _Reasoning(msgspec.Struct):
    allowed_options: list[str]


class _Abilities(msgspec.Struct):
    reasoning: _Reasoning | None = None


class _Instance(msgspec.Struct):
    load_progress: float | None = None
    """Ours; LM Studio tells it in the stream of a chat only."""


class _NativeCard(msgspec.Struct):
    key: str
    capabilities: object = None
    loaded_instances: list[_Instance] = []


class _NativeList(msgspec.Struct):
    models: list[_NativeCard]


def api_url(base_url: str, path: str) -> str:
    """Give an address of LM Studio's own API of 2026, on the same origin."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/v1')}/api/v1/{path}"


def read_efforts(content: bytes, model: str) -> tuple[str, ...]:
    """Read how much a model can be told to think; nothing for one that cannot. Raises `msgspec.MsgspecError`."""
    for card in decode(content, _NativeList).models:
        if card.key == model and isinstance(card.capabilities, dict):
            reasoning = msgspec.convert(cast("dict[str, object]", card.capabilities), _Abilities).reasoning
            return tuple(reasoning.allowed_options) if reasoning is not None else ()
    return ()


def read_progress(content: bytes, model: str) -> float | None:
    """Read which share of a model is loaded; None where that is not said. Raises `msgspec.MsgspecError`."""
    cards = [card for card in decode(content, _NativeList).models if card.key == model]
    shares = [instance.load_progress for card in cards for instance in card.loaded_instances]
    return next((share for share in shares if share is not None and 0 <= share <= 1), None)


def is_bare(models: list[ModelInfo]) -> bool:
    """Tell whether a list has ids and nothing that a client could plan with."""
    return bool(models) and all(model.is_loaded is None and model.context_length is None for model in models)


def completed(models: list[ModelInfo], native: list[ModelInfo]) -> list[ModelInfo]:
    """Take what the native list tells of the same models."""
    told = {model.id: model for model in native}
    return [told.get(model.id, model) for model in models]


def _info(card: Card) -> ModelInfo:
    meta = _read_meta(card.meta)
    contexts = (card.loaded_context_length, card.max_context_length, card.max_model_len, card.context_length)
    return ModelInfo(
        id=card.id,
        is_chat=card.type not in {"embeddings", "embedding"},
        parameters=_count(card.parameters, meta.n_params),
        context_length=_count(*contexts, meta.n_ctx_train),
        is_loaded=card.state == "loaded" if isinstance(card.state, str) else None,
        trained_for_tools=_has(card.capabilities, "tool_use"),
        trained_for_compact=bool(_has(card.capabilities, "vtcode_compact")),
        quantization=card.quantization if isinstance(card.quantization, str) else None,
        size_bytes=_count(card.size_bytes, meta.size),
    )


def _read_meta(value: object) -> _Meta:
    try:
        return msgspec.convert(value, _Meta) if isinstance(value, dict) else _Meta()
    except msgspec.ValidationError:
        return _Meta()


def _has(value: object, capability: str) -> bool | None:
    if isinstance(value, list):
        return capability in cast("list[object]", value)
    return None


def _count(*values: object) -> int | None:
    """Take the first that is a sensible number."""
    return next((value for value in values if type(value) is int and 0 < value < 1 << 50), None)
