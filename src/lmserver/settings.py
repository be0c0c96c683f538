"""The operator's settings: `server.toml`, checked when it is read, and read again when it changes."""

import difflib
import json
import logging
import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import Meta

from lmserver.errors import ModelError

log = logging.getLogger("lmstudio")

MOST_BYTES = 1 << 20

T = TypeVar("T")

Count = Annotated[int, Meta(ge=1, le=1 << 31)]
Seconds = Annotated[int, Meta(ge=1, le=366 * 86_400)]


class SettingsError(ModelError):
    """A settings file that cannot be used; the text names the file, the key and what was expected."""


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a model is loaded; None leaves it to the next wider layer, and at last to the server."""

    context_length: Annotated[int, Meta(ge=16, le=1 << 31)] | None = None
    parallel: Annotated[int, Meta(ge=1, le=256)] | None = None
    """Requests that are computed together."""
    gpu_layers: Annotated[int, Meta(ge=-1, le=1 << 16)] | None = None
    """Layers that are computed on a GPU; -1 means all."""
    chat_template: str | None = None
    """A Jinja template, or the path of a file that holds one."""
    draft_model: str | None = None
    """A smaller model of the same vocabulary that guesses ahead: its id, or the path of its file."""
    speculation: Literal["none", "ngram"] | None = None
    """`ngram` guesses ahead from what the conversation holds already."""
    adapter: str | None = None
    """The file of a LoRA adapter (GGUF) for the model, or `none`; left out, the default model gets ours."""
    threads: Annotated[int, Meta(ge=1, le=4096)] | None = None
    batch: Annotated[int, Meta(ge=16, le=16384)] | None = None
    """Tokens of a prompt that are read at a time; other streams stand still for that long."""
    ttl: Seconds | None = None
    """Seconds without a request after which the model is let go."""

    def over(self, wider: "ModelSettings") -> "ModelSettings":
        """Lay these settings over wider ones."""
        return msgspec.structs.replace(wider, **msgspec.to_builtins(self))


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the whole server; read when it starts."""

    keep: Count = 2
    """Models that stay loaded at once."""
    ttl: Seconds = 3600
    """Seconds without a request after which a model is let go, unless its own settings say otherwise."""
    queue: Annotated[int, Meta(ge=0, le=100_000)] = 64
    """Requests that may wait for one model; the next one is refused."""
    output_limit: Count | None = None
    """Tokens of a reply to a request that sets no limit."""
    cors: tuple[str, ...] = ()
    """Origins of web pages that may use the server."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    server: ServerSettings = ServerSettings()
    defaults: ModelSettings = ModelSettings()
    models: Mapping[str, ModelSettings] = {}
    """By any name of a model."""

    def of(self, names: Collection[str]) -> ModelSettings:
        """Give what is set for the model with these names, in lower case; later tables go before earlier ones."""
        own = ModelSettings()
        for name, settings in self.models.items():
            if name in names:
                own = settings.over(own)
        return own


class SettingsFile:
    """A settings file that may change, or be missing, while the server runs."""

    def __init__(self, path: Path) -> None:
        """Read the file if it is there. Raises `SettingsError` when it cannot be used."""
        self.path = path
        self._stamp = _stamp(path)
        self._last = read(path)

    def current(self) -> Settings:
        """Give the settings as they are now; while the file is broken, as they last were."""
        stamp = _stamp(self.path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._last = read(self.path)
                log.info("read %s", self.path)
            except SettingsError as error:
                log.error("%s The former settings stay in force.", error)
        return self._last


def read(path: Path) -> Settings:
    """Read and check a file; one that does not exist sets nothing. Raises `SettingsError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}). Correct or remove it.") from error
    if len(data) > MOST_BYTES:
        raise SettingsError(f"{path} is larger than 1 MiB, which no settings need. Correct or remove it.")
    try:
        table = tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not valid TOML ({error}). Correct or remove it.") from error
    _check_names(path, "", table, Settings)
    models = _checked(path, "models", table.get("models", {}), dict[str, Any])
    return Settings(
        server=_checked(path, "server", table.get("server", {}), ServerSettings),
        defaults=_checked(path, "defaults", table.get("defaults", {}), ModelSettings),
        models={
            # Names of models are compared in any case of letters.
            name.lower(): _checked(path, f"models.{json.dumps(name)}", value, ModelSettings)
            for name, value in models.items()
        },
    )


def _checked(path: Path, where: str, value: object, kind: type[T]) -> T:
    if issubclass(kind, msgspec.Struct):
        _check_names(path, where, value, kind)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        reason, _, inner = str(error).partition(" - at `$")
        key = where + inner.rstrip("`")
        raise SettingsError(f"{path}: {key}: {reason[:1].lower()}{reason[1:]}. Correct it.") from error


def _check_names(path: Path, where: str, table: object, kind: type[msgspec.Struct]) -> None:
    """Refuse a name that means nothing; what is no table is left to the check of types."""
    known = kind.__struct_fields__
    for name in cast("dict[str, object]", table) if isinstance(table, dict) else ():
        if name in known:
            continue
        close = difflib.get_close_matches(name.casefold().replace("-", "_"), known, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"The names here are: {', '.join(known)}."
        raise SettingsError(f"{path}: {where}{'.' if where else ''}{name} is not known. {hint}")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        now = os.stat(path)
    except OSError:
        return None
    return now.st_mtime_ns, now.st_size, now.st_ino
