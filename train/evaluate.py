"""What a model is worth on the held-out samples, through the real server: `python -m train.evaluate`."""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from train import running
from train.bars import draw
from train.dataset import Sample, held_out
from train.format import SPECS
from vtcode.compact import CompactProfile
from vtcode.embedded import EmbeddedServer
from vtcode.messages import AssistantMessage, ToolCall
from vtcode.providers import Completed, Provider, Request
from vtcode.providers.http import HttpProvider
from vtcode.situation import Situation

_SILENT: Final = frozenset({"talk", "cannot"})
"""Kinds in which a call would be a false one."""


class Share(msgspec.Struct):
    """So many of so many."""

    good: int = 0
    all: int = 0

    def add(self, is_good: bool) -> None:
        self.good += is_good
        self.all += 1

    @property
    def part(self) -> float | None:
        return self.good / self.all if self.all else None

    def __str__(self) -> str:
        return f"{self.good}/{self.all}" + (f" ({self.part:.0%})" if self.part is not None else "")


class Scores(msgspec.Struct):
    """What is measured, each for itself: every reply is asked for after the right ones before it."""

    called: Share = msgspec.field(default_factory=Share)
    """Replies that are a call in form, where one is due."""
    tool: Share = msgspec.field(default_factory=Share)
    arguments: Share = msgspec.field(default_factory=Share)
    """Calls with exactly the right arguments, of the right tool."""
    false_calls: Share = msgspec.field(default_factory=Share)
    answers: Share = msgspec.field(default_factory=Share)
    """Answers after a result that hold what was asked for."""
    edits: Share = msgspec.field(default_factory=Share)
    """Files that are exactly as wanted after the edit."""
    seconds: float = 0.0

    @property
    def cells(self) -> tuple[Share, ...]:
        return self.called, self.tool, self.arguments, self.false_calls, self.answers, self.edits


FIGURES: Final = ("called", "right tool", "exact arguments", "false calls on talk", "answers", "exact edits")


class Miss(msgspec.Struct, frozen=True):
    """A reply that was not the right one."""

    kind: str
    asked: str
    wanted: str
    got: str


async def measure(
    provider: Provider, model: str, samples: Sequence[Sample], *, is_constrained: bool
) -> tuple[Scores, list[Miss]]:
    """Ask for each reply of each sample, and compare.

    Raises:
        ProviderError: the server, or the way to it, failed.
    """
    scores, misses = Scores(), list[Miss]()
    started = time.monotonic()
    for sample in samples:
        for index, right in enumerate(sample.messages):
            if not isinstance(right, AssistantMessage):
                continue
            got = await _reply(provider, model, sample, index, is_constrained=is_constrained)
            if not _judge(scores, sample, index, right, got):
                misses.append(Miss(sample.kind, sample.messages[0].text, _shown(right), _shown(got)))
    scores.seconds = time.monotonic() - started
    return scores, misses


async def _reply(
    provider: Provider, model: str, sample: Sample, index: int, *, is_constrained: bool
) -> AssistantMessage:
    profile = CompactProfile(SPECS + sample.specs, is_narrow=True)
    situation = Situation(messages=sample.messages[:index], step=1, files=sample.paths, is_program=running.is_program)
    request = profile.request(Request(model=model, system="", messages=(), max_tokens=200), situation)
    if not is_constrained:
        request = msgspec.structs.replace(request, schema=None)
    async with contextlib.aclosing(provider.stream(request)) as deltas:
        async for delta in deltas:
            if isinstance(delta, Completed):
                return profile.read(delta.message, 1)
    return AssistantMessage()


def _judge(scores: Scores, sample: Sample, index: int, right: AssistantMessage, got: AssistantMessage) -> bool:
    if sample.kind in _SILENT:
        scores.false_calls.add(bool(got.calls))
        return not got.calls
    if not right.calls:
        is_right = not got.calls and all(wanted in got.text for wanted in sample.wanted)
        if index > 1 and sample.wanted:
            scores.answers.add(is_right)
        return is_right
    wanted, call = right.calls[0], got.calls[0] if len(got.calls) == 1 else None
    given = _arguments(call) if call else None
    scores.called.add(given is not None)
    scores.tool.add(call is not None and call.name == wanted.name)
    is_right = call is not None and call.name == wanted.name and given == _arguments(wanted)
    scores.arguments.add(is_right)
    if wanted.name == "edit_file" and sample.edited is not None:
        path, before, after = sample.edited
        # The first try of some samples is bound to fail; it is no edit.
        if json.loads(wanted.arguments)["old_str"] in before:
            scores.edits.add(_edited(call, given, path, before) == after)
    return is_right


def _edited(call: ToolCall | None, given: dict[str, object] | None, path: str, before: str) -> str | None:
    if call is None or given is None or call.name != "edit_file" or given.get("path") != path:
        return None
    old, new = given.get("old_str"), given.get("new_str")
    is_fit = isinstance(old, str) and isinstance(new, str) and before.count(old) == 1
    return before.replace(str(old), str(new)) if is_fit else None


def _arguments(call: ToolCall) -> dict[str, object] | None:
    try:
        given = json.loads(call.arguments)
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def _shown(message: AssistantMessage) -> str:
    return " ".join(f"{call.name} {call.arguments}" for call in message.calls) or message.text


# The server ----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(
    models: Path, model: str, adapter: str, threads: int, template: Path | None = None
) -> AsyncGenerator[HttpProvider]:
    """Run a server of its own with the settings of a stranger: one model's adapter, and a template if it has none."""
    with tempfile.TemporaryDirectory() as home:
        settings = Path(home) / ".config" / "lmstudio" / "server.toml"
        settings.parent.mkdir(parents=True)
        lines = [f"[models.{json.dumps(model)}]", f"adapter = {json.dumps(adapter)}", "parallel = 1"]
        lines += [f"threads = {threads}"]
        lines += [f"chat_template = {json.dumps(str(template.absolute()))}"] if template else []
        settings.write_text("\n".join(lines))
        environ = {"PATH": os.environ["PATH"], "HOME": home, "LMSTUDIO_MODELS_DIR": str(models.absolute())}
        server = await EmbeddedServer.start(environ, Path(home) / "server.log")
        provider = HttpProvider(server.endpoint)
        try:
            yield provider
            print((Path(home) / "server.log").read_text()[-500:], file=sys.stderr)
        finally:
            await provider.close()
            await server.stop()


async def _measure_all(arguments: argparse.Namespace) -> dict[str, Scores]:
    samples = held_out(arguments.samples)
    adapter = str(arguments.adapter.absolute()) if arguments.adapter else "none"
    async with serving(arguments.models, arguments.model, adapter, arguments.threads, arguments.template) as provider:
        name = f"{arguments.name}, {'free' if arguments.free else 'under the grammar'}"
        scores, misses = await measure(provider, arguments.model, samples, is_constrained=not arguments.free)
    if arguments.misses:
        lines = [json.dumps(msgspec.to_builtins(miss), ensure_ascii=False) for miss in misses]
        arguments.misses.write_text("".join(f"{line}\n" for line in lines))
    return {name: scores}


def table(rows: dict[str, Scores]) -> str:
    """Write the scores as Markdown."""
    lines = ["| | " + " | ".join(FIGURES) + " |", "|---" * (len(FIGURES) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(map(str, each.cells)) + " |" for name, each in rows.items()]
    return "\n".join(lines)


def _kept(file: Path, rows: dict[str, Scores]) -> dict[str, Scores]:
    """Put rows beside those that were measured before, and draw them all."""
    former = msgspec.json.decode(file.read_bytes(), type=dict[str, Scores]) if file.exists() else {}
    both = former | rows
    file.write_bytes(msgspec.json.format(msgspec.json.encode(both)))
    draw(FIGURES, {name: [cell.part for cell in each.cells] for name, each in both.items()}, file.with_suffix(".svg"))
    return both


def main() -> None:
    """Measure the base, or the base with an adapter, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m train.evaluate", description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="the models folder that holds the base")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--adapter", type=Path, help="measure with this adapter; without it, the base alone")
    parser.add_argument("--template", type=Path, help="a chat template, for a model that has none")
    parser.add_argument("--samples", type=int, default=160)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--free", action="store_true", help="measure without the server's grammar")
    parser.add_argument("--misses", type=Path, help="write each wrong reply here, as JSON lines")
    parser.add_argument("--name", help="of the rows (default: base, or adapter)")
    parser.add_argument(
        "--results", type=Path, metavar="JSON", help="keep the rows here, and a plot of all beside it"
    )
    arguments = parser.parse_args()
    arguments.name = arguments.name or ("adapter" if arguments.adapter else "base")
    rows = asyncio.run(_measure_all(arguments))
    print(table(_kept(arguments.results, rows) if arguments.results else rows))
    print("\n".join(f"{name}: {scores.seconds:.0f} s" for name, scores in rows.items()))


if __name__ == "__main__":
    main()
