"""`vtcode mcp`: servers of tools, which are started only as the user approved them."""

import argparse
import asyncio
import json
import sys
import tomllib
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from vtcode.approval import judge
from vtcode.commands.arguments import Invocation, add_json, describe
from vtcode.config import ConfigError
from vtcode.console import AskingApprover, Console
from vtcode.places import state_folder, user_file
from vtcode.settings import McpServer, Settings
from vtcode.text import visible
from vtcode.tomledit import TomlError, replace_text, with_table, without_table
from vtcode.tools.mcp import McpUnavailable, connection, listing, tool_names
from vtcode.tools.mcp_approval import Approvals, described
from vtcode.tools.mcp_schema import shortened

_EXAMPLES = """  vtcode mcp add files -- npx -y @modelcontextprotocol/server-filesystem ~/notes
  vtcode mcp add tracker --url https://tracker.example/mcp --api-key-env TRACKER_KEY
  vtcode mcp list
  vtcode mcp approve files
  vtcode mcp remove files"""

_NOTES = """A server runs with your rights and outside the sandbox. It is started only as you approved it: when its
command, its address, its variables or the tools that it offers change, it has to be approved again.
A policy for one of its tools is set as [tools.policies] mcp__SERVER__TOOL = "allow"."""


class _McpCommandError(Exception):
    """What keeps a command from being done."""


def add(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of `mcp`."""
    describe(parser, "Add, list, approve and remove servers of tools (Model Context Protocol).", _EXAMPLES, _NOTES)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, parser_class=_Parser)
    adding = actions.add_parser("add", help="add a server to your own vtcode.toml, and approve it")
    adding.add_argument("name", metavar="NAME")
    adding.add_argument("--url", metavar="URL", help="where a server that runs already answers")
    adding.add_argument("--api-key-env", metavar="VARIABLE", help="the variable with the key for that address")
    adding.add_argument("--env", metavar="NAME=VALUE", action="append", default=[], help="a variable for the server")
    adding.usage = "vtcode mcp add NAME [--env NAME=VALUE]... -- COMMAND [ARGUMENT...]\n       "
    adding.usage += "vtcode mcp add NAME --url URL [--api-key-env VARIABLE]"
    adding.set_defaults(command=_added)
    removing = actions.add_parser("remove", help="remove a server from your own vtcode.toml")
    removing.add_argument("name", metavar="NAME")
    removing.set_defaults(command=_removed)
    approving = actions.add_parser("approve", help="look at a server and its tools, and approve them")
    approving.add_argument("name", metavar="NAME")
    approving.add_argument("--yes", action="store_true", help="approve without a question")
    approving.set_defaults(command=_approved)
    showing = actions.add_parser("list", help="start the approved servers, and show what they offer")
    add_json(showing)
    showing.set_defaults(command=_listed)


class _Parser(argparse.ArgumentParser):
    """Keeps what follows `--` as `server`: argparse itself would take options in between for the end of it."""

    def parse_known_args(self, *given: Any, **named: Any) -> Any:
        words: list[str] = list(given[0] if given else named.pop("args", None) or ())
        end = words.index("--") if "--" in words else len(words)
        known, unknown = super().parse_known_args(words[:end], *given[1:], **named)
        known.server = words[end + 1 :]
        return known, unknown


def _added(invocation: Invocation) -> Coroutine[None, None, int]:
    return _told(_add(invocation))


def _removed(invocation: Invocation) -> Coroutine[None, None, int]:
    return _told(_remove(invocation))


def _approved(invocation: Invocation) -> Coroutine[None, None, int]:
    return _told(_approve(invocation))


def _listed(invocation: Invocation) -> Coroutine[None, None, int]:
    return _told(_list(invocation))


async def _told(action: Coroutine[None, None, int]) -> int:
    try:
        return await action
    except (_McpCommandError, McpUnavailable, TomlError, OSError) as error:
        print(f"vtcode: {visible(str(error))}", file=sys.stderr)
        return 2 if isinstance(error, _McpCommandError) else 1


async def _add(invocation: Invocation) -> int:
    options = invocation.options
    entry = _entry(options)
    path = user_file(invocation.environ)
    written = _members(entry)
    values = {name: value for name, value in written.items() if value != _members(McpServer())[name]}
    changed = with_table(_text(path), ("mcp", "servers", options.name), values)
    replace_text(path, changed)
    print(f"Added {options.name} to {path}.", file=sys.stderr)
    found = _entries(invocation.settings()).get(options.name)
    mine = found or msgspec.structs.replace(entry, source=str(path))
    return await _look(invocation, options.name, mine, is_agreed=True)


async def _remove(invocation: Invocation) -> int:
    name = invocation.options.name
    path = user_file(invocation.environ)
    try:
        replace_text(path, without_table(_text(path), ("mcp", "servers", name)))
    except TomlError as error:
        raise _McpCommandError(f"{path}: {error}.") from error
    _approvals(invocation).forget(name)
    print(f"Removed {name} from {path}.", file=sys.stderr)
    return 0


async def _approve(invocation: Invocation) -> int:
    name = invocation.options.name
    entries = _entries(invocation.settings())
    if name not in entries:
        known = f" The servers are: {', '.join(entries)}." if entries else " None is configured."
        raise _McpCommandError(f"There is no MCP server {name}.{known}")
    return await _look(invocation, name, entries[name], is_agreed=invocation.options.yes)


async def _look(invocation: Invocation, name: str, entry: McpServer, *, is_agreed: bool) -> int:
    """Start a server once, show what it offers, and approve that."""
    from vtcode.tools.mcp_http import McpError

    asking = AskingApprover(Console())
    print(f"{name}:\n{described(entry)}", file=sys.stderr)
    if not is_agreed:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise _McpCommandError("Nobody is there to approve it. Say --yes to approve it without a question.")
        if not await asking.confirm("It will be started, to ask which tools it has."):
            return 1
    made = connection(name, entry, invocation.root, invocation.environ)
    try:
        await made.start()
    except McpError as error:
        raise _McpCommandError(
            f"{error} It is not approved; do that later with `vtcode mcp approve {name}`."
        ) from error
    finally:
        await made.close()
    print(f"Its tools:\n{visible(listing(made.tools))}", file=sys.stderr)
    if not is_agreed and not await asking.confirm("Its tools are offered to the model from now on."):
        return 1
    _approvals(invocation).approve(name, entry, invocation.root, made.tools)
    print(f"Approved {name}.", file=sys.stderr)
    return 0


async def _list(invocation: Invocation) -> int:
    settings = invocation.settings()
    entries = _entries(settings)
    rows = await asyncio.gather(*(_row(invocation, settings, name, entry) for name, entry in sorted(entries.items())))
    if invocation.options.json:
        print(json.dumps(rows, indent=2))
        return 0
    if not rows:
        print("No MCP server is configured. Add one with `vtcode mcp add`.", file=sys.stderr)
    for row in rows:
        print(visible(f"{row['name']}  {row['state']}  {row['where']}", one_line=True))
        for tool in row["tools"]:
            line = f"  {tool['name']}  {tool['policy']}  {shortened(tool['description'], 80)}"
            print(visible(line, one_line=True))
    return 0


async def _row(invocation: Invocation, settings: Settings, name: str, entry: McpServer) -> dict[str, Any]:
    from vtcode.tools.mcp_http import McpError

    approvals = _approvals(invocation)
    row: dict[str, Any] = {
        "name": name,
        "where": described(entry).strip(),
        "source": entry.source,
        "approved": approvals.knows(name, entry, invocation.root),
        "state": "off",
        "tools": [],
    }
    if not entry.enabled or not settings.mcp.enabled:
        return row
    if not row["approved"]:
        return row | {"state": f"not approved (vtcode mcp approve {name})"}
    made = connection(name, entry, invocation.root, invocation.environ)
    try:
        await made.start()
    except McpError as error:
        return row | {"state": str(error)}
    finally:
        await made.close()
    is_known = approvals.covers(name, entry, invocation.root, made.tools)
    names = tool_names((name, tool.name) for tool in made.tools)
    tools = [
        {"name": ours, "description": tool.description, "policy": judge(settings.policies, ours).policy.value}
        for ours, tool in zip(names, made.tools, strict=True)
    ]
    state = "ready" if is_known else f"its tools changed (vtcode mcp approve {name})"
    return row | {"approved": is_known, "state": state, "tools": tools}


def _entries(settings: Settings) -> Mapping[str, McpServer]:
    return settings.mcp.servers


def _approvals(invocation: Invocation) -> Approvals:
    return Approvals(state_folder(invocation.environ) / "mcp.json")


def _members(entry: McpServer) -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(entry))


def _entry(options: argparse.Namespace) -> McpServer:
    """Read what is to be added. Raises _McpCommandError."""
    if not options.name or not options.name.isprintable() or len(options.name) > 40:
        raise _McpCommandError("The name of a server has 1 to 40 characters, all of them visible.")
    if bool(options.url) == bool(options.server):
        raise _McpCommandError("Give either --url, or the command that starts the server after `--`.")
    if options.url:
        url: str = options.url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise _McpCommandError("Expected an address such as https://example.com/mcp, without a name or password.")
    elif options.api_key_env:
        raise _McpCommandError("--api-key-env belongs to --url. Pass a variable to a command with --env.")
    pairs = [text.partition("=") for text in options.env]
    if any(not name or not mark for name, mark, _ in pairs):
        raise _McpCommandError("Expected --env NAME=VALUE.")
    command: list[str] = options.server
    return McpServer(
        command=command[0] if command else None,
        args=tuple(command[1:]),
        env={name: value for name, _, value in pairs},
        url=options.url,
        api_key_env=options.api_key_env,
    )


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
        tomllib.loads(text)
    except FileNotFoundError:
        return ""
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML. Correct it first.") from error
    return text
