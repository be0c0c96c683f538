"""`lmstudio server start|stop|status`: a server that a person leaves running."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lmserver import daemon
from lmserver.commands.arguments import FAILURE, FILE_COMPLETION, SUCCESS, add_json, command, port, positive, seconds
from lmserver.daemon import Record
from lmserver.errors import ModelError
from lmserver.places import state_dir
from lmserver.text import duration, one_line

if TYPE_CHECKING:
    from lmserver.commands.arguments import Commands

START_TIMEOUT = 30.0
"""Seconds that a detached server has to answer; it loads no model before it is asked for one."""
STOP_TIMEOUT = 15.0
"""Seconds that a server has to end: its requests get ten, and its engines some."""

_MAX_OUTPUT = 1 << 20
"""Bytes that the file with a detached server's output may have before a start empties it."""

_START = """  lmstudio server start                              serve on this machine until Ctrl-C
  lmstudio server start --detach                     leave it running
  lmstudio server start --port 8080 --host 0.0.0.0   let other machines in (needs an API key)
  lmstudio server start --keep 1 --ttl 600           one model at a time, gone after ten idle minutes"""
_STOP = """  lmstudio server stop                stop the server that runs
  lmstudio server stop --port 8080    stop one of several"""
_STATUS = """  lmstudio server status
  lmstudio server status --json | jq .port"""


def add(commands: "Commands") -> None:
    """Add `server` to the commands."""
    server = command(commands, "server", summary="run the server", examples=f"{_START}\n{_STOP}\n{_STATUS}")
    actions = server.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_start(actions)

    stopping = command(
        actions,
        "stop",
        summary="stop the server",
        description="Stop the server. Requests under way get a moment to end.",
        examples=_STOP,
        notes="exit status: 0 when it has ended, 1 when there was none or it did not end",
    )
    stopping.add_argument("--port", "-p", type=port, help="which one, where several run")
    stopping.add_argument("--force", action="store_true", help="kill it and its engines")
    stopping.add_argument(
        "--wait", type=seconds, default=STOP_TIMEOUT, metavar="SECONDS", help="how long it may take (default: 15)"
    )
    stopping.set_defaults(command=_stop)

    asking = command(
        actions,
        "status",
        summary="say whether it runs",
        description="Say whether the server runs, and where.",
        examples=_STATUS,
        notes="exit status: 0 when it runs and answers, 1 otherwise",
    )
    asking.add_argument("--port", "-p", type=port, help="ask about the one on this port only")
    add_json(asking)
    asking.set_defaults(command=_status)


def _add_start(actions: "Commands") -> None:
    starting = command(
        actions,
        "start",
        summary="serve until Ctrl-C",
        description="Serve the models over HTTP until Ctrl-C. Models load on their first request.",
        examples=_START,
    )
    option = starting.add_argument
    option("--port", "-p", type=port, default=1234, help="TCP port (default: %(default)s; 0 picks one)")
    option(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: this machine only; any other needs an API key)",
    )
    option("--openai", action="store_true", help="serve the OpenAI API (which is always served)")
    option("--detach", "-d", action="store_true", help="return once it answers, and leave it running")
    option(
        "--insecure-no-key",
        action="store_true",
        help="let other machines in although there is no API key",
    )
    option(
        "--cors",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let web pages of this origin use the server (https://example.org; repeatable)",
    )
    option("--keep", type=positive, metavar="N", help="models that stay loaded at once")
    option("--parallel", type=positive, metavar="N", help="requests that a model answers at once")
    option("--ttl", type=positive, metavar="SECONDS", help="unload a model after so long without a request")
    option("--context-length", type=positive, metavar="TOKENS", help="context of each model")
    option(
        "--output-limit",
        type=positive,
        metavar="TOKENS",
        help="longest reply to a request that sets no limit (default: 2048)",
    )
    option("--threads", type=positive, metavar="N", help="CPU threads of each model (default: all)")
    option("--no-adapter", action="store_true", help="serve each model as it is, without an adapter")
    option("--log-prompts", action="store_true", help="write prompts, as the model reads them, to the log file")
    script = option("--script", type=Path, metavar="FILE.json", help="also serve the scripted model in this file")
    script.complete = FILE_COMPLETION  # pyright: ignore[reportAttributeAccessIssue]
    option("--child", action="store_true", help=argparse.SUPPRESS)
    option("--detached-log", type=Path, help=argparse.SUPPRESS)
    starting.set_defaults(command=_start)


# start --------------------------------------------------------------------------------------------------


def _start(options: argparse.Namespace) -> int:
    state = state_dir(os.environ)
    if not options.child:
        _refuse_second(state, options.port)
    if options.detach and options.detached_log is None:
        return _detach(options.arguments, state)
    # The server is the one heavy mode, and the one that needs the extra.
    try:
        from lmserver.catalog import models_dir
        from lmserver.serve import ServerOptions, serve
    except ModuleNotFoundError as error:
        raise ModelError(
            f"The server needs {error.name}, which is not installed. Install it with `pip install 'vtcode[server]'`."
        ) from error

    return serve(
        ServerOptions(
            host=options.host,
            port=options.port,
            key=os.environ.get("LMSTUDIO_API_KEY", "").strip() or None,
            allow_no_key=options.insecure_no_key,
            context_length=options.context_length,
            output_limit=options.output_limit,
            threads=options.threads or _threads_from(os.environ.get("LMSTUDIO_THREADS", "")),
            script=options.script,
            models=models_dir(os.environ),
            state=state,
            is_child=options.child,
            keep=options.keep,
            parallel=options.parallel,
            ttl=options.ttl,
            cors=tuple(options.cors),
            adapters=not options.no_adapter,
            log_prompts=options.log_prompts,
            output=options.detached_log,
        )
    )


def _threads_from(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _refuse_second(state: Path, port: int) -> None:
    for record in daemon.records(state):
        if record.port == port and daemon.lives(record):
            raise ModelError(
                f"A server already runs on port {port} (pid {record.pid}, version {one_line(record.version)}). Use "
                "it; or stop it with `lmstudio server stop`, or choose another port with --port."
            )


def _detach(arguments: Sequence[str], state: Path) -> int:
    log = state / "log" / "server.out"
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        log.touch(mode=0o600)
        with log.open("ab") as output:
            if output.tell() > _MAX_OUTPUT:
                output.truncate(0)
            begun = output.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                # -P: a folder lmserver in the current one is not ours.
                [sys.executable, "-P", "-m", "lmserver", *arguments, "--detached-log", str(log)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Neither Ctrl-C here nor the end of this terminal is for the server.
                start_new_session=True,
            )
    except OSError as error:
        raise ModelError(f"The server's log, {log}, cannot be written ({error.strerror}).") from error
    try:
        record = _await(process, state, log, begun)
    except BaseException:
        process.terminate()
        raise
    print(
        f"The server is running on port {record.port} (pid {record.pid}): {record.url}/v1\n"
        f"Stop it with `lmstudio server stop`. Its output goes to {log}.",
        file=sys.stderr,
    )
    return SUCCESS


def _await(process: subprocess.Popen[bytes], state: Path, log: Path, begun: int) -> Record:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if (status := process.poll()) is not None:
            raise ModelError(f"The server did not start (exit status {status}): {_last_words(log, begun)}")
        for record in daemon.records(state):
            if record.pid == process.pid and daemon.answers(record.address):
                return record
        time.sleep(0.05)
    raise ModelError(f"The server did not answer within {START_TIMEOUT:.0f} seconds and was ended. Its log is {log}.")


def _last_words(log: Path, begun: int) -> str:
    with log.open("rb") as output:
        output.seek(begun)
        lines = [line for line in output.read(_MAX_OUTPUT).decode(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    return one_line(last).removeprefix("lmstudio: ")


# stop and status ----------------------------------------------------------------------------------------


def _stop(options: argparse.Namespace) -> int:
    state = state_dir(os.environ)
    record = _chosen(_asked(state, options.port), options.port)
    if not daemon.lives(record):
        daemon.forget(state, record)
        raise ModelError(f"{_crashed(record, state)} There is nothing to stop.")
    if not daemon.end(record, within=options.wait, force=options.force):
        raise ModelError(
            f"The server on port {record.port} (pid {record.pid}) did not end within {options.wait:g} seconds. "
            "Kill it, with its engines, by `lmstudio server stop --force`."
        )
    # One that was killed could not do it.
    daemon.forget(state, record)
    print(f"Stopped the server on port {record.port}.", file=sys.stderr)
    return SUCCESS


def _asked(state: Path, port: int | None) -> list[Record]:
    return [record for record in daemon.records(state) if port in {None, record.port}]


def _chosen(records: list[Record], port: int | None) -> Record:
    """Give the one that is meant: the only one, or the only one that lives."""
    living = [record for record in records if daemon.lives(record)]
    if len(living) > 1:
        ports = ", ".join(str(record.port) for record in living)
        raise ModelError(f"Servers run on the ports {ports}. Say which one with --port.")
    if not records:
        raise ModelError("No server is running." if port is None else f"No server is running on port {port}.")
    return (living or records)[0]


def _status(options: argparse.Namespace) -> int:
    state = state_dir(os.environ)
    found = [(record, daemon.state_of(record)) for record in _asked(state, options.port)]
    running = [record for record, what in found if what == "running"]
    if options.json:
        rows = [_row(record) for record in running]
        print(json.dumps({"running": bool(rows), **(rows[0] if rows else {}), "servers": rows}, indent=2))
    for record in running if not options.json else []:
        print(f"The server is running on port {record.port}.")
        print(f"  {one_line(record.url)}/v1  pid {record.pid}  up {duration(time.time() - record.started)}")
    for record, what in found:
        if what == "silent":
            print(
                f"The server on port {record.port} (pid {record.pid}) lives but does not answer. Its log is "
                f"{_log_of(record, state)}; `lmstudio server stop --force` ends it.",
                file=sys.stderr,
            )
        if what == "ended":
            print(_crashed(record, state), file=sys.stderr)
    if not found and not options.json:
        where = "" if options.port is None else f" on port {options.port}"
        print(f"No server is running{where}. Start one with `lmstudio server start --detach`.", file=sys.stderr)
    return SUCCESS if running else FAILURE


def _row(record: Record) -> dict[str, object]:
    return {
        "port": record.port,
        "pid": record.pid,
        "url": record.url,
        "version": record.version,
        "uptime_seconds": max(0, int(time.time() - record.started)),
    }


def _crashed(record: Record, state: Path) -> str:
    return (
        f"The server that ran on port {record.port} (pid {record.pid}) ended without saying so; its log is "
        f"{_log_of(record, state)}."
    )


def _log_of(record: Record, state: Path) -> str:
    return one_line(record.log or str(state / "log" / "server.jsonl"))
