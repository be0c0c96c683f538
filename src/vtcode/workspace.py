"""Which paths count: beneath the root, protected places; the one way to read and to write there."""

import contextlib
import errno
import os
import stat
import unicodedata
from collections.abc import Generator, Sequence
from fnmatch import fnmatchcase
from io import FileIO
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

from vtcode.openat import FOLDER, open_beneath
from vtcode.replacing import Replacement, Stage

LONGEST_PATH: Final = 4096

PROTECTED_NAMES: Final = frozenset(
    (
        *("vtcode.toml", ".vtcode", ".mcp.json", "AGENTS.md"),
        *(".git", ".husky", ".githooks", ".pre-commit-config.yaml", "lefthook.yml"),
        *(".vscode", ".idea", ".zed", ".devcontainer", ".envrc", ".dir-locals.el"),
        *(".exrc", ".vimrc", ".nvimrc", ".nvim.lua", ".tmux.conf", ".inputrc"),
        *(".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".profile"),
        *(".zshrc", ".zshenv", ".zprofile", ".zlogin", ".gitconfig"),
    )
)
"""Files and folders that make a later start of ours, an editor, a shell or git run or obey something, without anybody
asking for it: changing them is asked, and commands in the box cannot."""

ASKED_NAMES: Final = frozenset(
    (
        *("conftest.py", "sitecustomize.py", "usercustomize.py", "pyvenv.cfg", ".venv", "venv", "site-packages"),
        *(".gitlab-ci.yml", ".travis.yml", ".circleci", ".buildkite", ".drone.yml", ".woodpecker", ".woodpecker.yml"),
        *("Jenkinsfile", "azure-pipelines.yml", "bitbucket-pipelines.yml", "appveyor.yml", ".ci"),
    )
)
"""What programs load by its name, and what other machines run: the file tools ask for it. A command in the box may
change it, since such files are sources of the project too."""

_ASKED_GLOBS: Final = ("*.pth", "*.code-workspace")
_ASKED_FOLDERS: Final = frozenset({(".github", "workflows"), (".github", "actions"), (".gitea", "workflows")})

SECRET_FOLDERS: Final = frozenset({".aws", ".ssh", ".gnupg", ".kube", ".azure"})
SECRET_FILES: Final = (
    *(".env*", "*.pem", "*.key", "*.p12", "*.pfx", "*.keystore"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"),
    *(".npmrc", ".netrc", "_netrc", ".pypirc", ".git-credentials", ".pgpass"),
)
"""Globs of file names, in lower case."""

_MOST_TRIES: Final = 20
_REASONS: Final = {
    errno.ENOENT: "it does not exist",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.ELOOP: "a symbolic link stands in the way",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "it would be too large",
    errno.EROFS: "the file system is read-only",
    errno.ENXIO: "it is not a regular file",
}


class WorkspaceError(Exception):
    """A path that cannot be used; the message is a sentence for the model and the user.

    WorkspaceError
    ├── PathRefused    the path is not one that tools may touch, or nothing readable is there
    └── WriteRefused   the write failed; the file is as it was
    """

    @property
    def sentence(self) -> str:
        return str(self)


class PathRefused(WorkspaceError):
    pass


class WriteRefused(WorkspaceError):
    pass


class Workspace:
    """A folder that tools work in. Nothing outside it is read or written through this class."""

    __slots__ = ("root",)

    root: Final[Path]
    """Absolute, with every link resolved."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).resolve(strict=True)
        if not self.root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))

    def locate(self, path: str) -> Path:
        """Resolve a path that a model gave, links included; what it names need not exist.

        Raises PathRefused for anything that ends outside the root.
        """
        if reason := _malformed(path):
            raise PathRefused(f"The path {reason}. Give a path relative to the workspace.")
        located = _resolved(self.root / path)
        if located is None:
            raise PathRefused(f"{path} cannot be followed: its links are too many, or change all the time.")
        if not located.is_relative_to(self.root):
            raise PathRefused(f"{path} is outside the workspace. Give a path relative to the workspace.")
        # realpath leaves a link unresolved only where links lead in a circle.
        if os.path.islink(located):
            raise PathRefused(f"{path} is a symbolic link that leads back to itself.")
        return located

    def relative(self, path: Path) -> str:
        """Return a located path as it is shown: relative to the root, with `/`; the root is `.`."""
        return path.relative_to(self.root).as_posix()

    def is_protected(self, path: Path) -> bool:
        """Whether changing this located path could change what runs later without anybody asking for it."""
        parts = [_folded(part) for part in self._parts(path)]
        if any(part in _FOLDED_NAMES for part in parts) or any(pair in _ASKED_FOLDERS for pair in pairwise(parts)):
            return True
        if parts and any(fnmatchcase(parts[-1], glob) for glob in _ASKED_GLOBS):
            return True
        git_folder = self.linked_git_folder()
        return git_folder is not None and path.is_relative_to(git_folder)

    def is_secret(self, path: Path) -> bool:
        """Whether this located path is a usual place for keys and passwords."""
        parts = [_folded(part) for part in self._parts(path)]
        return any(part in SECRET_FOLDERS for part in parts) or is_secret_name(parts[-1] if parts else "")

    def linked_git_folder(self) -> Path | None:
        """Return the folder beneath the root that a `.git` *file* names, or None."""
        try:
            with self.open_file(self.root / ".git") as file:
                words = os.fsdecode(file.read(LONGEST_PATH)).removeprefix("gitdir:").strip()
        except WorkspaceError:
            return None
        if "\0" in words:
            return None
        folder = _resolved(self.root / words)
        return folder if folder and folder.is_relative_to(self.root) and folder != self.root else None

    def open_file(self, path: Path) -> FileIO:
        """Open a located path for reading. Raises PathRefused unless a regular file is there."""
        shown = self.relative(path)
        if path == self.root:
            raise PathRefused(f"{shown} is a folder, not a file.")
        try:
            # Non-blocking, since opening a FIFO would otherwise wait for a writer for ever.
            descriptor = self._open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            raise PathRefused(f"{shown} cannot be read: {_reason(error)}.") from error
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            os.close(descriptor)
            raise PathRefused(f"{shown} is {_kind(mode)}, not a file.")
        return open(descriptor, "rb", buffering=0)

    def names(self, path: Path, most: int) -> list[str]:
        """List what is in a located folder, so many entries at most. Raises PathRefused."""
        try:
            with self._folder(path) as folder, os.scandir(folder) as entries:
                return [entry.name for entry in islice(entries, most)]
        except OSError as error:
            raise PathRefused(f"{self.relative(path)} cannot be listed: {_reason(error)}.") from error

    def replace_file(self, path: Path, data: bytes) -> None:
        """Put `data` at a located path in one step: after a crash the old or the new file is there, whole.

        Parent folders are made. Raises WriteRefused, the old file untouched.
        """
        self.replace_files([Replacement(path, data)])

    def remove_file(self, path: Path) -> None:
        """Remove the file at a located path. Raises WriteRefused."""
        self.replace_files([Replacement(path, None)])

    def replace_files(self, replacements: Sequence[Replacement]) -> None:
        """Put several files in place, or remove them, each in one step and all of them or none.

        Everything is written and on disk before the first takes its place; when one then cannot, those before it
        are taken back. Only a process that is killed in between leaves some of them done, each whole.

        Raises:
            WriteRefused: nothing was changed, or the message names what could not be put back.
        """
        stages: list[Stage] = []
        made: list[Path] = []
        with contextlib.ExitStack() as folders:
            current = Replacement(self.root, None)
            try:
                for current in replacements:
                    if current.path == self.root:
                        raise WriteRefused(f"{self.relative(self.root)} is a folder, not a file.")
                    create = None if current.data is None else made
                    folder = folders.enter_context(self._folder(current.path.parent, create=create))
                    stages.append(Stage(folder, current, is_only=len(replacements) == 1))
                for stage in stages:
                    current = stage.replacement
                    stage.commit()
            except BaseException as error:
                left = [stage.replacement.path for stage in reversed(stages) if not stage.take_back()]
                self._remove_empty(made)
                if isinstance(error, OSError):
                    raise WriteRefused(self._not_replaced(current, error, left)) from error
                raise
            for stage in stages:
                stage.settle()

    def _not_replaced(self, replacement: Replacement, error: OSError, left: list[Path]) -> str:
        verb = "removed" if replacement.data is None else "written"
        sentence = f"{self.relative(replacement.path)} was not {verb}: {_reason(error)}."
        if left:
            sentence += f" What was there before could not be put back: {', '.join(map(self.relative, left))}."
        return sentence

    def _parts(self, path: Path) -> tuple[str, ...]:
        return path.relative_to(self.root).parts

    def _open(self, path: Path, flags: int) -> int:
        root = os.open(self.root, FOLDER)
        try:
            return open_beneath(root, self._parts(path), flags)
        finally:
            os.close(root)

    @contextlib.contextmanager
    def _folder(self, path: Path, *, create: list[Path] | None = None) -> Generator[int]:
        """Yield a descriptor of a located folder; with `create`, make what is missing, and add it to that list."""
        made = [] if create is None else create
        folder, missing = (self._open(path, FOLDER), []) if create is None else self._nearest(path)
        try:
            for inner in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(inner.name, dir_fd=folder)
                    made.append(inner)
                outer, folder = folder, open_beneath(folder, (inner.name,), FOLDER)
                os.close(outer)
            yield folder
        finally:
            os.close(folder)

    def _nearest(self, path: Path) -> tuple[int, list[Path]]:
        """Open a located folder, or the nearest above it that there is; return also what is missing, inner first."""
        missing: list[Path] = []
        while True:
            try:
                return self._open(path, FOLDER), missing
            except FileNotFoundError:
                if path == self.root:
                    raise
                missing.append(path)
                path = path.parent

    def _remove_empty(self, folders: list[Path]) -> None:
        for path in reversed(folders):
            with contextlib.suppress(OSError), self._folder(path.parent) as folder:
                os.rmdir(path.name, dir_fd=folder)


def is_secret_name(name: str) -> bool:
    """Whether a file or folder of this name usually holds keys or passwords."""
    folded = _folded(name)
    return folded in SECRET_FOLDERS or any(fnmatchcase(folded, glob) for glob in SECRET_FILES)


def _malformed(path: str) -> str | None:
    if not path.strip():
        return "is empty"
    if len(path) > LONGEST_PATH:
        return f"is longer than {LONGEST_PATH:,} characters"
    if "\0" in path:
        return "contains a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in path):
        return "is not valid Unicode"
    if path.startswith("~"):
        return "starts with `~`, which is not expanded here"
    if "://" in path:
        return "is an address"
    return None


def _folded(name: str) -> str:
    """Fold what some file systems take for the same name: case, and composed or decomposed letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


_FOLDED_NAMES: Final = frozenset(map(_folded, PROTECTED_NAMES | ASKED_NAMES))


def _resolved(path: Path) -> Path | None:
    """Follow all links of a path; None where that comes to no end."""
    for _ in range(_MOST_TRIES):
        try:
            return Path(os.path.realpath(path))
        except OSError:
            # A link that was removed between two looks at it.
            continue
        except RecursionError:
            return None
    return None


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0) or error.strerror or "the system refused it"


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((words for matches, words in kinds if matches(mode)), "not a regular file")
