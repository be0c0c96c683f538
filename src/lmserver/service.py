"""What the routes share: which models there are, and how one of them is loaded and borrowed."""

import contextlib
import logging
import os
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import UNSET

from lmserver.catalog import BrokenFile, Catalog, Model
from lmserver.engines import Engine
from lmserver.engines.llama import LlamaEngine
from lmserver.engines.onnx import OnnxEngine
from lmserver.engines.scripted import ScriptedEngine
from lmserver.errors import ApiError, UnknownModel, cannot
from lmserver.pool import Pool
from lmwire.errors import ErrorCode
from lmwire.models import ModelCard

log = logging.getLogger("lmstudio")

DEFAULT_CONTEXT = 8192
"""Tokens of context unless the operator asks for more: what an agent's session needs, and memory that a
laptop has."""

DEFAULT_OUTPUT = 2048
"""Tokens of a reply to a request that sets no limit. Many clients set none, and a small model that repeats
itself would then run until the context is full."""


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
    parallel: int = 4
    output_limit: int = DEFAULT_OUTPUT
    """Tokens of a reply to a request that sets no limit."""
    keep: int = 2
    """Models that stay loaded at once."""
    scripts: Mapping[str, Path] = {}
    """Scripted models by id."""


class Service:
    """The models of one server."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.pool = Pool(limit=settings.keep)
        self._catalog = Catalog(settings.models)

    def cards(self) -> list[ModelCard]:
        """Describe every model that can be asked for, loaded or not."""
        loaded = self.pool.loaded()
        scripted = [
            ModelCard(id=name, owned_by="scripted", type="llm", capabilities=["tool_use"])
            for name in self.settings.scripts
        ]
        found = [_card(entry, loaded) for entry in self._catalog.scan() if isinstance(entry, Model)]
        return scripted + found

    def card(self, name: str) -> ModelCard:
        """Describe the model that `name` means. Raises `ApiError` 404 when there is none."""
        wanted = name if name in self.settings.scripts else self._resolve(name).id
        return next(card for card in self.cards() if card.id == wanted)

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
            ApiError: 404 `model_not_found`, 400 for a model that cannot chat, 500 `model_load_failed`.
        """
        if script := self.settings.scripts.get(name):

            async def read() -> Engine:
                return ScriptedEngine.read(script)

            async with self.pool.lease(name, read) as engine:
                yield name, engine
            return

        model = self._resolve(name, kind)
        if model.kind != kind:
            raise cannot("chat" if kind == "llm" else "embed")

        async def load() -> Engine:
            log.info("loading %s", model.id)
            started = time.monotonic()
            engine = await self._load(model)
            seconds = time.monotonic() - started
            log.info("loaded %s in %.1f s, context %d tokens", model.id, seconds, engine.context_length)
            return engine

        async with self.pool.lease(model.id, load) as engine:
            yield model.id, engine

    async def _load(self, model: Model) -> Engine:
        context_length = self._context_length(model)
        threads = self.settings.threads or os.cpu_count() or 1
        if model.format == "onnx":
            return await OnnxEngine.load(model.path, context_length=context_length, threads=threads)
        return await LlamaEngine.load(
            model.path,
            model.header.chat_template or "",
            context_length=context_length,
            parallel=self.settings.parallel,
            threads=threads,
            embeddings=model.kind == "embeddings",
        )

    def _context_length(self, model: Model) -> int:
        made_for = model.header.context_length or DEFAULT_CONTEXT
        return min(made_for, self.settings.context_length or DEFAULT_CONTEXT)

    def _resolve(self, name: str, kind: Kind = "llm") -> Model:
        if not name and len(only := self._models(kind)) == 1:
            return only[0]
        try:
            return self._catalog.resolve(name)
        except UnknownModel as error:
            message = _not_found(error, self._unusable(name))
            raise ApiError(404, message, code=ErrorCode.MODEL_NOT_FOUND, param="model") from error

    def broken(self) -> list[BrokenFile]:
        """List what is in the models folder and cannot be used."""
        return [entry for entry in self._catalog.scan() if isinstance(entry, BrokenFile)]

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

    def _models(self, kind: Kind) -> list[Model]:
        return [entry for entry in self._catalog.scan() if isinstance(entry, Model) and entry.kind == kind]


def _not_found(error: UnknownModel, broken: BrokenFile | None) -> str:
    names = [*error.known]
    if broken is not None:
        return f"{broken.name} is there, but cannot be used: {broken.reason}. Replace or remove it."
    if not names:
        return "There is no model here yet. Get one with `lmstudio get`, or `lmstudio import FILE.gguf`."
    near = f" Did you mean {' or '.join(error.near)}?" if error.near else ""
    return f"There is no model {error.name!r} here.{near} The models are: {', '.join(names)}."


def _card(model: Model, loaded: Mapping[str, int]) -> ModelCard:
    header = model.header
    return ModelCard(
        id=model.id,
        created=int(model.modified),
        owned_by=model.publisher,
        type=model.kind,
        publisher=model.publisher,
        arch=header.architecture,
        quantization=header.quantization,
        format=model.format,
        parameters=header.parameters or UNSET,
        state="loaded" if model.id in loaded else "not-loaded",
        max_context_length=header.context_length or UNSET,
        loaded_context_length=loaded.get(model.id, UNSET),
        capabilities=["tool_use"] if model.trained_for_tool_use else [],
    )
