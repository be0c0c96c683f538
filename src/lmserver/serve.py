"""Runs the server in the foreground: socket, banner, signals, and an end that leaves nothing behind."""

import asyncio
import contextlib
import errno
import ipaddress
import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Generator
from pathlib import Path
from types import FrameType

import msgspec
import uvicorn
from starlette.types import ASGIApp

from lmserver import __version__, daemon, logfile
from lmserver.app import ENDPOINTS, build
from lmserver.connection import Limits, limited
from lmserver.download import DEFAULT_MODEL
from lmserver.engines.scripted import ScriptedEngine
from lmserver.errors import ModelError
from lmserver.guard import Access, origin
from lmserver.keys import Keyring, keys_file
from lmserver.places import settings_file
from lmserver.service import DEFAULT_OUTPUT, Service, ServiceSettings
from lmserver.settings import SettingsFile

log = logging.getLogger("lmstudio")

BACKLOG = 2048
"""Connections that wait to be accepted."""
LAST_WORD = 2.0
"""Seconds in which requests that are cut off tell their clients so."""


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to serve, as the command line said it."""

    host: str
    port: int
    key: str | None
    allow_no_key: bool
    context_length: int | None
    output_limit: int | None
    threads: int | None
    script: Path | None
    models: Path
    state: Path
    is_child: bool
    """Serve one parent: tell it the URL as a JSON line on standard output, and end when standard input does."""
    keep: int | None = None
    """Models that stay loaded at once."""
    parallel: int | None = None
    """Requests that a model answers at once."""
    ttl: int | None = None
    """Seconds without a request after which a model is let go."""
    cors: tuple[str, ...] = ()
    """Origins of pages that may use the server."""
    adapters: bool = True
    log_prompts: bool = False
    """Write prompts to the log."""
    output: Path | None = None
    """The file that our output goes to, if not to a terminal."""

    def __repr__(self) -> str:
        """Leave the key out: reprs end up in logs and traces."""
        return f"ServerOptions(host={self.host!r}, port={self.port})"


def serve(options: ServerOptions) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status.

    Raises:
        ModelError: when the settings file cannot be used, and when the address cannot be listened on, or would
            expose the models without a key, and for keys and origins that cannot be used.
    """
    logfile.begin(options.state, with_prompts=options.log_prompts, may_rotate=not options.is_child)
    stored = SettingsFile(settings_file(os.environ))
    access = _access(options, stored)
    listener = _listen(options)
    _allow_descriptors(access.limits.connections)
    return asyncio.run(_serve(options, stored, access, listener))


def _access(options: ServerOptions, stored: SettingsFile) -> Access:
    """Say who may use the server; refuse to let other machines in where no key stops them."""
    is_loopback = _is_loopback(options.host)
    keys = Keyring(keys_file(options.state), options.key, is_exposed=not (is_loopback or options.allow_no_key))
    if keys.is_empty and not is_loopback and not options.allow_no_key:
        raise ModelError(
            f"Listening on {options.host} lets other machines use the models, and there is no API key. Make one with "
            "`lmstudio key create NAME`, or set LMSTUDIO_API_KEY to a secret, and start again; or add "
            "--insecure-no-key if everyone may."
        )
    allowed = (*options.cors, *stored.current().server.cors)
    return Access(keys=keys, is_loopback=is_loopback, host=options.host, origins=tuple(map(origin, allowed)))


def _allow_descriptors(connections: int) -> None:
    # Many systems let a program open fewer files than we take connections.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _serve(options: ServerOptions, stored: SettingsFile, access: Access, listener: socket.socket) -> int:
    scripts = {options.script.stem: options.script} if options.script else {}
    for script in scripts.values():
        ScriptedEngine.read(script)
    server_settings = stored.current().server
    service = Service(
        ServiceSettings(
            models=options.models,
            state=options.state,
            context_length=options.context_length,
            output_limit=options.output_limit or server_settings.output_limit or DEFAULT_OUTPUT,
            threads=options.threads,
            parallel=options.parallel,
            keep=options.keep or server_settings.keep,
            ttl=options.ttl or server_settings.ttl,
            queue=server_settings.queue,
            file=stored,
            scripts=scripts,
            adapters=options.adapters,
            log_prompts=options.log_prompts,
        )
    )
    server = Server(build(service, access), access.limits)
    url = f"http://{_shown_host(options.host)}:{listener.getsockname()[1]}"
    _banner(options, access, service, url)
    parent = asyncio.create_task(_live_with_parent(server, url)) if options.is_child else None
    try:
        with contextlib.nullcontext() if options.is_child else _found_by_commands(options, listener, url):
            _end_with_terminal(server)
            await server.serve(sockets=[listener])
    finally:
        if parent is not None:
            parent.cancel()
        await service.close()
    return 0


@contextlib.contextmanager
def _found_by_commands(options: ServerOptions, listener: socket.socket, url: str) -> Generator[None]:
    """Keep a record of this server for `lmstudio server status` and the like; serve without one if need be."""
    with contextlib.ExitStack() as kept:
        record = daemon.Record(
            pid=os.getpid(),
            born=daemon.born(os.getpid()) or "",
            host=options.host,
            port=listener.getsockname()[1],
            url=url,
            version=__version__,
            started=time.time(),
            log=str(options.output or ""),
        )
        try:
            kept.enter_context(daemon.recorded(options.state, record))
        except OSError as error:
            where = error.filename or options.state
            log.warning("`lmstudio server status` cannot find this server: %s: %s", where, error.strerror)
        yield


def _end_with_terminal(server: "Server") -> None:
    """End in good order when the terminal closes, unless `nohup` said that it should not matter."""
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.handle_exit, signal.SIGTERM, None)


class Server(uvicorn.Server):
    """Ends at the first Ctrl-C: a person who stops the server does not wait for a slow model's last word."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                # Whoever connects is who asks, whatever a header says.
                proxy_headers=False,
                lifespan="off",
                http=limited(limits),
                ws="none",
                timeout_graceful_shutdown=limits.grace,
                timeout_keep_alive=limits.idle,
                h11_max_incomplete_event_size=limits.head_size,
            )
        )
        self.accepts = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepts.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; whoever still waits for an answer is told, while there is somebody to tell it."""
        await super().shutdown(sockets)
        if left := self.server_state.tasks.copy():
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=LAST_WORD)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit or sig == signal.SIGINT
        self.should_exit = True


async def _live_with_parent(server: Server, url: str) -> None:
    """Tell the parent the URL, and stop when standard input closes, which it does however the parent ends."""
    await server.accepts.wait()
    print(json.dumps({"url": f"{url}/v1"}), flush=True)
    source, closed = sys.stdin.fileno(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(source, lambda: os.read(source, 4096) or closed.set())
    try:
        await closed.wait()
    finally:
        loop.remove_reader(source)
    server.handle_exit(signal.SIGINT, None)


def _listen(options: ServerOptions) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Here, since a second one can bind as long as nobody listens; and the banner says that somebody does.
        listener.listen(BACKLOG)
    except socket.gaierror as error:
        raise ModelError(f"{options.host!r} is not an address of this machine ({error.strerror}).") from error
    except OSError as error:
        raise ModelError(_why_not(options, error)) from error
    return listener


def _why_not(options: ServerOptions, error: OSError) -> str:
    where = f"{options.host}:{options.port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {options.port} is in use: something already listens on {where}. If that is another "
            "`lmstudio server`, use it or stop it; or choose another port with --port."
        )
    if isinstance(error, PermissionError):
        return f"Listening on {where} is not permitted ({error.strerror}). Choose a port above 1023 with --port."
    return f"Could not listen on {where} ({error.strerror})."


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown_host(host: str) -> str:
    return {"127.0.0.1": "localhost", "0.0.0.0": "localhost", "::": "localhost", "::1": "[::1]"}.get(host, host)


def _banner(options: ServerOptions, access: Access, service: Service, url: str) -> None:
    lines = [f"lmstudio {__version__}: OpenAI-compatible server at {url}/v1", ""]
    listed = [endpoint for endpoint in ENDPOINTS if endpoint.is_listed]
    width = max(len(endpoint.path) for endpoint in listed)
    lines += [f"  {e.method:<4} {url}{e.path:<{width}}  {e.purpose}" for e in listed]
    names = ", ".join(card.id for card in service.cards())
    lines += [
        "",
        f"Models: {names or f'none yet; get one with `lmstudio get` (the default is {DEFAULT_MODEL})'}",
    ]
    lines += [f"Unusable: {file.name}: {file.reason}" for file in service.broken()]
    if access.keys.is_required:
        lines.append("API key: needed on every route but /health")
    elif not _is_loopback(options.host):
        lines.append("WARNING: no API key: every machine that can reach this one may use the models")
    lines.append("Stop with Ctrl-C.")
    print("\n".join(lines), file=sys.stderr, flush=True)
