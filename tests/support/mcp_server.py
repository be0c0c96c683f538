"""An MCP server to test with, made with the official SDK; its arguments say how it behaves."""

import argparse
import base64
import os
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Image, MCPServer


def made(describe: str) -> MCPServer:
    server = MCPServer("tests")

    @server.tool(description=describe)
    def add(a: int, b: int = 1) -> str:
        return str(a + b)

    @server.tool(description="What this server is told of the outside")
    def surroundings() -> str:
        return "\n".join([os.getcwd(), *(f"{name}={value}" for name, value in sorted(os.environ.items()))])

    @server.tool(description="A picture")
    def picture() -> Any:
        return Image(data=base64.b64decode("aGVsbG8="), format="png")

    @server.tool(description="A long text")
    def long(lines: int) -> str:
        return "\n".join(f"line {number}" for number in range(lines))

    @server.tool(description="Fails")
    def fail() -> str:
        raise ValueError("it cannot be done")

    @server.tool(description="Ends the server")
    def end() -> str:
        os._exit(3)

    @server.tool(description="Answers late")
    def sleep(seconds: float) -> str:
        time.sleep(seconds)
        return "slept"

    @server.tool(name="odd name/ü", description="Has a name that no API takes")
    def odd() -> str:
        return "odd"

    return server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int)
    parser.add_argument("--describe", default="Add two numbers")
    parser.add_argument("--garbage", type=int, default=0)
    parser.add_argument("--stderr", type=int, default=0)
    parser.add_argument("--hang", action="store_true")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    if options.log is not None:
        with options.log.open("a") as log:
            log.write("started\n")
    for _ in range(options.garbage):
        print("this is no message \x1b[31m")
    sys.stdout.flush()
    sys.stderr.write("e" * options.stderr)
    sys.stderr.flush()
    if options.hang:
        time.sleep(600)
    server = made(options.describe)
    if options.http is None:
        server.run()
    else:
        server.run("streamable-http", host="127.0.0.1", port=options.http)


if __name__ == "__main__":
    main()
