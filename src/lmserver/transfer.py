"""Downloads model files aside, checks them, and puts them into the models folder together."""

import contextlib
import hashlib
import os
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import httpx2
import msgspec

from lmserver.errors import BadModelFile, DownloadError
from lmserver.gguf import read_header
from lmserver.storage import CHUNK, Progress, Report, locked, require_room, storing, sync_folder

RETRIES = 3
"""How often a broken transfer is taken up again; a later run takes it up as well."""
RETRY_PAUSE = 0.5
"""Seconds before the first retry; each later one waits that much longer."""
NETWORK_TIMEOUT = 30.0
"""Seconds of silence after which a connection counts as broken."""


class WebFile(msgspec.Struct, frozen=True, kw_only=True):
    """A model file somewhere else."""

    url: str
    name: str
    """What it is called here."""
    size: int
    """Bytes."""
    sha256: str | None
    """Its digest in hexadecimal, where it is known beforehand."""
    identity: str
    """A name for its content: a transfer is taken up only where this is the same."""
    headers: Mapping[str, str] = {}
    """What the request needs; a redirect to another origin does not get the key that may be among them."""

    def __repr__(self) -> str:
        """Leave the headers out: they can hold a token."""
        return f"WebFile({self.name!r})"


def have(client: httpx2.Client, files: Sequence[WebFile], folder: Path, root: Path, report: Report) -> Path:
    """Have all files in `folder`, which is beneath the models folder `root`; return the path of the first.

    A transfer that breaks off is kept aside and taken up again by the next call. No file is put in its place
    before all are here and are sound.

    Args:
        client: what to ask with; it follows redirects.
        files: one, or the parts of a split model.
        folder: where they go.
        root: the models folder.
        report: told how far it is.

    Raises:
        DownloadError: when a file cannot be had, or what came is not that file.
        BadModelFile: when it is no model file.
        StorageError: when there is no room, or the folder cannot be written.
    """
    missing = [file for file in files if not _is_present(folder / file.name, file, report)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(storing(folder))
        folder.mkdir(parents=True, exist_ok=True)
        parts = [stack.enter_context(_part(file, root, report)) for file in missing]
        require_room(folder, sum(file.size for file in missing) - sum(part.seek(0, os.SEEK_END) for part in parts))
        for file, part in zip(missing, parts, strict=True):
            _download(client, file, part, report)
            _require_model(file, part)
        for file, part in zip(missing, parts, strict=True):
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).replace(folder / file.name)
        sync_folder(folder)
    return folder / files[0].name


def _is_present(path: Path, file: WebFile, report: Report) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != file.size:
            return False
        with path.open("rb") as present:
            return file.sha256 is None or _digest(present, file, report) == file.sha256
    except OSError:
        return False


@contextlib.contextmanager
def _part(file: WebFile, root: Path, report: Report) -> Generator[IO[bytes]]:
    path = root / ".downloads" / f"{hashlib.sha256(file.identity.encode()).hexdigest()[:32]}.part"

    def say_waiting() -> None:
        report(Progress(f"waiting for another download of {file.name}", 0, file.size))

    with locked(path, say_waiting) as part:
        yield part


def _digest(content: IO[bytes], file: WebFile, report: Report) -> str:
    digest, done = hashlib.sha256(), 0
    content.seek(0)
    while chunk := content.read(CHUNK):
        digest.update(chunk)
        done += len(chunk)
        report(Progress(f"checking {file.name}", done, file.size))
    return digest.hexdigest()


def _require_model(file: WebFile, part: IO[bytes]) -> None:
    part.flush()
    try:
        read_header(Path(part.name))
    except BadModelFile as error:
        Path(part.name).unlink()
        raise BadModelFile(f"{file.name} came whole and is not a usable model: {error}.") from error


# One file -----------------------------------------------------------------------------------------------


class _Broken(Exception):
    """A transfer that may succeed when it is tried again."""


def _download(client: httpx2.Client, file: WebFile, part: IO[bytes], report: Report) -> None:
    failure = ""
    for attempt in range(1 + RETRIES):
        time.sleep(RETRY_PAUSE * attempt)
        begun = part.seek(0, os.SEEK_END)
        if begun > file.size:
            begun = part.truncate(0)
        try:
            if begun < file.size:
                _receive(client, file, part, begun, report)
        except (_Broken, httpx2.RequestError) as error:
            failure = str(error) or type(error).__name__
            continue
        if file.sha256 in {None, _digest(part, file, report)}:
            return
        part.truncate(0)
        failure = f"{file.name} is not the file that was described: its digest differs"
        # With an old beginning the new end may not fit; whole and wrong stays wrong.
        if not begun:
            raise DownloadError(f"{failure}.")
    raise DownloadError(
        f"Could not download {file.name}: {failure}. What has come is kept: the same command goes on from there."
    )


def _receive(client: httpx2.Client, file: WebFile, part: IO[bytes], begun: int, report: Report) -> None:
    """Append to `part` what it lacks, or begin again where the server cannot resume."""
    headers = {**file.headers, "Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    done = begun
    with client.stream("GET", file.url, headers=headers, timeout=NETWORK_TIMEOUT) as response:
        resumes = response.headers.get("Content-Range", "").startswith(f"bytes {begun}-")
        if not (response.status_code == 206 and resumes):
            if response.status_code in {200, 206, 416}:
                done = part.truncate(0)
            if response.status_code != 200:
                raise _refusal(response, file)
        for chunk in response.iter_raw():
            part.write(chunk)
            done += len(chunk)
            if done > file.size:
                raise DownloadError(f"{file.name}: more came than the {file.size:,} bytes announced. Given up.")
            report(Progress(f"downloading {file.name}", done, file.size))
    if done < file.size:
        raise _Broken(f"only {done:,} of {file.size:,} bytes came")


def _refusal(response: httpx2.Response, file: WebFile) -> Exception:
    status = response.status_code
    said = f"{response.request.url.host} answered {status}"
    if status in {206, 408, 416, 429} or status >= 500:
        return _Broken(said)
    hint = " Set HF_TOKEN to a token that may read it." if status in {401, 403} and file.sha256 else ""
    return DownloadError(f"Could not download {file.name}: {said}.{hint}")


# A plain address ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def careful_client(url: str) -> Generator[httpx2.Client]:
    """Give a client for a plain URL, which follows redirects but none from an encrypted to a plain address.

    Raises:
        DownloadError: when one leads there.
    """

    def refuse_plain(request: httpx2.Request) -> None:
        if url.lower().startswith("https:") and request.url.scheme != "https":
            raise DownloadError(f"{shown_url(url)} leads to an unencrypted address; it is not followed.")

    hooks = {"request": [refuse_plain]}
    with httpx2.Client(timeout=NETWORK_TIMEOUT, follow_redirects=True, event_hooks=hooks) as client:
        yield client


def describe(client: httpx2.Client, url: str, name: str) -> WebFile:
    """Ask the server of a plain URL how large the file is, and by what it knows its content.

    Raises:
        DownloadError: when it cannot be had.
    """
    try:
        # Not HEAD, which servers of signed addresses refuse. The content is not read.
        with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
            length = response.headers.get("Content-Length", "")
            version = response.headers.get("ETag") or response.headers.get("Last-Modified") or str(time.time())
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DownloadError(f"Could not reach {shown_url(url)} ({error}).") from error
    if response.status_code != 200:
        raise DownloadError(f"{shown_url(url)}: the server answered {response.status_code}.")
    if not length.isdecimal():
        raise DownloadError(f"{shown_url(url)}: the server does not say how large the file is.")
    return WebFile(url=url, name=name, size=int(length), sha256=None, identity=f"{url} {version} {length}")


def shown_url(url: str) -> str:
    """Write an address without the name, password and signature that may be in it."""
    address = urlsplit(url)
    return address._replace(netloc=address.netloc.rpartition("@")[2], query="", fragment="").geturl()
