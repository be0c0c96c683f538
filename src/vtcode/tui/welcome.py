"""The first run: a server, a model that fits this machine, a first question. Shown once."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from vtcode.places import state_folder
from vtcode.tui.chooser import Chooser, Row
from vtcode.tui.desk import Desk

if TYPE_CHECKING:
    from vtcode.providers import ModelInfo

_MARK: Final = "welcomed"
_SHARE: Final = 0.6
"""Of the memory that a model may take, so that the context and other programs have room."""
_QUESTIONS: Final = (
    "What is this project, and how is it laid out?",
    "How do I run the tests here?",
    "List the files that were changed last, and say what they do.",
)


def is_due(environ: Mapping[str, str]) -> bool:
    """Tell whether this is the first run: who has typed here or has a session knows the way."""
    state = state_folder(environ)
    return not any((state / name).exists() for name in (_MARK, "history", "sessions"))


async def welcome(desk: Desk) -> None:
    """Take the person through it; Esc leaves at any step, and it is not shown again."""
    state = state_folder(desk.environ)
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        (state / _MARK).touch()
    except OSError:
        # It would be shown at each start.
        return
    desk.say("Welcome to vtcode. Three steps, and Esc skips them.")
    if not await _server(desk) or not await _model(desk):
        return
    rows = [Row(question, question) for question in _QUESTIONS]
    question = await desk.show(Chooser("3/3  A first question to try", rows, desk.theme))
    if question is not None:
        desk.fill(question)


async def _server(desk: Desk) -> bool:
    # Here, since it brings the connection with it, which the first frame does without.
    from vtcode.embedded import is_installed
    from vtcode.providers.catalogue import DEFAULT_MODEL

    if (running := desk.running) is not None:
        rows = [Row("", "Go on", f"with the server at {running.address}")]
        title = "1/3  A server answers"
    else:
        title = "1/3  No server answers"
        rows = [
            Row("", "Go on", f"and start one later at {desk.settings.base_url} (LMSTUDIO_BASE_URL names another)")
        ]
        if is_installed():
            rows.insert(0, Row("embedded", "Start the embedded server", f"with {DEFAULT_MODEL}, a very small model"))
    chosen = await desk.show(Chooser(title, rows, desk.theme))
    if chosen == "embedded":
        return await desk.use_model(DEFAULT_MODEL, embedded=True)
    return chosen is not None


async def _model(desk: Desk) -> bool:
    from vtcode.providers import ProviderError

    running = desk.running
    if running is None:
        return True
    memory = _memory()
    listed: Sequence[ModelInfo] = ()
    try:
        listed = [model for model in await running.provider.models() if model.is_chat]
    except ProviderError as error:
        desk.fail(str(error))
    if not listed:
        # Nothing to choose from; the first question can be asked all the same.
        return True
    fitting = [model for model in listed if _fits(model, memory)]
    best = max(fitting, key=_weight, default=None)
    size = f"{memory / 1e9:.0f} GB of memory" if memory else "its memory is not known"
    rows = [Row(model.id, model.id, _detail(model, memory, is_best=model is best)) for model in listed]
    start = best.id if best is not None else running.model
    note = f"This machine: {size}. A larger model that fits is the better one; more come from LM Studio."
    chosen = await desk.show(Chooser("2/3  A model", rows, desk.theme, note=note, start=start))
    if chosen is None:
        return False
    return chosen == running.model or await desk.use_model(chosen)


def _memory() -> int:
    """Tell how many bytes of memory this machine has; 0 if it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _weight(model: "ModelInfo") -> int:
    return model.size_bytes or model.parameters or 0


def _fits(model: "ModelInfo", memory: int) -> bool:
    return not (model.size_bytes and memory) or model.size_bytes <= memory * _SHARE


def _detail(model: "ModelInfo", memory: int, *, is_best: bool) -> str:
    size = f"{model.size_bytes / 1e9:.1f} GB" if model.size_bytes else ""
    fits = "" if _fits(model, memory) else "too large for this machine"
    return " · ".join(fact for fact in ("suggested" if is_best else "", size, fits) if fact)
