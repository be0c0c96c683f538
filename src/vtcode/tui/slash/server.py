"""/model and /local: the model, and the server that has it."""

from vtcode.embedded import is_installed
from vtcode.providers import ModelInfo, ProviderError
from vtcode.providers.catalogue import DEFAULT_MODEL
from vtcode.tui.chooser import Chooser, Row
from vtcode.tui.desk import Desk
from vtcode.tui.models import pick_model, use


async def model(desk: Desk, arguments: str) -> None:
    """Choose the model, or go on with the one that is named."""
    if arguments:
        await use(desk, arguments)
    else:
        await pick_model(desk)


async def local(desk: Desk, arguments: str) -> None:
    """Show the server and what it has loaded; go on with one of its models, unload one, start the embedded server."""
    running = desk.running
    if arguments:
        await _unload(desk, arguments)
        return
    listed: list[ModelInfo] = []
    try:
        listed = await running.provider.models() if running is not None else []
        note = f"{running.address} answers" if running is not None else f"{desk.settings.base_url} is not connected"
    except ProviderError as error:
        note = str(error)
    rows = [
        Row(info.id, info.id, _detail(info, running.model if running is not None else ""), "Models")
        for info in sorted(listed, key=lambda info: not info.is_loaded)
        if info.is_chat
    ]
    if is_installed():
        rows.append(Row("", "Embedded server", f"start one for this window, with {DEFAULT_MODEL}", "Server"))
    if not rows:
        desk.say(note)
        return
    chosen = await desk.show(Chooser("Local server", rows, desk.theme, note=note))
    if chosen == "":
        await use(desk, DEFAULT_MODEL, embedded=True)
    elif chosen is not None:
        await use(desk, chosen)


async def _unload(desk: Desk, arguments: str) -> None:
    word, _, named = arguments.partition(" ")
    model = named.strip()
    if word != "unload" or not model:
        desk.fail("Write /local, or /local unload and the id of a model.")
    elif desk.running is None:
        desk.fail(f"{desk.settings.base_url} is not connected.")
    elif not await desk.running.provider.unload(model):
        desk.fail(f"{model} is not loaded, or the server unloads models by itself. /local shows what is loaded.")
    else:
        again = " The next request loads it again." if model == desk.running.model else ""
        desk.say(f"{model} is unloaded.{again}")


def _detail(info: ModelInfo, current: str) -> str:
    facts = ["in use"] if info.id == current else []
    facts.append("loaded" if info.is_loaded else "not loaded")
    if info.context_length:
        facts.append(f"{info.context_length:,} tokens")
    return " · ".join(facts)
