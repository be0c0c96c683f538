"""Looks at everything that a run needs, piece by piece: what is well, what is not, and how to mend it."""

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import Literal

import msgspec

from vtcode import sandbox
from vtcode.embedded import is_installed
from vtcode.models import choose_model
from vtcode.places import state_folder
from vtcode.providers import Endpoint, ModelInfo, ModelNotFound, ProviderError, Refused, Unauthorised, connect
from vtcode.settings import Settings
from vtcode.startup import endpoint_of
from vtcode.tools.search import find_ripgrep
from vtcode.workspace import Workspace

SMALL_CONTEXT = 4096
"""Tokens of context under which a conversation of any length does not fit."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "note", "failed"]
    """A note is something to know: a run goes on without it."""
    found: str
    fix: str = ""
    """What to do about it, as a sentence."""


async def examine(settings: Settings, workspace: Workspace, environ: Mapping[str, str]) -> AsyncIterator[Check]:
    """Yield a check after the other; those that build on a failed one are left out."""
    yield Check("program", "ok", f"Python {sys.version.split()[0]}, {sys.executable}")
    yield _configuration(settings)
    async for check in _server(settings):
        yield check
    yield _sandbox(environ)
    yield _search(workspace)
    yield _state(environ)


def _configuration(settings: Settings) -> Check:
    files = sorted({source.partition(", line ")[0] for source in settings.sources.values()})
    found = f"from {', '.join(files)}" if files else "no file, no variable: the defaults hold"
    if settings.warnings:
        return Check(
            "configuration", "note", f"{found}. {' '.join(settings.warnings)}", "`vtcode config show --origin`"
        )
    return Check("configuration", "ok", found)


async def _server(settings: Settings) -> AsyncIterator[Check]:
    endpoint = endpoint_of(settings)
    provider = connect(endpoint)
    try:
        known = await provider.models()
    except Refused as error:
        if not settings.base_url_is_set and is_installed():
            yield Check(
                "server",
                "note",
                f"nothing answers at {settings.base_url}",
                "The embedded server is started for each run.",
            )
        else:
            yield Check("server", "failed", f"nothing answers at {settings.base_url}", str(error))
        return
    except Unauthorised as error:
        yield Check("server", "ok", f"{settings.base_url} answers")
        yield Check("key", "failed", "the server does not take it" if settings.api_key else "none is set", str(error))
        return
    except ProviderError as error:
        yield Check("server", "failed", f"{settings.base_url} does not answer as it should", str(error))
        return
    finally:
        await provider.close()
    count = "1 model" if len(known) == 1 else f"{len(known)} models"
    yield Check("server", "ok", f"{settings.base_url} answers, with {count}")
    yield Check("key", "ok", "the server takes it" if settings.api_key else "none is set, and the server wants none")
    for check in _model(settings, known, endpoint):
        yield check


def _model(settings: Settings, known: list[ModelInfo], endpoint: Endpoint) -> list[Check]:
    try:
        model, info = choose_model(settings.default_model, known, endpoint)
    except ModelNotFound as error:
        return [Check("model", "failed", settings.default_model or "none is named", str(error))]
    if info is None:
        return [Check("model", "note", f"{model}, of which the server says nothing")]
    facts = [model, {True: "loaded", False: "not loaded yet", None: ""}[info.is_loaded]]
    facts.append({True: "trained for tools", False: "not trained for tools", None: ""}[info.trained_for_tools])
    checks = [Check("model", "ok", ", ".join(fact for fact in facts if fact))]
    if info.context_length is None:
        fix = "If you know it, set max_tokens under [context], so that long conversations are shortened in time."
        checks.append(Check("context", "note", "the server does not tell how much context is loaded", fix))
    elif info.context_length < SMALL_CONTEXT:
        fix = "Load the model with a larger context, such as `lmstudio load MODEL --context-length 8192`."
        checks.append(Check("context", "note", f"{info.context_length:,} tokens, which is little", fix))
    else:
        checks.append(Check("context", "ok", f"{info.context_length:,} tokens"))
    return checks


def _sandbox(environ: Mapping[str, str]) -> Check:
    found = sandbox.examine(environ)
    if found.level.is_whole:
        return Check("sandbox", "ok", found.level.value)
    what = {
        sandbox.Level.NONE: "none works here: commands run with your own rights, each after a question",
        sandbox.Level.LANDLOCK: "landlock, a weaker one: each command is asked about",
    }[found.level]
    fix = "Install bubblewrap (on Debian and Ubuntu: `sudo apt install bubblewrap`)."
    return Check("sandbox", "note", f"{what} ({'; '.join(found.missing)})", fix)


def _search(workspace: Workspace) -> Check:
    program = find_ripgrep(workspace)
    if program is None:
        return Check("search", "failed", "ripgrep is missing", "Install it with `pip install ripgrep`.")
    return Check("search", "ok", program)


def _state(environ: Mapping[str, str]) -> Check:
    folder = state_folder(environ)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Permissions alone do not tell: the superuser has them where nothing can be written.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fix = "Make it writable, or name another with XDG_STATE_HOME."
        return Check("state", "note", f"{folder} cannot be written ({error.strerror}): sessions are not kept", fix)
    free = shutil.disk_usage(folder).free >> 20
    if free < 100:
        return Check("state", "note", f"{folder}: {free} MB are free", "Make room: sessions are kept there.")
    return Check("state", "ok", str(folder))
