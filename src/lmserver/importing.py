"""Puts a model file of the user's into the models folder."""

import errno
import filecmp
import os
import re
from pathlib import Path
from typing import Literal, assert_never

from lmserver.catalog import QUANTIZATION_SUFFIX, SPLIT_NAME, split_parts
from lmserver.errors import BadModelFile, ModelError
from lmserver.gguf import read_header
from lmserver.storage import Progress, Report, copy, require_room, storing, whole_file
from lmserver.text import one_line

How = Literal["copy", "move", "hardlink", "symlink"]

_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")


def import_file(source: Path, root: Path, user_repo: str | None, how: How, report: Report) -> Path:
    """Put a GGUF file, with its other parts if it is split, into the models folder `root`; return its path there.

    Args:
        source: the file; of a split model any part.
        root: the models folder.
        user_repo: `publisher/repo` to put it in; without it, `imported-models/` and the file's own name.
        how: whether to copy, move or link.
        report: told how far a copy is.

    Raises:
        BadModelFile: when it is no sound model file.
        ModelError: when a name cannot be used, or another file already has the place.
        StorageError: when there is no room, or the folder cannot be written.
    """
    if not source.name:
        raise ModelError(f"{str(source)!r} is not a file. Name a GGUF file.")
    names: list[str] = []
    for name in split_parts(source.name):
        try:
            read_header(source.with_name(name))
        except BadModelFile as error:
            raise BadModelFile(f"{one_line(str(source.with_name(name)))}: {error}") from error
        names.append(checked_name(name))
    if not names[0].lower().endswith(".gguf"):
        raise ModelError(f"{names[0]!r} does not end with .gguf. Rename it, and import it again.")
    if "mmproj" in names[0].lower():
        raise ModelError(f"{names[0]!r} is named like a projector (mmproj), which is never listed as a model.")
    folder = root / place_of(names[0], user_repo)
    for name in names:
        with storing(folder / name):
            folder.mkdir(parents=True, exist_ok=True)
            _put(source.with_name(name), folder / name, how, report)
    return folder / names[0]


def place_of(name: str, user_repo: str | None) -> Path:
    """Say which folder, beneath the models folder, a file goes to. Raises `ModelError` for an unfit name."""
    if user_repo is None:
        split = SPLIT_NAME.fullmatch(name)
        stem = split[1].rstrip("-") if split else name[: -len(".gguf")]
        return Path("imported-models", QUANTIZATION_SUFFIX.sub("", stem))
    publisher, slash, repo = user_repo.partition("/")
    if not slash:
        raise ModelError(f"{user_repo!r} is not PUBLISHER/REPO.")
    return Path(checked_name(publisher), checked_name(repo))


def checked_name(name: str) -> str:
    """Return a name that is fit for the models folder. Raises `ModelError` for any other."""
    if _COMPONENT.fullmatch(name):
        return name
    raise ModelError(
        f"{name!r} cannot be a name in the models folder. Use at most 200 letters, digits and . _ + - "
        "and begin with a letter or digit."
    )


def _put(source: Path, destination: Path, how: How, report: Report) -> None:
    if os.path.lexists(destination):
        _require_same(source, destination)
        if how == "move" and not destination.samefile(source):
            source.unlink()
        return
    match how:
        case "copy":
            _copy(source, destination, report)
        case "move":
            _move(source, destination, report)
        case "hardlink":
            destination.hardlink_to(source.resolve())
        case "symlink":
            destination.symlink_to(source.resolve())
        case _:
            assert_never(how)


def _require_same(source: Path, destination: Path) -> None:
    try:
        if destination.samefile(source) or filecmp.cmp(source, destination, shallow=False):
            return
    except FileNotFoundError:
        # A link that leads nowhere has the place.
        pass
    raise ModelError(f"Another file is at {destination}. Remove it, or choose a place with --user-repo.")


def _move(source: Path, destination: Path, report: Report) -> None:
    # A link is not moved, since where it leads may depend on where it is.
    if not source.is_symlink():
        try:
            source.rename(destination)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            return
    _copy(source, destination, report)
    source.unlink()


def _copy(source: Path, destination: Path, report: Report) -> None:
    with source.open("rb") as original:
        size = os.fstat(original.fileno()).st_size
        require_room(destination.parent, size)
        with whole_file(destination) as target:
            copy(original, target, Progress(f"copying {source.name}", 0, size), report)
            if target.tell() != size:
                raise BadModelFile(f"{source}: it changed while it was copied. Import it again.")
