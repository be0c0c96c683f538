"""What the default model's adapter costs: the same requests to the server with it and without it, in one run.

    .venv/bin/python bench/adapter.py [--rounds N]

Starts the server twice, once with the adapter that ships and once with `adapter = "none"`, and asks both in turns
for 128 tokens after a short prompt of the agent's, and for one token after a long one that is not in the cache.
Prints the medians of tokens a second, and their ratio. The model is the one that `scripts/test` gets.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from vtcode.compact import COMPACT_INSTRUCTIONS
from vtcode.embedded import EmbeddedServer

MODEL = "smollm2-135m-instruct"
MODELS = Path(__file__).resolve().parents[1] / ".cache" / "models"
SETTINGS = {"with": "", "without": f'[models."{MODEL}"]\nadapter = "none"\n'}
WRITTEN = 128
END = "2"
"""The token that ends a reply: neither side may stop early."""


class Side:
    """A server, and what was measured of it."""

    def __init__(self, server: EmbeddedServer, client: httpx2.AsyncClient) -> None:
        self._server = server
        self._client = client
        self.rates: dict[str, list[float]] = {"decode": [], "prefill": []}

    async def ask(self, text: str, tokens: int) -> tuple[float, dict[str, Any]]:
        """Send a request of the agent's; give the seconds that it took, and its usage."""
        messages = [{"role": "system", "content": COMPACT_INSTRUCTIONS}, {"role": "user", "content": text}]
        body = {"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": tokens}
        started = time.perf_counter()
        answer = await self._client.post(
            f"{self._server.endpoint.base_url}/chat/completions",
            json=body | {"logit_bias": {END: -100}},
            headers={"Authorization": f"Bearer {self._server.endpoint.key}"},
        )
        if answer.status_code != 200:
            raise SystemExit(f"refused: {answer.status_code} {answer.text[:300]}")
        return time.perf_counter() - started, answer.json()["usage"]

    async def measure(self, number: int) -> None:
        """Note a rate of writing, which is what more tokens take longer, and one of reading."""
        short = f"Tell a story of the year {1900 + number}."
        await self.ask(short, 1)
        little, _ = await self.ask(short, 8)
        much, usage = await self.ask(short, 8 + WRITTEN)
        self.rates["decode"].append((usage["completion_tokens"] - 8) / (much - little))
        seconds, usage = await self.ask(f"{number} " + f"line {number} of the log says that all is well. " * 90, 1)
        read = usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]
        self.rates["prefill"].append(read / seconds)


async def compare(rounds: int) -> None:
    """Measure both sides in turns and print what came of it."""
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=120))
        sides: dict[str, Side] = {}
        for name, settings in SETTINGS.items():
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (home / ".config" / "lmstudio").mkdir(parents=True)
            (home / ".config" / "lmstudio" / "server.toml").write_text(settings)
            environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LMSTUDIO_MODELS_DIR": str(MODELS)}
            server = await EmbeddedServer.start(environ, home / "server.log")
            stack.push_async_callback(server.stop)
            sides[name] = Side(server, client)
            await sides[name].ask("hello", 1)
        for number in range(rounds):
            for side in sides.values():
                await side.measure(number)
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    for what in ("decode", "prefill"):
        on, off = (statistics.median(side.rates[what]) for side in sides.values())
        print(f"{what}: {on:.0f} tokens/s with the adapter, {off:.0f} without: {on / off:.2f}x")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    asyncio.run(compare(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
