"""How one model is loaded: settings, header and free memory → an engine."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec

from lmserver.adapters import Adapter, adapter_of, merge_of, refused
from lmserver.catalog import Model
from lmserver.engines import Engine
from lmserver.engines.llama import LlamaEngine
from lmserver.engines.merged import MergedEngine
from lmserver.engines.onnx import OnnxEngine
from lmserver.errors import ApiError, StorageError
from lmserver.gguf import GgufHeader
from lmserver.logfile import note
from lmserver.memory import available, footprint
from lmserver.merging import have_merged
from lmserver.settings import ModelSettings
from lmserver.text import one_line
from lmwire.errors import ErrorCode

log = logging.getLogger("lmstudio")

DEFAULT_CONTEXT = 8192
"""Tokens of context unless the operator asks for more: what an agent's session needs, and memory that a
laptop has."""

DEFAULT_PARALLEL = 4

LEAST_CONTEXT = 2048
"""Tokens below which no context is shortened to make a model fit: what is left could not hold a task."""

_MOST_TEMPLATE = 1 << 20
_THREAD_SPEED = 30e9
"""Floating-point operations per second of one thread that reads a prompt; measured, and rather low."""


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A model, and how the operator wants it."""

    model: Model
    root: Path
    """The models folder."""
    settings: ModelSettings
    threads: int
    """CPU threads, unless the settings say."""
    folder: Path
    """Where relative paths of templates and draft models begin."""
    find: Callable[[str], Path | None]
    """Finds the file of a model by its name."""

    @property
    def context_length(self) -> int:
        """Tokens of context if memory allows it: what was asked for, and no more than the model was made for."""
        made_for = self.model.header.context_length
        return min(self.settings.context_length or DEFAULT_CONTEXT, made_for or 1 << 31)


async def load(plan: LoadPlan, free: int) -> Engine:
    """Load a model into `free` bytes of memory.

    Raises:
        ApiError: 503 `model_load_failed` with the numbers when it does not fit, 500 when it cannot be loaded.
    """
    model, settings = plan.model, plan.settings
    context_length = fitting_context(model, plan.context_length, free)
    threads = settings.threads or plan.threads
    members: dict[str, object] = {"model": model.id, "context_length": context_length}
    size = f"{model.header.size_bytes / 1e9:.1f} GB"
    message = f"loading {model.id} ({size}, context {context_length} tokens)"
    note("model", message, members | {"action": "load", "size_bytes": model.header.size_bytes})
    started = time.monotonic()
    async with _told_in_the_log(model.id):
        if model.format == "onnx":
            engine = await OnnxEngine.load(model.path, context_length=context_length, threads=threads)
        else:
            engine = await _adapted(plan, context_length, threads)
    seconds = time.monotonic() - started
    message = f"loaded {model.id} in {seconds:.1f} s"
    note("model", message, members | {"action": "loaded", "seconds": round(seconds, 3)})
    return engine


async def _adapted(plan: LoadPlan, context_length: int, threads: int) -> Engine:
    """Load a model with its adapter, or, when that does not fit, without it: a clear word, and a base that serves."""
    adapter = adapter_of(plan.model, plan.settings.adapter, plan.folder)
    if adapter is not None and not adapter.fault:
        try:
            if adapter.merged_types and (merged := await _merged(plan, context_length, threads, adapter)):
                return merged
            return await _llama(plan, context_length, threads, adapter)
        except ApiError as error:
            adapter = refused(adapter, str(error))
    if adapter is not None:
        _refuse(plan.model, adapter)
    return await _llama(plan, context_length, threads, None)


async def _merged(plan: LoadPlan, context_length: int, threads: int, adapter: Adapter) -> Engine | None:
    """Load the base's copy with the adapter merged in; give None when that cannot be had."""
    wanted = merge_of(plan.root, plan.model, adapter)
    try:
        if not wanted.to.is_file():
            note(
                "model",
                f"merging the adapter into a copy of {plan.model.id}",
                {"model": plan.model.id, "action": "merge"},
            )
            await have_merged(wanted)
        copy = await _llama(plan, context_length, threads, None, path=wanted.to)
    except (ApiError, StorageError) as error:
        message = f"{plan.model.id}: its adapter is laid over it and not merged, which is slower: {error}"
        log.warning("%s", one_line(message))
        return None

    async def load_another(path: Path) -> LlamaEngine:
        fitting = fitting_context(plan.model, context_length, available(()))
        return await _llama(plan, fitting, threads, None, path=path)

    return MergedEngine(
        copy,
        adapter.prompt_prefix,
        load_copy=functools.partial(load_another, wanted.to),
        load_base=functools.partial(load_another, plan.model.path),
    )


def _refuse(model: Model, adapter: Adapter) -> None:
    message = (
        f"{model.id} is served without the adapter {adapter.path}: {adapter.fault}. "
        'Correct `adapter` in the settings, or set it to "none".'
    )
    log.error("%s", one_line(message))


async def _llama(
    plan: LoadPlan, context_length: int, threads: int, adapter: Adapter | None, *, path: Path | None = None
) -> LlamaEngine:
    model, settings = plan.model, plan.settings
    return await LlamaEngine.load(
        path or model.path,
        _template(plan),
        context_length=context_length,
        parallel=settings.parallel or DEFAULT_PARALLEL,
        threads=threads,
        batch=settings.batch or batch(model.header, threads),
        gpu_layers=-1 if settings.gpu_layers is None else settings.gpu_layers,
        draft_path=_draft(plan),
        speculation=settings.speculation or "none",
        adapter_path=str(adapter.path) if adapter is not None else "",
        adapter_prefix=adapter.prompt_prefix if adapter is not None else "",
        embeddings=model.kind == "embeddings",
    )


def fitting_context(model: Model, wanted: int, free: int) -> int:
    """Say how many tokens of context fit into `free` bytes together with the model.

    Raises:
        ApiError: 503 `model_load_failed` when not even a short one does.
    """
    header = model.header
    if footprint(header, wanted).total <= free:
        return wanted
    least = min(wanted, LEAST_CONTEXT)
    needed = footprint(header, least).total
    if needed > free:
        raise ApiError(
            503,
            f"{model.id} needs about {needed / 1e9:.1f} GB of memory even with a context of {least} tokens, and "
            f"{max(0, free) / 1e9:.1f} GB are free. Unload other models, close other programs, or use a smaller one.",
            code=ErrorCode.MODEL_LOAD_FAILED,
            param="model",
            kind="server_error",
        )
    per_token = (footprint(header, wanted).total - needed) / (wanted - least)
    # Whole steps, so that the number does not change with every breath of the system.
    shortened = least + int((free - needed) / per_token) // 256 * 256
    log.warning("%s: memory allows a context of %d tokens, not %d", model.id, shortened, wanted)
    return shortened


def batch(header: GgufHeader, threads: int) -> int:
    """Say how many tokens of a prompt are read at a time, so that others and a cancel wait about half a second.

    A batch of 64 instead of 256 costs about a seventh of the reading speed.
    """
    tokens = 0.5 * _THREAD_SPEED * threads / (2 * max(1, header.parameters))
    size = 32
    while size * 2 <= min(tokens, 512):
        size *= 2
    return max(size, 64) if header.parameters < 1e9 else size


def _template(plan: LoadPlan) -> str:
    chosen = plan.settings.chat_template
    if chosen is None:
        return plan.model.header.chat_template or ""
    if "{{" in chosen or "{%" in chosen:
        return chosen
    path = plan.folder / Path(chosen).expanduser()
    try:
        if not path.is_file() or path.stat().st_size > _MOST_TEMPLATE:
            raise _failed(plan, f"{path}, its chat_template, is not a file of at most 1 MiB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _failed(plan, f"{path}, its chat_template, cannot be read ({error})") from error


def _draft(plan: LoadPlan) -> str:
    chosen = plan.settings.draft_model
    if not chosen:
        return ""
    path = plan.find(chosen)
    if path is None and chosen.endswith(".gguf"):
        path = plan.folder / Path(chosen).expanduser()
    if path is None or not path.is_file():
        raise _failed(plan, f"its draft_model {chosen!r} is neither a model here nor a file")
    return str(path)


def _failed(plan: LoadPlan, reason: str) -> ApiError:
    return ApiError(
        500,
        f"Could not load {plan.model.id}: {reason}. Correct the settings.",
        code=ErrorCode.MODEL_LOAD_FAILED,
        param="model",
        kind="server_error",
    )


@contextlib.asynccontextmanager
async def _told_in_the_log(name: str) -> AsyncGenerator[None]:
    """Say every ten seconds that a load still goes on."""

    async def tell() -> None:
        started = time.monotonic()
        while True:
            await asyncio.sleep(10)
            seconds = time.monotonic() - started
            members = {"model": name, "action": "loading", "seconds": round(seconds)}
            note("model", f"still loading {name}, {seconds:.0f} s so far", members)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
