"""Which of a server's models a run uses."""

from vtcode.providers import Endpoint, ModelInfo, ModelNotFound
from vtcode.providers.catalogue import DEFAULT_MODEL
from vtcode.text import visible

MAX_NAMES = 40
"""Models that a message lists."""


def choose_model(wanted: str | None, known: list[ModelInfo], endpoint: Endpoint) -> tuple[str, ModelInfo | None]:
    """Pick the model: the one that was asked for, else the only sensible one.

    Raises:
        ModelNotFound: when the server lacks the one asked for, or offers several and none was.
    """
    where = f"{endpoint.preset.label} at {endpoint.base_url}"
    chat = [model for model in known if model.is_chat]
    if wanted is not None:
        info = named(wanted, chat)
        # A server that lists nothing may know the model all the same; it will say so if not.
        if info is None and known:
            raise ModelNotFound(not_found(where, wanted, [model.id for model in chat]))
        return (info.id, info) if info else (wanted, None)
    loaded = [model for model in chat if model.is_loaded]
    for candidates in (chat, loaded):
        if len(candidates) == 1:
            return candidates[0].id, candidates[0]
    for model in chat:
        if model.id == DEFAULT_MODEL:
            return model.id, model
    if not chat:
        raise ModelNotFound(f"{where} has no chat model yet. {endpoint.preset.get_model}")
    raise ModelNotFound(
        f"{where} has several models: {listed([model.id for model in chat])}. Name one with --model, or set "
        "default_model in vtcode.toml."
    )


def not_found(where: str, model: str, known: list[str]) -> str:
    """Write the sentences for a model that the server does not have."""
    return (
        f"{where} has no model {visible(model, one_line=True)!r}; it has: {listed(known)}. Name one with --model, or "
        "set default_model in vtcode.toml."
    )


def listed(names: list[str]) -> str:
    """Write names into a sentence; they are the server's words."""
    shown = ", ".join(visible(name, one_line=True) for name in names[:MAX_NAMES]) or "no model at all"
    return f"{shown} and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else shown


def named(wanted: str, models: list[ModelInfo]) -> ModelInfo | None:
    """Find a model by its id, or by the part after the publisher where servers leave that out."""
    for same in (_exactly, _folded, _last_part):
        found = [model for model in models if same(model.id) == same(wanted)]
        if len(found) == 1:
            return found[0]
    return None


def _exactly(name: str) -> str:
    return name


def _folded(name: str) -> str:
    return name.casefold()


def _last_part(name: str) -> str:
    return name.casefold().rpartition("/")[2]
