"""LM Studio's own REST API for models: `/api/v0/models`, and `/api/v1/models` with load and unload."""

import time

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from lmserver import __version__
from lmserver.catalog import Model
from lmserver.errors import ApiError
from lmserver.guard import parse
from lmserver.pool import Resident
from lmserver.routes import Endpoint
from lmserver.routes.work import while_connected
from lmserver.service import Service
from lmserver.settings import ModelSettings
from lmwire import native
from lmwire.errors import ErrorCode
from lmwire.models import ModelCard


async def list_v0(request: Request) -> Response:
    """List the models in the shape of `/api/v0`."""
    service: Service = request.app.state.service
    return _json(native.V0List(data=[_v0(card) for card in service.cards() if _has_v0(card)]))


async def show_v0(request: Request) -> Response:
    """Describe one model in the shape of `/api/v0`."""
    service: Service = request.app.state.service
    card = service.card(request.path_params["name"])
    if not _has_v0(card):
        raise ApiError(
            404,
            f"{card.id} is not a GGUF model, and `/api/v0` knows no others. `/api/v1/models` lists it.",
            code=ErrorCode.MODEL_NOT_FOUND,
            param="model",
        )
    return _json(_v0(card))


async def list_v1(request: Request) -> Response:
    """List the models, and how those that are loaded fare."""
    service: Service = request.app.state.service
    present = service.pool.residents()
    scripted = [_scripted(name, present.get(name)) for name in service.settings.scripts]
    models = [_native(model, present.get(model.id)) for model in service.models()]
    return _json(native.NativeList(models=scripted + models))


async def load(request: Request) -> Response:
    """Load a model before its first request."""
    service: Service = request.app.state.service
    asked = await parse(request, native.LoadRequest)
    kind = "embedding" if service.card(asked.model).type == "embeddings" else "llm"
    started = time.monotonic()
    # A client that leaves does not end the load: it will be back, and others may wait too.
    resident = await while_connected(request, service.load(asked.model, _settings(service, asked)))
    return _json(
        native.LoadReply(
            type=kind,
            instance_id=resident.wanted.id,
            load_time_seconds=round(time.monotonic() - started, 3),
            load_config=_config(resident) if asked.echo_load_config else UNSET,
        )
    )


async def unload(request: Request) -> Response:
    """End a loaded model."""
    service: Service = request.app.state.service
    asked = await parse(request, native.UnloadRequest)
    return _json(native.UnloadReply(instance_id=await service.unload(asked.instance_id, is_forced=asked.force)))


async def greet(_: Request) -> Response:
    """Tell those who look for a server of this kind that it is one."""
    return _json(native.Greeting())


async def status(_: Request) -> Response:
    """Tell the version."""
    return _json(native.Status(package="lmstudio", version=__version__))


def _settings(service: Service, asked: native.LoadRequest) -> ModelSettings:
    if asked.draft_model is not None:
        # Named by its id alone: a path in a request must not reach the file system.
        service.find(asked.draft_model)
    return ModelSettings(
        context_length=asked.context_length,
        parallel=asked.parallel,
        batch=asked.eval_batch_size,
        ttl=asked.ttl,
        gpu_layers=_gpu_layers(service, asked),
        draft_model=asked.draft_model,
    )


def _gpu_layers(service: Service, asked: native.LoadRequest) -> int | None:
    match asked.gpu:
        case None:
            return None
        case "off":
            return 0
        case "max":
            return -1
        case float(share) | int(share):
            # The output layer counts as one more.
            return round(share * ((service.find(asked.model).header.block_count or 0) + 1))


def _has_v0(card: ModelCard) -> bool:
    # One entry of another format makes known readers of this list refuse all of it.
    return card.format == "gguf"


def _v0(card: ModelCard) -> native.V0Model:
    return native.V0Model(
        id=card.id,
        type=card.type or "llm",
        publisher=card.publisher or "",
        arch=card.arch or "",
        quantization=card.quantization or "",
        state=card.state or "not-loaded",
        max_context_length=card.max_context_length or 0,
        loaded_context_length=card.loaded_context_length,
        capabilities=card.capabilities or [],
    )


def _native(model: Model, resident: Resident | None) -> native.NativeModel:
    header = model.header
    is_llm = model.kind == "llm"
    bits = round(header.size_bytes * 8 / header.parameters, 2) if header.parameters else None
    return native.NativeModel(
        type="llm" if is_llm else "embedding",
        publisher=model.publisher,
        key=model.id,
        display_name=header.name or model.repo,
        architecture=header.architecture,
        quantization=native.Quantization(header.quantization, bits),
        size_bytes=header.size_bytes,
        params_string=header.size_label or None,
        loaded_instances=_instances(resident, model),
        max_context_length=header.context_length or 0,
        format=model.format,
        capabilities=native.Capabilities(trained_for_tool_use=model.trained_for_tool_use) if is_llm else UNSET,
    )


def _scripted(name: str, resident: Resident | None) -> native.NativeModel:
    return native.NativeModel(
        type="llm",
        publisher="scripted",
        key=name,
        display_name=name,
        architecture=None,
        quantization=None,
        size_bytes=0,
        params_string=None,
        loaded_instances=_instances(resident, None),
        max_context_length=0,
        format=None,
        capabilities=native.Capabilities(trained_for_tool_use=True),
    )


def _instances(resident: Resident | None, model: Model | None) -> list[native.LoadedInstance]:
    if resident is None:
        return []
    admission = resident.admission
    if resident.engine is None:
        state = "loading"
    elif not admission.running:
        state = "idle"
    else:
        state = "embedding" if model is not None and model.kind == "embeddings" else "generating"
    return [
        native.LoadedInstance(
            id=resident.wanted.id,
            config=_config(resident),
            status=state,
            in_flight=admission.running,
            queued=admission.waiting,
            ttl_seconds=None if resident.ttl is None else int(resident.ttl),
            idle_seconds=round(resident.idle_seconds, 1) if resident.is_idle else 0.0,
            size_bytes=resident.wanted.footprint.total,
            load_progress=resident.load_progress,
        )
    ]


def _config(resident: Resident) -> native.LoadConfig:
    engine, wanted = resident.engine, resident.wanted
    return native.LoadConfig(
        context_length=engine.context_length if engine else wanted.settings.context_length or 0,
        parallel=engine.parallel if engine else wanted.parallel,
        eval_batch_size=wanted.settings.batch or UNSET,
    )


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


ENDPOINTS = (
    Endpoint(
        "GET", "/api/v0/models", "models as LM Studio lists them", list_v0, reply=native.V0List, is_listed=False
    ),
    Endpoint(
        "GET", "/api/v0/models/{name:path}", "one model, likewise", show_v0, reply=native.V0Model, is_listed=False
    ),
    Endpoint("GET", "/api/v1/models", "models, and how the loaded ones fare", list_v1, reply=native.NativeList),
    Endpoint(
        "POST",
        "/api/v1/models/load",
        "load a model now",
        load,
        body=native.LoadRequest,
        reply=native.LoadReply,
    ),
    Endpoint(
        "POST",
        "/api/v1/models/unload",
        "end a loaded model",
        unload,
        body=native.UnloadRequest,
        reply=native.UnloadReply,
    ),
    Endpoint("GET", "/lmstudio-greeting", "who is there", greet, reply=native.Greeting, is_listed=False),
    Endpoint("GET", "/lms-status", "which version", status, reply=native.Status, is_listed=False),
)
