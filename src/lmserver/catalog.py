"""Model files on disk → ids, aliases, metadata."""

import difflib
import itertools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from lmserver.engines.template import knows_tools
from lmserver.errors import BadModelFile, UnknownModel
from lmserver.gguf import GgufHeader, read_header
from lmserver.onnx_models import fingerprint, is_part, read_folder
from lmserver.text import one_line

MAX_ENTRIES = 10_000
"""Files and folders that a scan looks at."""
PREFERRED_QUANTIZATION = "Q4_K_M"
"""Of several files in one repository, the one that its plain name means."""

MIRROR = "lmstudio-community/"
"""A publisher whose ids guides and other programs write for models that others publish too."""

_MAX_SETTINGS = 1 << 20
_NEAR_POOL = 500
"""Ids that are compared with an unknown name: each costs time, and whoever may ask can ask often."""

SPLIT_NAME = re.compile(r"(.+-)(\d{5})(-of-(\d{5})\.gguf)", re.IGNORECASE)
QUANTIZATION_SUFFIX = re.compile(r"[-._]((iq|tq|q)\d\w*|b?f16|fp16|f32|mxfp4|nvfp4)$", re.IGNORECASE)

_T = TypeVar("_T")


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model that can be loaded."""

    id: str
    aliases: frozenset[str]
    """Other names that it may be asked for by, in lower case; models can share some."""
    publisher: str
    repo: str
    path: Path
    """The file; of a split model the first; of an ONNX model the folder."""
    header: GgufHeader
    """Of a split model the first file's, with the weights and bytes of all."""
    modified: float
    """Seconds since 1970."""
    format: Literal["gguf", "onnx"] = "gguf"
    stamp: tuple[object, ...] = ()
    """Size, time of change and inode of each file: with another stamp it is another model."""

    @property
    def kind(self) -> Literal["llm", "embeddings"]:
        return "embeddings" if self.header.has_pooling else "llm"

    @property
    def quantization(self) -> str:
        return self.header.quantization

    @property
    def trained_for_tool_use(self) -> bool:
        """Whether the chat template does something with tools."""
        return knows_tools(self.header.chat_template or "")


class BrokenFile(msgspec.Struct, frozen=True):
    """Something in the models folder that should be a model and cannot be used."""

    name: str
    """Its path beneath the models folder; what does not print is escaped."""
    reason: str


Entry = Model | BrokenFile


# Where models are ---------------------------------------------------------------------------------------


class _Settings(msgspec.Struct, frozen=True, rename="camel"):
    """What we read of LM Studio's own settings."""

    downloads_folder: str = ""


def models_dir(environ: Mapping[str, str]) -> Path:
    """Say where models are kept: where LMSTUDIO_MODELS_DIR says, else where LM Studio keeps its own."""
    user = Path(environ.get("HOME") or Path.home())
    if chosen := environ.get("LMSTUDIO_MODELS_DIR", "").strip():
        return user / chosen[2:] if f"{chosen}/".startswith("~/") else Path(chosen).absolute()
    home = _existing_folder(_read_small(user / ".lmstudio-home-pointer").strip()) or user / ".lmstudio"
    try:
        settings = msgspec.json.decode(_read_small(home / "settings.json"), type=_Settings)
    except msgspec.DecodeError:
        settings = _Settings()
    return _existing_folder(settings.downloads_folder) or home / "models"


def _read_small(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_SETTINGS:
            return ""
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _existing_folder(text: str) -> Path | None:
    path = Path(text)
    return path if path.is_absolute() and path.is_dir() else None


# The catalogue ------------------------------------------------------------------------------------------


class Found(msgspec.Struct, frozen=True):
    """A sound model that has no id yet."""

    publisher: str
    repo: str
    path: Path
    header: GgufHeader
    modified: float
    stamp: tuple[object, ...] = ()
    format: Literal["gguf", "onnx"] = "gguf"


class Catalog:
    """The models beneath one folder, as `<publisher>/<repo>/<file>.gguf`."""

    def __init__(self, root: Path) -> None:
        """Take `root`, which need not exist yet; nothing is read before the first scan."""
        self._root = root
        # What the last scan read, and the one before, by path, size, mtime and inode: a file that changed is
        # another file, and one that went is forgotten. A text is the reason why there is no header.
        self._headers: dict[tuple[Path, int, int, int], GgufHeader | str] = {}
        self._former = self._headers
        # The same for folders with ONNX models.
        self._folders: dict[tuple[Path, object], GgufHeader | str] = {}

    def scan(self) -> list[Entry]:
        """List what is there now: models by id, then broken files. Headers are read when a file is new."""
        self._former, self._headers = self._headers, {}
        broken: list[BrokenFile] = []
        found: list[Found] = []
        onnx: set[Path] = set()
        for folder, names in _repositories(self._root, broken, onnx).items():
            for name in sorted({next(split_parts(name)) for name in names}):
                try:
                    model = self._examine(folder, name, names)
                except BadModelFile as error:
                    broken.append(BrokenFile(f"{folder.parent.name}/{folder.name}/{name}", str(error)))
                else:
                    found += [model] if model else []
        found += self._onnx_models(sorted(onnx), broken)
        models = sorted(_named(found), key=lambda model: model.id)
        broken.sort(key=lambda file: file.name)
        return [*models, *broken]

    def resolve(self, name: str) -> Model:
        """Find the model that `name` means, in any case of letters.

        A name is an id, a key, `publisher/key` or `publisher/repo`, each also with `@quantization`, or the
        path beneath the models folder. A key under `lmstudio-community` may mean anybody's copy. The name is
        compared with what a scan found and never opened.

        Raises:
            UnknownModel: when it means no model, or several; then `near` holds their ids.
        """
        models = [entry for entry in self.scan() if isinstance(entry, Model)]
        wanted = name.lower()
        matches = (
            [model for model in models if model.id == name]
            or [model for model in models if model.id.lower() == wanted]
            or [model for model in models if wanted in model.aliases]
            or [model for model in models if _as_mirrored(wanted) in model.aliases]
        )
        if len(matches) == 1:
            return matches[0]
        ids = [model.id for model in models]
        raise UnknownModel(name, [model.id for model in matches] or _near(wanted, ids), ids)

    def _examine(self, folder: Path, name: str, names: Collection[str]) -> Found | None:
        """Look at the model whose first file is `name`; None for one that only helps another model."""
        if missing := next((part for part in split_parts(name) if part not in names), None):
            raise BadModelFile(f"its part {missing} is missing")
        paths = [folder / part for part in split_parts(name)]
        headers, stamps = zip(*map(self._header, paths), strict=True)
        first = headers[0]
        if first.architecture == "clip" or first.type == "mmproj":
            return None
        if first.type in {"adapter", "imatrix"}:
            raise BadModelFile(f"not a model: it holds an {first.type}")
        if first.split_count > 1 and len(paths) == 1:
            raise BadModelFile(f"one of {first.split_count} parts, but not named like …-00001-of-00002.gguf")
        whole = msgspec.structs.replace(
            first,
            parameters=sum(header.parameters for header in headers),
            size_bytes=sum(header.size_bytes for header in headers),
        )
        if not whole.parameters:
            raise BadModelFile("not a model: it holds a vocabulary and no weights")
        seconds, rest = divmod(max(changed for _, changed, _ in stamps), 10**9)
        stamp = tuple(itertools.chain.from_iterable(stamps))
        return Found(folder.parent.name, folder.name, paths[0], whole, seconds + 1e-9 * rest, stamp)

    def _onnx_models(self, folders: Sequence[Path], broken: list[BrokenFile]) -> Iterator[Found]:
        former, self._folders = self._folders, {}
        for folder in folders:
            stamp = fingerprint(folder)
            identity = folder, stamp
            header = former.get(identity)
            if header is None:
                try:
                    header = read_folder(folder).header
                # A folder that is being copied or removed changes while it is read.
                except (BadModelFile, OSError) as error:
                    header = str(error)
            self._folders[identity] = header
            if isinstance(header, str):
                broken.append(BrokenFile(f"{folder.parent.name}/{folder.name}", header))
            else:
                modified = folder.stat().st_mtime if folder.exists() else 0.0
                yield Found(folder.parent.name, folder.name, folder, header, modified, stamp, "onnx")

    def _header(self, path: Path) -> tuple[GgufHeader, tuple[int, int, int]]:
        """Give the header, and what tells this file from any other: its size, time of change and inode."""
        try:
            now = path.stat()
        except OSError as error:
            raise BadModelFile(f"cannot be read ({error.strerror})") from error
        stamp = (now.st_size, now.st_mtime_ns, now.st_ino)
        identity = (path, *stamp)
        header = self._former.get(identity)
        if header is None:
            try:
                header = read_header(path)
            except BadModelFile as error:
                header = str(error)
        self._headers[identity] = header
        if isinstance(header, str):
            raise BadModelFile(header)
        return header, stamp


def _repositories(root: Path, broken: list[BrokenFile], onnx: set[Path]) -> dict[Path, set[str]]:
    """Find the names of GGUF files by their folder; add folders with ONNX models to `onnx`.

    What is out of place is added to `broken`.
    """
    repositories: defaultdict[Path, set[str]] = defaultdict(set)
    for path in _gguf_files(root, broken):
        places = path.relative_to(root).parts
        name = "/".join(places)
        if not name.isprintable() or "@" in name:
            broken.append(BrokenFile(one_line(name), "its name holds @ or what does not print; rename it"))
        elif len(places) < 3:
            reason = "not in a folder <publisher>/<repo>; put it into one"
            if not is_part(path.name):
                reason += " with `lmstudio import`"
            broken.append(BrokenFile(name, reason))
        elif is_part(path.name):
            onnx.add(path.parent)
        # The part of a vision model that turns pictures into embeddings; it belongs to the model beside it.
        elif "mmproj" not in path.name.lower():
            repositories[path.parent].add(path.name)
    return repositories


def _gguf_files(root: Path, broken: list[BrokenFile]) -> Iterator[Path]:
    """Walk three levels deep and no deeper, so that a link which leads back up comes to an end."""
    left = MAX_ENTRIES
    level = [root]
    for depth in range(3):
        below: list[Path] = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    looked_at = list(itertools.islice(entries, left))
            except FileNotFoundError:
                continue
            except OSError as error:
                name = one_line(str(folder.relative_to(root)))
                broken.append(BrokenFile(name, f"cannot be read ({error.strerror})"))
                continue
            left -= len(looked_at)
            for entry in looked_at:
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry) and (depth < 2 or entry.name != "onnx"):
                    below.append(folder / entry.name)
                elif entry.name.lower().endswith(".gguf") or is_part(entry.name):
                    yield folder / entry.name
        level = below if depth < 2 else []
    if not left:
        broken.append(BrokenFile(".", f"more than {MAX_ENTRIES:,} files and folders; the rest is not listed"))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself.
        return False


def split_parts(name: str) -> Iterator[str]:
    """Name the files of the model that `name` is a file of, the first one first."""
    split = SPLIT_NAME.fullmatch(name)
    if split is None or int(split[4]) == 0:
        yield name
        return
    for number in range(1, int(split[4]) + 1):
        yield f"{split[1]}{number:05}{split[3]}"


# Names --------------------------------------------------------------------------------------------------


def _key(repo: str) -> str:
    return repo.lower().removesuffix("-gguf")


def _named(found: Sequence[Found]) -> Iterator[Model]:
    repositories: defaultdict[tuple[str, str], list[Found]] = defaultdict(list)
    for model in found:
        repositories[model.publisher, model.repo].append(model)
    names = _distinct(
        {
            (publisher, repo): (_key(repo), f"{publisher}/{_key(repo)}".lower(), f"{publisher}/{repo}")
            for publisher, repo in repositories
        }
    )
    for repository, models in repositories.items():
        name = names[repository]
        models.sort(key=_preference)
        others = {
            model.path: tuple(
                f"{name}@{which}"
                for which in (model.header.quantization.lower(), model.path.stem.lower(), model.path.stem)
            )
            for model in models[1:]
        }
        ids = {models[0].path: name} | _distinct(others)
        for model in models:
            yield _with_id(model, ids[model.path], name, is_preferred=model is models[0])


def _preference(model: Found) -> tuple[bool, int, str]:
    return model.header.quantization != PREFERRED_QUANTIZATION, model.header.size_bytes, model.path.name


def _distinct(forms: Mapping[_T, Sequence[str]]) -> dict[_T, str]:
    """Give each item the first of its forms that no other item has; the last forms all differ."""
    counts = Counter(form for own in forms.values() for form in set(own))
    return {item: next((form for form in own if counts[form] == 1), own[-1]) for item, own in forms.items()}


def _with_id(model: Found, name: str, repository_name: str, *, is_preferred: bool) -> Model:
    key, place = _key(model.repo), f"{model.publisher}/{model.repo}".lower()
    plain = {repository_name.lower(), key, model.repo.lower(), f"{model.publisher.lower()}/{key}", place}
    if model.header.has_pooling:
        # What LM Studio calls an embedding model.
        plain.add(f"text-embedding-{key}")
    quantization = model.header.quantization.lower()
    aliases = {f"{alias}@{quantization}" for alias in plain} | {f"{place}/{model.path.name.lower()}"}
    return Model(
        id=name,
        aliases=frozenset(aliases | plain if is_preferred else aliases),
        publisher=model.publisher,
        repo=model.repo,
        path=model.path,
        header=model.header,
        modified=model.modified,
        format=model.format,
        stamp=model.stamp,
    )


def _as_mirrored(wanted: str) -> str:
    """Turn an id under the publisher who mirrors everybody's models into the plain key: any copy will do."""
    return wanted.removeprefix(MIRROR) if wanted.startswith(MIRROR) else ""


def _near(wanted: str, ids: Sequence[str]) -> list[str]:
    tails = {name.rpartition("/")[2].lower(): name for name in ids[:_NEAR_POOL]}
    return [tails[tail] for tail in difflib.get_close_matches(wanted[-200:].rpartition("/")[2], tails)]
