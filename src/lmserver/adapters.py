"""Adapters: small files that change what a base model does; which one goes with a model, and whether it fits."""

import functools
import hashlib
import logging
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import msgspec

from lmserver.catalog import Model
from lmserver.errors import BadModelFile
from lmserver.gguf import GgufHeader, read_header
from lmserver.merging import MERGED_FOLDER, Merge, can_be_types

log = logging.getLogger("lmstudio")

NONE: Final = "none"
"""As the setting `adapter`: no adapter, not even the one that we ship."""

COMPACT: Final = "vtcode_compact"
"""The capability of a model that was trained on the agent's compact prompts."""

_SHIPPED: Final = "smollm2-135m-instruct.vtcode.lora.gguf"
BASE_SIZE: Final = 98_362_432
BASE_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""The very file that our adapter was trained on: what `lmserver.download` gets as the default model."""
_MOST_SHARE: Final = 2
"""An adapter of more weights than a half of the base's is none of ours to load."""


class Adapter(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with a model, or why nothing does."""

    path: Path
    name: str
    """As people are told."""
    is_shipped: bool
    prompt_prefix: str = ""
    """How the instructions begin that it is for; empty means all. Other requests get the base alone."""
    merged_types: str = ""
    """The quantisations of its copy merged into the base; empty when it is laid over the base instead."""
    fault: str = ""
    """Why it is refused; empty when it fits. The base is served without it then."""


def adapter_of(model: Model, chosen: str | None, folder: Path) -> Adapter | None:
    """Find the adapter of a model: the one that the operator chose, else the one that we ship for that very file.

    Args:
        model: the base.
        chosen: the setting `adapter`: a file, `none`, or None where nothing is set.
        folder: where a relative path begins.
    """
    if chosen == NONE or model.format != "gguf":
        return None
    if chosen:
        path = folder / Path(chosen).expanduser()
        return _checked(Adapter(path=path, name=path.name, is_shipped=False), model)
    path = shipped()
    if path is None or not _is_the_default(model):
        return None
    return _checked(Adapter(path=path, name="vtcode", is_shipped=True), model)


def merge_of(root: Path, model: Model, adapter: Adapter) -> Merge:
    """Say which copy of a base has an adapter merged in: another one for another of either."""
    key = hashlib.sha256(f"{digest(model.path)} {digest(adapter.path)}".encode()).hexdigest()[:16]
    to = root / MERGED_FOLDER / f"{model.path.stem}.{key}.gguf"
    return Merge(model.path, adapter.path, adapter.merged_types, to)


def refused(adapter: Adapter, fault: str) -> Adapter:
    """Remember that the engine did not take an adapter, for as long as its file stays what it is."""
    _faults[adapter.path, _stamp(adapter.path)] = fault
    return msgspec.structs.replace(adapter, fault=fault)


_faults: dict[tuple[Path, tuple[int, int]], str] = {}


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)


def _checked(adapter: Adapter, model: Model) -> Adapter:
    if fault := _faults.get((adapter.path, _stamp(adapter.path))):
        return msgspec.structs.replace(adapter, fault=fault)
    try:
        header = read_header(adapter.path)
    except BadModelFile as error:
        return msgspec.structs.replace(adapter, fault=str(error))
    can_be = can_be_types(header.merged_types) and model.header.split_count == 1
    is_merged = can_be and header.base_sha256 == digest(model.path)
    return msgspec.structs.replace(
        adapter,
        prompt_prefix=header.prompt_prefix,
        merged_types=header.merged_types if is_merged else "",
        fault=_fault(header, model),
    )


def _fault(header: GgufHeader, model: Model) -> str:
    """Say why a file is no adapter for a model; nothing when it is one."""
    if header.type != "adapter":
        return f"it holds a {header.type}, not an adapter"
    if header.architecture != model.header.architecture:
        return f"it is for the architecture {header.architecture}, and {model.id} is {model.header.architecture}"
    if header.parameters * _MOST_SHARE > model.header.parameters:
        return f"it has {header.parameters:,} weights, too many for a model of {model.header.parameters:,}"
    return ""


@functools.cache
def shipped() -> Path | None:
    """Give the adapter in the package, if there is one."""
    resource = files("lmserver").joinpath("data", _SHIPPED)
    if not resource.is_file():
        return None
    with as_file(resource) as path:
        return path


def capabilities(model: Model, adapter: Adapter | None) -> list[str]:
    """Say what a model can do, as `GET /v1/models` lists it."""
    can = ["tool_use"] if model.trained_for_tool_use else []
    return [*can, COMPACT] if adapter is not None and adapter.is_shipped and not adapter.fault else can


def _is_the_default(model: Model) -> bool:
    # Nearly every other file differs in its size, and need not be read.
    return model.header.size_bytes == BASE_SIZE and digest(model.path) == BASE_SHA256


_digests: dict[tuple[Path, tuple[int, int]], str] = {}


def digest(path: Path) -> str:
    """Give the SHA-256 of a file, read once for as long as it is the same; empty when it cannot be read."""
    stamp = _stamp(path)
    if (path, stamp) not in _digests:
        try:
            with path.open("rb") as file:
                _digests[path, stamp] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            log.warning("%s cannot be read (%s)", path, error.strerror)
            return ""
    return _digests[path, stamp]
