"""A workspace, a scripted server, and `vtcode` run against it."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.processes import RunningServer, clean_environment, run, running_server

Reply = dict[str, object]

GUIDE = """\
[agent]
provider = "lmstudio"                     # LM Studio provider
default_model = "lmstudio-community/meta-llama-3.1-8b-instruct"

[tools]
default_policy = "prompt"

[tools.policies]
read_file = "allow"
write_file = "prompt"
run_terminal_cmd = "prompt"
"""
"""The configuration as the guide for users has it, word for word."""


def call(name: str, **arguments: object) -> Reply:
    return {"calls": [{"name": name, "arguments": arguments}]}


def says(text: str) -> Reply:
    return {"text": text}


class Bench:
    """A workspace beside a scripted server."""

    def __init__(self, home: Path, server: RunningServer) -> None:
        self.home = home
        self.server = server
        self.workspace = home / "work"
        self.environment = clean_environment(home, {"LMSTUDIO_BASE_URL": server.url})

    def write(self, name: str, text: str) -> Path:
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def exec(self, task: str, *flags: str) -> subprocess.CompletedProcess[str]:
        return run(["vtcode", "exec", *flags, task], self.environment, cwd=self.workspace)

    def events(self, task: str, *flags: str) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[str]]:
        ended = self.exec(task, "--json", *flags)
        return [json.loads(line) for line in ended.stdout.splitlines()], ended


@contextlib.contextmanager
def bench(home: Path, *replies: Reply) -> Iterator[Bench]:
    (home / "work").mkdir()
    script = home / "scripted.json"
    script.write_text(json.dumps(replies))
    with running_server(clean_environment(home), home / "server.log", "--script", str(script)) as server:
        yield Bench(home, server)


def results(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["result"] for event in events if event["type"] == "tool.finished"]
