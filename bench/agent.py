"""What the agent itself costs, beside a model that answers at once: tokens, prefix, requests and time.

    .venv/bin/python bench/agent.py [ROUNDS] [--ranks FILE]

Runs `vtcode exec` on a small workspace against a scripted server that answers instantly: read README.md, read a file,
answer. Prints the tokens of the first request, how much of each later request is byte for byte the one before, which
requests there were beside the three, and medians of the times, beside the figures of other agents that were measured
the same way on a like machine.

Tokens are counted by the default model's own tokenizer, and, given the ranks of `o200k_base` (one base64 token and
its rank a line), by the vocabulary that the others were counted with.
"""

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).resolve().parents[1]

PEERS = """\
agent                 first request  resume keeps  to first request  three steps
pi                      1,198 (o200k)       1.000             0.64 s       0.81 s
codex                   7,790 (o200k)       1.000             0.49 s       0.71 s
claude                 11,856 (o200k)       1.000             0.96 s       1.23 s
opencode                6,734 (o200k)       1.000             7.29 s       8.61 s
best Python agent       7,035 (o200k)       1.000             3.49 s       4.58 s"""

FILES = {
    "README.md": "# Orchard\n\nKeeps stock of fruit.\n" + "Each crate has a label and a weight. " * 20 + "\n",
    "demo/calc.py": "def add(a, b):\n    return a + b\n",
    "pyproject.toml": '[project]\nname = "orchard"\n',
}
REPLIES: list[dict[str, Any]] = [
    {"tool": ("read_file", {"path": "README.md"})},
    {"tool": ("read_file", {"path": "demo/calc.py"})},
    {"text": "Orchard keeps stock of fruit; calc.py adds two numbers."},
]


# An instant server -----------------------------------------------------------------------------------------


@dataclass
class Seen:
    """A request as it came, and when; when its answer was sent."""

    line: str
    body: bytes
    came: float
    answered: float = 0.0


@dataclass
class Instant:
    """A scripted server on one connection after another, without a framework."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)

    @property
    def replies(self) -> list[Seen]:
        """Return the requests for replies."""
        return [seen for seen in self.seen if seen.line.startswith("POST")]


@contextlib.asynccontextmanager
async def instant() -> AsyncIterator[Instant]:
    """Serve `REPLIES`, one a request, from the start for each new run."""
    state = Instant()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                found = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(found[1])) if found else b""
                seen = Seen(head.partition("\r\n")[0], body, time.perf_counter())
                state.seen.append(seen)
                writer.write(_answer(seen))
                await writer.drain()
                seen.answered = time.perf_counter()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield state


def _answer(seen: Seen) -> bytes:
    if seen.line.startswith("GET"):
        kind, body = "application/json", b'{"data":[{"id":"m","max_context_length":32768,"state":"loaded"}]}'
    else:
        kind, body = "text/event-stream", _stream(json.loads(seen.body))
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _stream(asked: dict[str, Any]) -> bytes:
    step = sum(message["role"] == "assistant" for message in asked["messages"]) % len(REPLIES)
    reply = REPLIES[step]
    delta: dict[str, Any] = {"content": reply.get("text", "")}
    if "tool" in reply:
        name, arguments = reply["tool"]
        function = {"name": name, "arguments": json.dumps(arguments)}
        delta["tool_calls"] = [{"index": 0, "id": f"call_{step}", "type": "function", "function": function}]
    end = {"delta": {}, "finish_reason": "tool_calls" if "tool" in reply else "stop"}
    usage = {"prompt_tokens": len(json.dumps(asked)) // 4, "completion_tokens": 20}
    chunks: list[Any] = [{"choices": [{"delta": delta}]}, {"choices": [end]}, {"choices": [], "usage": usage}]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"


# Runs ------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One run: what was asked, and when."""

    requests: list[Seen]
    replies: list[Seen]
    to_first: float
    between: float
    to_exit: float
    wall: float
    cpu: float


async def run(server: Instant, home: Path, workspace: Path, *flags: str) -> Run:
    """Run one task to its end."""
    server.seen.clear()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        str(BIN / "vtcode"),
        "exec",
        *flags,
        "read README.md and demo/calc.py",
        cwd=workspace,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LMSTUDIO_BASE_URL": server.url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    ended = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode == 0, errors.decode()
    replies = server.replies
    gaps = [later.came - earlier.answered for earlier, later in itertools.pairwise(replies)]
    return Run(
        list(server.seen),
        list(replies),
        replies[0].came - started,
        statistics.mean(gaps),
        ended - replies[-1].answered,
        ended - started,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    )


# Prompts ---------------------------------------------------------------------------------------------------


def prompt(body: bytes) -> str:
    """Lay a request out as a chat template does: tools, instructions, messages."""
    asked = json.loads(body)
    parts = [*asked.get("tools", []), *asked["messages"]]
    return "\n".join(json.dumps(part, separators=(",", ":"), ensure_ascii=False) for part in parts)


def kept(earlier: bytes, later: bytes) -> float:
    """Tell which share of the earlier prompt the later one begins with."""
    first, second = prompt(earlier), prompt(later)
    same = next((at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), len(first))
    return min(same, len(second)) / len(first)


def parts(body: bytes, tokens: Callable[[str], int]) -> tuple[int, int, int]:
    """Count the tokens of tools, instructions and the rest."""
    asked = json.loads(body)
    tools = sum(tokens(json.dumps(tool, separators=(",", ":"))) for tool in asked.get("tools", []))
    system, *others = [message["content"] for message in asked["messages"]]
    return tools, tokens(system), sum(map(tokens, others))


@contextlib.contextmanager
def default_tokenizer() -> Any:
    """Count with the default model's tokenizer."""
    import httpx2
    import xllamacpp

    model = next((REPOSITORY / ".cache" / "models").glob("*/*/SmolLM2*.gguf"))
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)

    def count(text: str) -> int:
        answer = httpx2.post(f"{server.listening_address}/tokenize", json={"content": text})
        return len(answer.json()["tokens"])

    yield count


_WORDS = re.compile(
    r"[^\r\n\w]?[^\W\d_]*[a-z][^\W\d_]*(?:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\w]?[^\W\d_]+|\d{1,3}"
    r"| ?[^\s\w]+[\r\n/]*|_+|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How `o200k_base` splits a text, for ASCII."""


def o200k(ranks: Path) -> Callable[[str], int]:
    """Count as `o200k_base` does."""
    table = {
        base64.b64decode(word): int(rank) for word, rank in (line.split() for line in ranks.open() if line.strip())
    }

    def pieces(word: bytes) -> int:
        units = [word[at : at + 1] for at in range(len(word))]
        while len(units) > 1:
            joined = [table.get(units[at] + units[at + 1], 1 << 30) for at in range(len(units) - 1)]
            best = min(joined)
            if best == 1 << 30:
                break
            at = joined.index(best)
            units[at : at + 2] = [units[at] + units[at + 1]]
        return len(units)

    return lambda text: sum(pieces(match.group().encode()) for match in _WORDS.finditer(text))


async def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=9)
    parser.add_argument("--ranks", type=Path, help="of o200k_base")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, workspace = Path(folder) / "home", Path(folder) / "work"
        home.mkdir()
        for name, text in FILES.items():
            (workspace / name).parent.mkdir(parents=True, exist_ok=True)
            (workspace / name).write_text(text)
        async with instant() as server:
            runs = [await run(server, home, workspace) for _ in range(options.rounds + 1)]
            resumed = await continued(server, home, workspace)
    report(runs[1:], resumed, options.ranks)


async def continued(server: Instant, home: Path, workspace: Path) -> Run | None:
    """Go on with the newest session; None where sessions cannot be gone on with."""
    try:
        return await run(server, home, workspace, "--continue")
    except AssertionError as error:
        if "--continue" in str(error):
            return None
        raise


def report(runs: list[Run], resumed: Run | None, ranks: Path | None) -> None:
    """Print what was measured."""
    first = runs[0].replies[0].body
    print("tokens of the first request     tools  system   other   total")
    counters: dict[str, Any] = {"default model's tokenizer": default_tokenizer()}
    if ranks is not None:
        counters["o200k_base"] = contextlib.nullcontext(o200k(ranks))
    for name, counter in counters.items():
        with counter as count:
            numbers = parts(first, count)
        print(f"  {name:<28}" + "".join(f"{number:8,}" for number in (*numbers, sum(numbers))))

    replies = runs[0].replies
    within = [kept(earlier.body, later.body) for earlier, later in itertools.pairwise(replies)]
    print("\nshare of the prompt before that is kept, byte for byte")
    print(f"  within a run                {', '.join(f'{share:.3f}' for share in within)}")
    again = kept(replies[-1].body, runs[1].replies[-1].body)
    print(f"  in the next run of the task {again:.3f}")
    if resumed is not None:
        print(f"  in the resumed session      {kept(runs[-1].replies[-1].body, resumed.replies[0].body):.3f}")

    others = [seen.line for seen in runs[0].requests if seen not in replies]
    print(f"\nrequests beside the {len(replies)} steps: {', '.join(others) or 'none'}")

    print(
        f"\nseconds, medians of {len(runs)}: start to first request, between two, last reply to exit, whole run, cpu"
    )
    columns = zip(*[(r.to_first, r.between, r.to_exit, r.wall, r.cpu) for r in runs], strict=True)
    print("  " + "".join(f"{statistics.median(column):8.3f}" for column in columns))
    print(f"\n{PEERS}")


if __name__ == "__main__":
    asyncio.run(main())
