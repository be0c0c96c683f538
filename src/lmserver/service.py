"""What the routes share: which models there are, and how one of them is loaded and borrowed."""

import contextlib
import functools
import os
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import UNSET

from lmserver.adapters import NONE, Adapter, adapter_of, capabilities
from lmserver.catalog import BrokenFile, Catalog, Model
from lmserver.engines import Engine
from lmserver.engines.scripted import ScriptedEngine
from lmserver.errors import ApiError, UnknownModel, cannot
from lmserver.loading import DEFAULT_PARALLEL, LoadPlan, load
from lmserver.memory import footprint
from lmserver.pool import Pool, Resident, Wanted
from lmserver.response_store import ResponseStore
from lmserver.settings import ModelSettings, Settings, SettingsFile
from lmwire.errors import ErrorCode
from lmwire.models import ModelCard, ModelState

DEFAULT_OUTPUT = 2048
"""Tokens of a reply to a request that sets no limit. Many clients set none, and a small model that repeats
itself would then run until the context is full."""


_MOST_NAMES = 20
"""Models that an error names."""

Kind = Literal["llm", "embeddings"]


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator decides when the server starts."""

    models: Path
    """The models folder."""
    state: Path
    """The folder of what outlives the server: stored responses and the like; it need not exist yet."""
    context_length: int | None = None
    threads: int | None = None
    """CPU threads of an engine; None means all cores."""
    parallel: int | None = None
    output_limit: int = DEFAULT_OUTPUT
    """Tokens of a reply to a request that sets no limit."""
    keep: int = 2
    """Models that stay loaded at once."""
    ttl: int = 3600
    """Seconds without a request after which a model is let go."""
    queue: int = 64
    """Requests that may wait for one model."""
    scripts: Mapping[str, Path] = {}
    """Scripted models by id."""
    file: SettingsFile | None = None
    """The settings of single models."""
    adapters: bool = True
    """Whether models get the adapters that are theirs."""
    log_prompts: bool = False
    """Write prompts to the log."""


class Service:
    """The models of one server."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.pool = Pool(limit=settings.keep, bound=settings.queue)
        self.responses = ResponseStore(settings.state / "responses.sqlite3")
        self._catalog = Catalog(settings.models)

    async def close(self) -> None:
        """End every engine, and close the stored responses."""
        try:
            await self.pool.close()
        finally:
            await self.responses.close()

    # What there is -----------------------------------------------------------------------------------------

    def models(self) -> list[Model]:
        """List the models on disk that can be used; one that is gone from there is not kept loaded either."""
        models = [entry for entry in self._catalog.scan() if isinstance(entry, Model)]
        self.pool.keep_only({model.id for model in models} | self.settings.scripts.keys())
        return models

    def broken(self) -> list[BrokenFile]:
        """List what is in the models folder and cannot be used."""
        return [entry for entry in self._catalog.scan() if isinstance(entry, BrokenFile)]

    def cards(self) -> list[ModelCard]:
        """Describe every model that can be asked for, loaded or not."""
        present = self.pool.residents()
        scripted = [_scripted_card(name, present.get(name)) for name in self.settings.scripts]
        return scripted + [card(model, present.get(model.id), self.adapter_of(model)) for model in self.models()]

    def card(self, name: str) -> ModelCard:
        """Describe the model that `name` means. Raises `ApiError` 404 when there is none."""
        if name in self.settings.scripts:
            return _scripted_card(name, self.pool.residents().get(name))
        model = self.find(name)
        return card(model, self.pool.residents().get(model.id), self.adapter_of(model))

    def adapter_of(self, model: Model) -> Adapter | None:
        """Say which adapter a model is loaded with, or which one is refused."""
        return adapter_of(model, self.model_settings(model, ModelSettings()).adapter, self._folder)

    @property
    def _folder(self) -> Path:
        """Where relative paths in the settings begin."""
        return self.settings.file.path.parent if self.settings.file else self.settings.models

    def model_settings(self, model: Model, asked: ModelSettings) -> ModelSettings:
        """Say how a model is to be loaded: what was asked for, else its own settings, else the server's."""
        stored = self.settings.file.current() if self.settings.file else Settings()
        started_with = ModelSettings(
            context_length=self.settings.context_length,
            threads=self.settings.threads,
            parallel=self.settings.parallel,
        )
        own = stored.of({model.id.lower(), *model.aliases})
        settings = asked.over(own.over(started_with.over(stored.defaults)))
        return settings if self.settings.adapters else msgspec.structs.replace(settings, adapter=NONE)

    # Borrowing ---------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lease(
        self, name: str, *, kind: Kind = "llm", ttl: int | None = None, client: str = ""
    ) -> AsyncGenerator[tuple[str, Engine]]:
        """Borrow the engine of the model that `name` means, with that model's id.

        Args:
            name: any name of the model; empty means the only one of its kind.
            kind: what the model has to be for.
            ttl: seconds without a request after which it may be let go; None is the model's own.
            client: who asks; the queue is fair among clients.

        Raises:
            ApiError: 404 `model_not_found`, 400 for a model that cannot chat, 500 or 503 `model_load_failed`,
                429 `queue_full`.
        """
        wanted = self._scripted(name)
        if wanted is None:
            model = self.find(name, kind)
            if model.kind != kind:
                raise cannot("chat" if kind == "llm" else "embed")
            wanted = self._wanted(model, self.model_settings(model, ModelSettings()))
        async with self.pool.lease(wanted, ttl=ttl, client=client) as engine:
            yield wanted.id, engine

    def loading_seconds(self, name: str) -> float | None:
        """Say for how long the model that `name` means has been loading; None when it is not."""
        try:
            model_id = self.find(name).id
        except ApiError:
            return None
        resident = self.pool.residents().get(model_id)
        return time.monotonic() - resident.begun if resident is not None and resident.engine is None else None

    # Loading and unloading, as asked ------------------------------------------------------------------------

    async def load(self, name: str, asked: ModelSettings) -> Resident:
        """Load a model before its first request; without a `ttl` it stays until it is unloaded.

        Raises:
            ApiError: as `lease`.
        """
        wanted = self._scripted(name)
        if wanted is None:
            model = self.find(name)
            wanted = self._wanted(model, self.model_settings(model, asked))
        wanted = msgspec.structs.replace(wanted, ttl=asked.ttl)
        is_exact = asked != ModelSettings(ttl=asked.ttl)
        return await self.pool.load(wanted, is_exact=is_exact)

    async def unload(self, name: str, *, is_forced: bool) -> str:
        """End the model that `name` means, and return its id.

        Raises:
            ApiError: 404 when it is not loaded, 409 `model_in_use` when requests use it and it is not forced.
        """
        # What is loaded may be gone from the disk.
        is_here = name in self.pool.residents()
        model_id = name if is_here else self.find(name).id
        if not await self.pool.unload(model_id, is_forced=is_forced):
            raise ApiError(404, f"{model_id} is not loaded.", code=ErrorCode.MODEL_NOT_FOUND, param="instance_id")
        return model_id

    def _scripted(self, name: str) -> Wanted | None:
        script = self.settings.scripts.get(name)
        if script is None:
            return None

        async def read(_: int) -> Engine:
            return ScriptedEngine.read(script)

        return Wanted(id=name, ttl=self.settings.ttl, load=read)

    def _wanted(self, model: Model, settings: ModelSettings) -> Wanted:
        plan = LoadPlan(
            model=model,
            root=self.settings.models,
            settings=settings,
            threads=os.cpu_count() or 1,
            folder=self._folder,
            find=self._path_of,
        )
        return Wanted(
            id=model.id,
            stamp=model.stamp,
            settings=settings,
            footprint=footprint(model.header, plan.context_length),
            parallel=settings.parallel or DEFAULT_PARALLEL,
            ttl=settings.ttl or self.settings.ttl,
            load=functools.partial(load, plan),
        )

    def _path_of(self, name: str) -> Path | None:
        try:
            return self._catalog.resolve(name).path
        except UnknownModel:
            return None

    def find(self, name: str, kind: Kind = "llm") -> Model:
        """Find the model on disk that `name` means; no name means the only one of its kind.

        Raises:
            ApiError: 404 when there is none, or when the name means several.
        """
        if not name and len(only := [model for model in self.models() if model.kind == kind]) == 1:
            return only[0]
        try:
            return self._catalog.resolve(name)
        except UnknownModel as error:
            message = _not_found(error, self._unusable(name))
            raise ApiError(404, message, code=ErrorCode.MODEL_NOT_FOUND, param="model") from error

    def _unusable(self, name: str) -> BrokenFile | None:
        """Find the broken file that a name means: by its path, or by what its id would be."""
        wanted = name.casefold()
        for file in self.broken():
            path = file.name.casefold()
            folder = path.rpartition("/")[0]
            names = {path, folder, folder.removesuffix("-gguf")}
            if wanted in names | {part.rpartition("/")[2] for part in names}:
                return file
        return None


def _not_found(error: UnknownModel, broken: BrokenFile | None) -> str:
    names = [*error.known]
    if broken is not None:
        return f"{broken.name} is there, but cannot be used: {broken.reason}. Replace or remove it."
    if not names:
        return "There is no model here yet. Get one with `lmstudio get`, or `lmstudio import FILE.gguf`."
    near = f" Did you mean {' or '.join(error.near)}?" if error.near else ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    shown = error.name if len(error.name) <= 200 else f"{error.name[:200]}…"
    return f"There is no model {shown!r} here.{near} The models are: {', '.join(names[:_MOST_NAMES])}{more}."


def card(model: Model, resident: Resident | None, adapter: Adapter | None) -> ModelCard:
    """Describe a model that is perhaps loaded."""
    header = model.header
    return ModelCard(
        id=model.id,
        created=int(model.modified),
        owned_by=model.publisher,
        type=model.kind,
        publisher=model.publisher,
        arch=header.architecture,
        quantization=header.quantization,
        parameters=header.parameters or UNSET,
        size_bytes=header.size_bytes,
        format=model.format,
        state=_state(resident),
        max_context_length=header.context_length or UNSET,
        loaded_context_length=resident.engine.context_length if resident and resident.engine else UNSET,
        parallel=resident.engine.parallel if resident and resident.engine else UNSET,
        capabilities=capabilities(model, adapter),
        adapter=adapter.name if adapter is not None and not adapter.fault else UNSET,
    )


def _scripted_card(name: str, resident: Resident | None) -> ModelCard:
    return ModelCard(id=name, owned_by="scripted", type="llm", state=_state(resident), capabilities=["tool_use"])


def _state(resident: Resident | None) -> ModelState:
    if resident is None:
        return "not-loaded"
    return "loading" if resident.engine is None else "loaded"
