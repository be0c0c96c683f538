"""Sessions as the tests look at them: on disk, and by the rule that every call has exactly one answer."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tests.agent.support import Bench
from tests.support.processes import run
from vtcode import events
from vtcode.events import Event
from vtcode.messages import ToolCall


def vtcode(b: Bench, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(["vtcode", *arguments], b.environment, cwd=b.workspace)


def folders(b: Bench) -> list[Path]:
    """The folders of all sessions, in the order in which they began."""
    root = Path(b.environment["XDG_STATE_HOME"]) / "vtcode" / "sessions"
    return sorted(root.iterdir()) if root.is_dir() else []


def logged(folder: Path) -> list[dict[str, Any]]:
    """What the log says, each line of it."""
    return [json.loads(line)["fact"] for line in (folder / "events.jsonl").read_text().splitlines()]


def log_events(folder: Path) -> list[Event]:
    others = {"session", "file.kept", "file.left"}
    return [msgspec.convert(fact, Event) for fact in logged(folder) if fact["type"] not in others]


def unanswered(facts: Iterable[Event]) -> list[ToolCall]:
    """The calls that have no answer, or one that nobody asked for, before the next reply."""
    wrong: list[ToolCall] = []
    waiting: list[ToolCall] = []
    for fact in facts:
        match fact:
            case events.MessageFinished(message=message):
                wrong += waiting
                waiting = list(message.calls)
            case events.TurnStarted() | events.TurnFinished():
                wrong += waiting
                waiting = []
            case events.ToolFinished(call=call):
                if call in waiting:
                    waiting.remove(call)
                else:
                    wrong.append(call)
            case _:
                pass
    return wrong + waiting
