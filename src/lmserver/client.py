"""Our commands' way to a server that runs: where it is, and what it answers."""

import contextlib
import ipaddress
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec

from lmserver import daemon
from lmserver.errors import ModelError
from lmserver.text import one_line

DEFAULT_ADDRESS = "http://127.0.0.1:1234"

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 30.0
"""Seconds of silence that a server may keep where nothing long is asked of it."""

T = TypeVar("T")


class ServerUnreachable(ModelError):
    """No server answers where one should be."""


class ServerRefused(ModelError):
    """The server answered with an error; the text is the server's."""


class _ErrorObject(msgspec.Struct, frozen=True):
    message: str


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _ErrorObject


def locate(environ: Mapping[str, str], state: Path, *, host: str | None = None, port: int | None = None) -> str:
    """Say at which URL the server is that is meant, without a path.

    The options count most, then LMSTUDIO_BASE_URL, then the one that runs here, then the usual port.

    Raises:
        ModelError: when LMSTUDIO_BASE_URL is no URL, or several servers run and none is on the usual port.
    """
    if host is not None:
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{port or 1234}"
    if port is None and (chosen := environ.get("LMSTUDIO_BASE_URL", "").strip()):
        return _parsed(chosen)
    living = {record.port: record.address for record in daemon.records(state) if daemon.lives(record)}
    if port is not None:
        return living.get(port, f"http://127.0.0.1:{port}")
    if len(living) == 1:
        return next(iter(living.values()))
    if living and 1234 not in living:
        raise ModelError(f"Servers run on the ports {', '.join(map(str, living))}. Say which one with --port.")
    return living.get(1234, DEFAULT_ADDRESS)


def _parsed(url: str) -> str:
    try:
        address = urlsplit(url)
        is_usable = address.scheme in {"http", "https"} and address.hostname and address.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ModelError(f"LMSTUDIO_BASE_URL holds {url!r}, which is not a URL like http://localhost:1234/v1.")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


class Client:
    """Requests to one server; use it in a `with` block."""

    def __init__(self, address: str, key: str | None) -> None:
        """Take a URL without a path, and the key that the server may want."""
        self._address = address
        self._http = httpx2.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT),
            # A proxy is for other machines.
            trust_env=not _is_loopback(urlsplit(address).hostname or ""),
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, kind: type[T]) -> T:
        """Ask for `path` and read the answer as `kind`. Raises `ServerUnreachable` and `ServerRefused`."""
        with self._open("GET", path) as response:
            return self._decoded(response, kind)

    def post(self, path: str, body: Mapping[str, Any], kind: type[T], *, patience: float | None) -> T:
        """Send `body` and read the answer as `kind`; `patience` is seconds of silence, None any number.

        Raises `ServerUnreachable` and `ServerRefused`.
        """
        with self._open("POST", path, body, patience) as response:
            return self._decoded(response, kind)

    def events(self, path: str, body: Mapping[str, Any]) -> Generator[bytes]:
        """Send `body` and give the data of each server-sent event, "[DONE]" left out.

        Closing the generator closes the connection. Raises `ServerUnreachable` and `ServerRefused`.
        """
        with self._open("POST", path, body, None) as response:
            for line in response.iter_lines():
                if line.startswith("data:") and (data := line.removeprefix("data:").strip()) != "[DONE]":
                    yield data.encode()

    @contextlib.contextmanager
    def _open(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, patience: float | None = ANSWER_TIMEOUT
    ) -> Generator[httpx2.Response]:
        timeout = httpx2.Timeout(patience, connect=CONNECT_TIMEOUT)
        try:
            with self._http.stream(method, path, json=body, timeout=timeout) as response:
                if response.status_code >= 300:
                    response.read()
                    raise self._refusal(response)
                yield response
        except httpx2.ConnectError as error:
            raise ServerUnreachable(
                f"No server answers at {self._address}. Start one with `lmstudio server start --detach`."
            ) from error
        except httpx2.TimeoutException as error:
            raise ServerUnreachable(
                f"The server at {self._address} does not answer. `lmstudio server status` may tell why."
            ) from error
        except httpx2.HTTPError as error:
            raise ServerUnreachable(f"The connection to the server at {self._address} broke ({error}).") from error

    def _decoded(self, response: httpx2.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(response.read(), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ServerUnreachable(
                f"What answers at {self._address} is not a server of this version ({error})."
            ) from error

    def _refusal(self, response: httpx2.Response) -> ServerRefused:
        try:
            said = one_line(msgspec.json.decode(response.content, type=_ErrorBody).error.message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            said = f"What answers at {self._address} is not `lmstudio server` (status {response.status_code})."
        if response.status_code == 401:
            said += " These commands send what LMSTUDIO_API_KEY holds."
        return ServerRefused(said)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
