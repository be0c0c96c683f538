"""The models that vtcode knows without asking a server, and how they join those that a server lists."""

from typing import Final, Literal

import msgspec

from vtcode.providers import ModelInfo

DEFAULT_MODEL: Final = "smollm2-135m-instruct"
"""What the embedded server is given when it has no model."""


class Catalogued(msgspec.Struct, frozen=True):
    """A model that is known beforehand."""

    id: str
    name: str
    """What people call it."""
    context_length: int
    """Tokens that it was made for."""
    trained_for_tools: bool = True


LMSTUDIO: Final = (
    Catalogued("lmstudio-community/meta-llama-3.1-8b-instruct", "Meta Llama 3.1 8B", 131_072),
    Catalogued("lmstudio-community/meta-llama-3-8b-instruct", "Meta Llama 3 8B", 8_192),
    Catalogued("lmstudio-community/qwen2.5-7b-instruct", "Qwen2.5 7B", 32_768),
    Catalogued("lmstudio-community/gemma-2-9b-it", "Gemma 2 9B", 8_192),
    Catalogued("lmstudio-community/gemma-2-2b-it", "Gemma 2 2B", 8_192),
    Catalogued("lmstudio-community/phi-3.1-mini-4k-instruct", "Phi-3.1 Mini 4K", 4_096),
    Catalogued(DEFAULT_MODEL, "SmolLM2 135M", 8_192, trained_for_tools=False),
)
"""The default catalogue of the provider `lmstudio`."""


class Entry(msgspec.Struct, frozen=True):
    """A model to choose from."""

    info: ModelInfo
    source: Literal["server", "catalogue"]
    """Who knows it: a server has what it lists, while what only the catalogue lists has to be got first."""
    name: str = ""


def catalogue_of(provider: str) -> tuple[Catalogued, ...]:
    """Give the models that are known of a provider."""
    return LMSTUDIO if provider == "lmstudio" else ()


def merged(provider: str, listed: list[ModelInfo]) -> list[Entry]:
    """Put what the server lists first, completed from the catalogue, and then what only the catalogue knows."""
    known = {_key(entry.id): entry for entry in catalogue_of(provider)}
    entries: list[Entry] = []
    for info in listed:
        found = known.pop(_key(info.id), None)
        if found is not None and info.context_length is None:
            info = msgspec.structs.replace(info, context_length=found.context_length)
        entries.append(Entry(info, "server", found.name if found else ""))
    for entry in known.values():
        info = ModelInfo(
            id=entry.id,
            context_length=entry.context_length,
            is_loaded=False,
            trained_for_tools=entry.trained_for_tools,
        )
        entries.append(Entry(info, "catalogue", entry.name))
    return entries


def offered(provider: str, listed: list[ModelInfo]) -> list[Entry]:
    """Give what a person is to choose from: the catalogue in its order, then what else the server lists."""
    order = {entry.name: at for at, entry in enumerate(catalogue_of(provider))}
    return sorted(merged(provider, listed), key=lambda entry: order.get(entry.name, len(order)))


def _key(name: str) -> str:
    """Compare ids as servers write them: with or without the publisher, in any case."""
    return name.casefold().rpartition("/")[2]
