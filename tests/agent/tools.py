"""Calls to tools, as the loop makes them."""

import asyncio
import json
from pathlib import Path

from vtcode.tools import TOOLS, BadArguments, Outcome, Preview, Tool, ToolContext, parse_arguments
from vtcode.workspace import Workspace

BY_NAME = {tool.name: tool for tool in TOOLS}


class Toolbox:
    """The tools in one workspace."""

    def __init__(self, root: Path, output_limit: int = 4000) -> None:
        self.root = root
        self.context = ToolContext(Workspace(root), output_limit)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, name: str, **arguments: object) -> Outcome:
        return asyncio.run(self.call(name, **arguments))

    async def call(self, name: str, **arguments: object) -> Outcome:
        parsed = parse_arguments(BY_NAME[name], json.dumps(arguments))
        assert not isinstance(parsed, BadArguments), parsed
        return await BY_NAME[name].run(parsed, self.context)

    def preview(self, name: str, **arguments: object) -> Preview:
        return BY_NAME[name].preview(parse_arguments(BY_NAME[name], json.dumps(arguments)), self.context)

    def sensitive(self, name: str, **arguments: object) -> str | None:
        return BY_NAME[name].sensitive(parse_arguments(BY_NAME[name], json.dumps(arguments)), self.context)


def tool(name: str) -> Tool:
    return BY_NAME[name]
