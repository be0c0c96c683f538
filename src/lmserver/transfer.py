"""Downloads model files aside, checks them, and puts them into the models folder together."""

import contextlib
import hashlib
import os
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO, cast

import httpx2
import msgspec
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import http_get  # pyright: ignore[reportUnknownVariableType]
from huggingface_hub.utils import disable_progress_bars
from huggingface_hub.utils.logging import set_verbosity_error

from lmserver.errors import BadModelFile, DownloadError
from lmserver.gguf import read_header
from lmserver.storage import CHUNK, Progress, Report, locked, require_room, storing, sync_folder

RETRIES = 3
"""How often a broken transfer is taken up again; a later run takes it up as well."""
RETRY_PAUSE = 0.5
"""Seconds before the first retry; each later one waits that much longer."""


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


def have(files: Sequence[WebFile], folder: Path, root: Path, report: Report) -> Path:
    """Have all files in `folder`, which is beneath the models folder `root`; return the path of the first.

    A transfer that breaks off is kept aside and taken up again by the next call. No file is put in its place
    before all are here and are sound.

    Raises:
        DownloadError: when a file cannot be had, or what came is not that file.
        BadModelFile: when it is no model file.
        StorageError: when there is no room, or the folder cannot be written.
    """
    set_verbosity_error()
    disable_progress_bars()
    missing = [file for file in files if not _is_present(folder / file.name, file, report)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(storing(folder))
        folder.mkdir(parents=True, exist_ok=True)
        parts = [stack.enter_context(_part(file, root, report)) for file in missing]
        require_room(folder, sum(file.size for file in missing) - sum(part.seek(0, os.SEEK_END) for part in parts))
        for file, part in zip(missing, parts, strict=True):
            _download(file, part, report)
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


def _download(file: WebFile, part: IO[bytes], report: Report) -> None:
    failure = ""
    for attempt in range(1 + RETRIES):
        time.sleep(RETRY_PAUSE * attempt)
        begun = part.seek(0, os.SEEK_END)
        if begun > file.size:
            begun = part.truncate(0)
        try:
            _receive(file, part, begun, report)
        except httpx2.ReadError as error:
            # The one kind of break that the client does not take up by itself.
            failure = str(error) or type(error).__name__
            continue
        except (httpx2.HTTPError, OSError) as error:
            failure = _why(error, file)
            break
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


def _receive(file: WebFile, part: IO[bytes], begun: int, report: Report) -> None:
    http_get(
        file.url,
        cast(BinaryIO, _Told(part, file, report)),
        resume_size=begun,
        headers={**file.headers, "Accept-Encoding": "identity"},
        expected_size=file.size,
    )


def _why(error: httpx2.HTTPError | OSError, file: WebFile) -> str:
    """Say what broke a transfer; raise what a later try would not mend, and what the disk refuses."""
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        where = f"{error.response.request.url.host} answered {status}"
        if status < 500 and status not in {408, 416, 429}:
            hint = " Set HF_TOKEN to a token that may read it." if status in {401, 403} else ""
            raise DownloadError(f"Could not download {file.name}: {where}.{hint}") from error
        return where
    # `storing` tells of the disk. The client's own complaints have no number.
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    return str(error).partition("\n")[0] or type(error).__name__


class _Told:
    """A file to write that reports each piece, and takes no more than was announced."""

    def __init__(self, part: IO[bytes], file: WebFile, report: Report) -> None:
        self._part = part
        self._file = file
        self._report = report
        self.seek = part.seek
        self.tell = part.tell
        self.truncate = part.truncate

    def write(self, data: bytes) -> int:
        written = self._part.write(data)
        done = self._part.tell()
        if done > self._file.size:
            raise DownloadError(f"{self._file.name}: more came than the {self._file.size:,} bytes announced.")
        self._report(Progress(f"downloading {self._file.name}", done, self._file.size))
        return written


# A plain address ----------------------------------------------------------------------------------------


def describe(url: str, name: str) -> WebFile:
    """Ask the server of a plain URL how large the file is, and by what it knows its content.

    Raises:
        DownloadError: when it cannot be had, or the way there leads to an unencrypted address.
    """

    def refuse_plain(request: httpx2.Request) -> None:
        if url.startswith("https:") and request.url.scheme != "https":
            raise DownloadError(f"{shown_url(url)} leads to an unencrypted address; it is not followed.")

    try:
        with (
            httpx2.Client(
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                follow_redirects=True,
                event_hooks={"request": [refuse_plain]},
            ) as client,
            # Not HEAD, which servers of signed addresses refuse. The content is not read.
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            length = response.headers.get("Content-Length", "")
            if response.status_code != 200:
                raise DownloadError(f"{shown_url(url)}: the server answered {response.status_code}.")
            if not length.isdecimal():
                raise DownloadError(f"{shown_url(url)}: the server does not say how large the file is.")
            version = response.headers.get("ETag") or response.headers.get("Last-Modified") or str(time.time())
            final = str(response.url)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DownloadError(f"Could not reach {shown_url(url)} ({error}).") from error
    return WebFile(url=final, name=name, size=int(length), sha256=None, identity=f"{url} {version} {length}")


def shown_url(url: str) -> str:
    """Write an address without the name, password and signature that may be in it."""
    address = httpx2.URL(url)
    return f"{address.scheme}://{address.netloc.decode()}{address.path}"
