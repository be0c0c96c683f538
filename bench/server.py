"""What the server costs on top of the bare engine, with the same model in the same run.

    .venv/bin/python bench/server.py [--rounds N] [--tokens N] [--threads N] [--json]

Starts `lmstudio server start` and, beside it, the engine of a server as a process of its own with the same
settings, and asks both the same in turns, so that a noisy machine disturbs both alike. Prints the medians, their
ratios with the targets, and a table of resident memory. The models are those that `scripts/test` gets, or those in
LMSTUDIO_MODELS_DIR.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from lmserver.catalog import Catalog, Model
from lmserver.engines.llama import CHATML
from lmserver.engines.llama_child import ChildSettings
from lmserver.engines.template import with_tools
from lmserver.loading import DEFAULT_CONTEXT, batch

REPOSITORY = Path(__file__).resolve().parents[1]
# Where `scripts/test` puts them: chat and embedding models in folders of their own.
FOLDERS = [REPOSITORY / ".cache" / name for name in ("models", "other-models")]
if chosen := os.environ.get("LMSTUDIO_MODELS_DIR"):
    FOLDERS = [Path(chosen)]
BIN = Path(sys.executable).parent
CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
STREAMS = 8
QUESTION = "Write a long story about the sea."
TEXTS = [f"Sentence number {at} tells of the weather in the town of the harbour." for at in range(32)]
TARGETS = {
    "single stream, tokens/s": 0.97,
    "8 streams, tokens/s": 0.95,
    "embeddings/s": 0.95,
    "time to first token, ms": 5.0,
}
"""Ratios that are to be reached; for the time to first token the milliseconds that are allowed on top."""


@dataclass
class Side:
    """One of the two that are compared: where it answers, and what was measured."""

    name: str
    host: str
    key: str
    model: str
    samples: dict[str, list[float]] = field(default_factory=dict)

    def note(self, what: str, value: float) -> None:
        self.samples.setdefault(what, []).append(value)

    def median(self, what: str) -> float:
        return statistics.median(self.samples[what])

    def post(self, path: str, body: dict[str, Any]) -> http.client.HTTPResponse:
        """Send a request on a connection of its own, and give the answer as it comes."""
        connection = http.client.HTTPConnection(self.host, timeout=120)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body | {"model": self.model}), headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"{self.name} refused: {answer.status} {answer.read()[:500]!r}")
        return answer


@dataclass
class Stream:
    """What one streamed reply came to: seconds to the first token, and tokens a second after it."""

    first: float
    rate: float
    tokens: int


def stream(side: Side, question: str, tokens: int) -> Stream:
    """Stream one reply and time its chunks."""
    body = {
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    started = time.perf_counter()
    first = last = 0.0
    spent = 0
    for line in side.post(CHAT, body):
        if not line.startswith(b"data: {"):
            continue
        if b'"content":' in line and b'"content":""' not in line and b'"content":null' not in line:
            last = time.perf_counter()
            first = first or last
        if b'"completion_tokens":' in line:
            spent = json.loads(line[6:])["usage"]["completion_tokens"]
    return Stream(first - started, (spent - 1) / (last - first), spent)


def single(side: Side, tokens: int) -> None:
    """Measure one stream alone."""
    result = stream(side, QUESTION, tokens)
    side.note("single stream, tokens/s", result.rate)


def first_token(side: Side, _: int) -> None:
    """Measure the time to the first token of a prompt that is in the cache, so that only the way there counts."""
    side.note("time to first token, ms", stream(side, QUESTION, 2).first * 1e3)


def many(side: Side, tokens: int) -> None:
    """Measure several streams at once: all tokens by the time from the first request to the last token."""
    results: list[Stream] = []

    def work(number: int) -> None:
        results.append(stream(side, f"{QUESTION} It begins in year {1900 + number}.", tokens))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(STREAMS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    side.note("8 streams, tokens/s", sum(result.tokens for result in results) / (time.perf_counter() - started))


def embed(side: Side, _: int) -> None:
    """Measure a list of texts in one request."""
    started = time.perf_counter()
    answer = json.loads(side.post(EMBED, {"input": TEXTS, "encoding_format": "base64"}).read())
    assert len(answer["data"]) == len(TEXTS)
    side.note("embeddings/s", len(TEXTS) / (time.perf_counter() - started))


# The two sides ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def child(model: Model, threads: int, parallel: int) -> Iterator[tuple[Side, int]]:
    """Run the bare engine, started just as the server starts it."""
    chats = model.kind == "llm"
    settings: dict[str, Any] = {
        "path": str(model.path),
        "key": "bench",
        "context_length": min(model.header.context_length or DEFAULT_CONTEXT, DEFAULT_CONTEXT),
        "parallel": parallel,
        "threads": threads,
        "chat_template": with_tools(model.header.chat_template or CHATML) if chats else "",
        "cache_mib": 512,
        "batch": batch(model.header, threads),
    }
    if not chats:
        settings["embeddings"] = True
    checked = msgspec.convert(settings, ChildSettings)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "lmserver.engines.llama_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin and process.stdout
    try:
        process.stdin.write(msgspec.json.encode(checked) + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        yield Side("bare engine", answer["url"].partition("://")[2], "bench", model.id), process.pid
    finally:
        process.stdin.close()
        process.wait(15)


@contextlib.contextmanager
def server(threads: int, parallel: int, home: Path) -> Iterator[tuple[Side, int]]:
    """Run our server as a user would."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "LMSTUDIO_MODELS_DIR": str(home / "models"),
        "LMSTUDIO_THREADS": str(threads),
        "LMSTUDIO_API_KEY": "bench",
    }
    process = subprocess.Popen(
        [str(BIN / "lmstudio"), "server", "start", "--port", "0", "--child", "--parallel", str(parallel)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdin and process.stdout
    try:
        url = json.loads(process.stdout.readline())["url"]
        yield Side("lmstudio", url.partition("://")[2].removesuffix("/v1"), "bench", ""), process.pid
    finally:
        process.stdin.close()
        process.wait(15)


def resident(pid: int) -> int:
    """Give the resident MB of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") >> 20


def engines(pid: int) -> list[int]:
    """Find the engines of a server."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


# The run ------------------------------------------------------------------------------------------------

Measure = Callable[[Side, int], None]


def compare(measures: list[Measure], sides: list[Side], rounds: int, tokens: int) -> None:
    """Measure all in turns; each round begins with the other side."""
    for measure in measures:
        for side in sides:
            measure(side, tokens)
            side.samples.clear() if measure is measures[0] else side.samples.popitem()
    for number in range(rounds):
        for measure in measures:
            for side in sides if number % 2 else sides[::-1]:
                measure(side, tokens)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)


def verdicts(ours: Side, bare: Side) -> Iterator[dict[str, Any]]:
    """Compare the medians with the targets."""
    for what, target in TARGETS.items():
        if what not in ours.samples:
            continue
        mine, theirs = ours.median(what), bare.median(what)
        is_time = what.endswith("ms")
        result = mine - theirs if is_time else mine / theirs
        yield {
            "what": what,
            "lmstudio": round(mine, 2),
            "bare": round(theirs, 2),
            "difference" if is_time else "ratio": round(result, 3),
            "target": target,
            "reached": result <= target if is_time else result >= target,
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=128, help="tokens of a reply")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each engine")
    parser.add_argument("--parallel", type=int, default=4, help="requests that each engine computes together")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    arguments = parser.parse_args()

    found = [entry for folder in FOLDERS for entry in Catalog(folder).scan() if isinstance(entry, Model)]
    files = [model for model in found if model.format == "gguf"]
    chats = next(model for model in files if model.kind == "llm")
    embeds = next((model for model in files if model.kind == "embeddings"), None)
    memory: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for model in filter(None, (chats, embeds)):
            place = home / "models" / model.publisher / model.repo
            place.mkdir(parents=True)
            (place / model.path.name).symlink_to(model.path)
        ours, pid = stack.enter_context(server(arguments.threads, arguments.parallel, home))
        memory.append({"process": "lmstudio, no model loaded", "MB": resident(pid)})
        for model, measures in ((chats, [single, first_token, many]), (embeds, [embed])):
            if model is None:
                print("There is no embedding model: that part is left out.", file=sys.stderr)
                continue
            ours.model = model.id
            with child(model, arguments.threads, arguments.parallel) as (bare, bare_pid):
                before = set(engines(pid))
                compare(measures, [ours, bare], arguments.rounds, arguments.tokens)
                results += verdicts(ours, bare)
                memory.append({"process": f"lmstudio, after {model.id}", "MB": resident(pid)})
                memory += [
                    {"process": f"engine of lmstudio, {model.id}", "MB": resident(each)}
                    for each in set(engines(pid)) - before
                ]
                memory.append({"process": f"bare engine, {model.id}", "MB": resident(bare_pid)})
            ours.samples.clear()
    if arguments.json:
        settings = {"rounds": arguments.rounds, "tokens": arguments.tokens, "threads": arguments.threads}
        print(json.dumps({**settings, "results": results, "memory": memory}, indent=2))
        return
    print(f"{'':26}{'lmstudio':>10}{'bare':>10}{'ratio':>9}{'target':>9}")
    for row in results:
        told = f"+{row['difference']:.1f}" if "difference" in row else f"{row['ratio']:.3f}"
        mark = "" if row["reached"] else "  missed"
        print(f"{row['what']:26}{row['lmstudio']:10.1f}{row['bare']:10.1f}{told:>9}{row['target']:>9}{mark}")
    print(f"\n{'resident memory':50}{'MB':>6}")
    for row in memory:
        print(f"{row['process']:50}{row['MB']:6}")


if __name__ == "__main__":
    main()
