"""`/model`: the catalogue, what the server has now, and any other id; then how much it thinks, and for how long."""

import asyncio
import contextlib
import tomllib
from typing import Final, Literal

import msgspec

from vtcode.embedded import is_installed
from vtcode.picker import CUSTOM
from vtcode.places import user_file
from vtcode.providers import ModelInfo, ProviderError
from vtcode.providers.catalogue import DEFAULT_MODEL, Entry, offered
from vtcode.startup import connect_to
from vtcode.text import visible
from vtcode.tomledit import TomlError, replace_text, with_value
from vtcode.tui.chooser import Chooser, Row
from vtcode.tui.desk import Desk
from vtcode.tui.questions import AnswerPanel

_PATIENCE: Final = 5.0
"""Seconds that a server has for its list, before the list goes on without it."""


class Choice(msgspec.Struct, frozen=True):
    """What was chosen."""

    kind: Literal["model", "custom", "embedded"]
    id: str = ""


async def pick_model(desk: Desk) -> None:
    """Have a model chosen, loaded, and kept where the person says."""
    chosen = await _choose(desk)
    if chosen is None:
        return
    model = chosen.id
    if chosen.kind == "custom" and not model:
        question = "The id of the model, as the server lists it:"
        model = (await desk.show(AnswerPanel(question, (), desk.theme)) or "").strip()
        if not model:
            return
    await use(desk, model, embedded=chosen.kind == "embedded")


async def use(desk: Desk, model: str, *, embedded: bool = False) -> None:
    """Go on with a model, and keep it where the person says."""
    effort = "" if embedded else await _effort(desk, model)
    if effort is None or not await desk.use_model(model, effort or None, embedded=embedded):
        return
    if not embedded:
        await _keep(desk, model, effort)


# Choosing ------------------------------------------------------------------------------------------------


async def _choose(desk: Desk) -> Choice | None:
    note = f"asking {desk.settings.base_url} …"
    chooser = Chooser[Choice](
        "Model", _rows(desk, []), desk.theme, note=note, typed=lambda text: Choice("custom", text)
    )
    asking = asyncio.create_task(_ask(desk, chooser))
    try:
        chosen = await desk.show(chooser)
        if chosen is not None and chosen.kind == "custom" and chooser.typed.lower() not in CUSTOM.lower():
            # What was typed to find a model, and found none, is the id that is meant.
            return Choice("custom", chooser.typed)
        return chosen
    finally:
        asking.cancel()
        await asyncio.wait({asking})


async def _ask(desk: Desk, chooser: Chooser[Choice]) -> None:
    """Complete the list by what the server has."""
    try:
        async with asyncio.timeout(_PATIENCE):
            listed = await _listed(desk)
    except TimeoutError:
        chooser.set_rows(
            _rows(desk, [], is_down=True), f"{desk.settings.base_url} does not answer; an id can be typed"
        )
    except ProviderError as error:
        chooser.set_rows(
            _rows(desk, [], is_down=True), f"The server is down, and an id can be typed all the same. {error}"
        )
    else:
        chat = [model for model in listed if model.is_chat]
        chooser.set_rows(_rows(desk, chat), "")


async def _listed(desk: Desk) -> list[ModelInfo]:
    if desk.running is not None:
        return await desk.running.provider.models()
    async with contextlib.AsyncExitStack() as stack:
        _, listed = await connect_to(desk.settings, stack)
        return listed


def _rows(desk: Desk, listed: list[ModelInfo], *, is_down: bool = False) -> list[Row[Choice]]:
    """Lay out the catalogue, then what else the server has, then the ways to something else."""
    current = desk.running.model if desk.running is not None else ""
    rows = [_row(entry, current, is_known=bool(listed)) for entry in offered(desk.settings.provider, listed)]
    rows.append(Row(Choice("custom"), CUSTOM, "any other id that the server has", "Else", always=True))
    if is_down and is_installed():
        about = f"start the server that comes with vtcode, with {DEFAULT_MODEL}"
        rows.append(Row(Choice("embedded", DEFAULT_MODEL), "Embedded server", about, "Else", always=True))
    return rows


def _row(entry: Entry, current: str, *, is_known: bool) -> Row[Choice]:
    info = entry.info
    there = "not on the server yet" if is_known else ""
    facts = [
        "in use" if info.id == current else "",
        "loaded" if info.is_loaded else there if entry.source == "catalogue" else "not loaded",
        f"{_short(info.context_length)} context" if info.context_length else "",
        info.quantization or "",
        _size(info.size_bytes) if info.size_bytes else "",
        "tools" if info.trained_for_tools else "",
    ]
    group = "Catalogue" if entry.name else "Also on the server"
    return Row(Choice("model", info.id), info.id, " · ".join(fact for fact in facts if fact), group)


def _short(tokens: int) -> str:
    return f"{tokens // 1024}k" if tokens >= 1024 else str(tokens)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1_000_000_000 else f"{count / 1e6:.0f} MB"


# How, and for how long -----------------------------------------------------------------------------------


async def _effort(desk: Desk, model: str) -> str | None:
    """Ask how much it is to think, where it can be told; empty for as it is, None when that was given up."""
    options = await desk.running.provider.efforts(model) if desk.running is not None else ()
    if not options:
        return ""
    rows = [Row("", "as the model does by itself"), *(Row(option, option) for option in options)]
    return await desk.show(Chooser("How much shall it think?", rows, desk.theme))


async def _keep(desk: Desk, model: str, effort: str) -> None:
    """Ask where the choice is kept, and write it there."""
    mine, its = user_file(desk.environ), desk.workspace.root / "vtcode.toml"
    rows = [
        Row("session", "For now", "until vtcode ends"),
        Row("workspace", "In this workspace", str(its)),
        Row("user", "Everywhere", str(mine)),
    ]
    where = await desk.show(Chooser("Keep this model", rows, desk.theme))
    if where not in ("workspace", "user"):
        return
    path = its if where == "workspace" else mine
    values = {"default_model": model, **({"reasoning_effort": effort} if effort else {})}
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for name, value in values.items():
            text = with_value(text, ("agent",), name, value)
        replace_text(path, text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TomlError) as error:
        desk.fail(f"It could not be kept in {path}: {error}. The file is as it was.")
    else:
        desk.say(f"{visible(model, one_line=True)} is kept in {'vtcode.toml' if path == its else path}.")
