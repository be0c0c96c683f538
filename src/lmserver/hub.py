"""Gets a model from a hub by its standard client, which knows HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE."""

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path

import httpx2
import msgspec
from huggingface_hub import HfApi, constants, get_session, get_token, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers  # pyright: ignore[reportUnknownVariableType]

from lmserver import __version__, memory
from lmserver.catalog import QUANTIZATION_SUFFIX, SPLIT_NAME, split_parts
from lmserver.catalogue import HubTarget
from lmserver.errors import DownloadError, ModelError
from lmserver.fitting import Variant, choose
from lmserver.importing import checked_name
from lmserver.storage import Report
from lmserver.text import one_line
from lmserver.transfer import WebFile, have


class RepoFile(msgspec.Struct, frozen=True):
    """A file in a repository."""

    path: str
    size: int
    sha256: str | None


class Group(msgspec.Struct, frozen=True):
    """The files of one quantisation: one, or the parts of a split model in their order."""

    files: tuple[RepoFile, ...]
    variant: Variant

    @property
    def name(self) -> str:
        return self.files[0].path.rpartition("/")[2]

    @property
    def names(self) -> set[str]:
        """Give all by which it can be asked for, in one case of letters."""
        whole = [file.path.casefold() for file in self.files]
        short = [path.rpartition("/")[2] for path in whole]
        return {*whole, *short, *(name.removesuffix(".gguf") for name in short), self.variant.quantization.casefold()}


class Repository(msgspec.Struct, frozen=True):
    """The model files of a repository at one commit."""

    repo: str
    commit: str
    groups: Sequence[Group]


def look(target: HubTarget) -> Repository:
    """Ask the hub which model files there are.

    Raises:
        DownloadError: when the hub cannot be asked, or knows no such repository.
        ModelError: when it holds no GGUF file.
    """
    with _explained(target.repo):
        # files_metadata: sizes and digests, else there are names alone.
        api = HfApi(library_name="lmstudio", library_version=__version__)
        info = api.model_info(target.repo, revision=target.revision, files_metadata=True)
    files = [
        RepoFile(each.rfilename, each.lfs.size if each.lfs else each.size or 0, each.lfs.sha256 if each.lfs else None)
        for each in info.siblings or []
    ]
    groups = grouped(files)
    if not groups:
        raise ModelError(
            f"{target.repo} holds no GGUF file. Look for a repository whose name ends with -GGUF; "
            f"`lmstudio get --list` names some."
        )
    return Repository(target.repo, info.sha or target.revision, groups)


def grouped(files: Sequence[RepoFile]) -> list[Group]:
    """Find the model files, and put the parts of split ones together; incomplete ones are left out."""
    by_path = {file.path: file for file in files}
    groups: list[Group] = []
    for path in sorted(by_path):
        folder, slash, name = path.rpartition("/")
        lowered = name.lower()
        if not lowered.endswith(".gguf") or "mmproj" in lowered or "imatrix" in lowered:
            continue
        parts = [f"{folder}{slash}{part}" for part in split_parts(name)]
        if parts[0] != path or any(part not in by_path for part in parts):
            continue
        whole = tuple(by_path[part] for part in parts)
        groups.append(Group(whole, Variant(_quantization(name), sum(file.size for file in whole))))
    return groups


def _quantization(name: str) -> str:
    split = SPLIT_NAME.fullmatch(name)
    stem = split[1].rstrip("-") if split else name[: -len(".gguf")]
    found = QUANTIZATION_SUFFIX.search(stem)
    return found[1].upper() if found else ""


def pick(repository: Repository, target: HubTarget, available: float | None = None) -> tuple[Group, str]:
    """Give the files that are wanted, or that fit this machine, and the reason.

    Raises:
        ModelError: when what is wanted is not there or is several, or nothing fits.
    """
    groups = repository.groups
    if not target.wanted:
        free = memory.available(()) if available is None else available
        choice = choose([group.variant for group in groups], free)
        return next(group for group in groups if group.variant == choice.variant), choice.reason
    wanted = target.wanted.casefold()
    found = [group for group in groups if wanted in group.names]
    if len(found) == 1:
        return found[0], f"{found[0].variant.quantization or found[0].name}, as asked for"
    if found:
        names = ", ".join(one_line(group.name) for group in found)
        raise ModelError(f"{repository.repo} holds several of these: {names}. Name the file after the @.")
    names = ", ".join(one_line(group.variant.quantization or group.name) for group in groups)
    raise ModelError(f"{repository.repo} holds no {one_line(target.wanted)}. There are: {names}.")


def get_from_hub(repository: Repository, group: Group, root: Path, report: Report) -> Path:
    """Have the files beneath the models folder `root`, as `owner/name/file`; return the path of the first.

    Raises:
        DownloadError: when a file cannot be had, or what came is not that file.
        BadModelFile: when it is no model file.
        ModelError: when a name is unfit for the models folder.
        StorageError: when there is no room, or the folder cannot be written.
    """
    owner, name = repository.repo.split("/")
    folder = root / checked_name(owner) / checked_name(name)
    headers = build_hf_headers(library_name="lmstudio", library_version=__version__)
    files = [
        WebFile(
            url=hf_hub_url(repository.repo, file.path, revision=repository.commit),
            name=checked_name(file.path.rpartition("/")[2]),
            size=file.size,
            sha256=file.sha256,
            identity=file.sha256 or f"{repository.repo} {repository.commit} {file.path}",
            headers=headers,
        )
        for file in group.files
    ]
    with _explained(repository.repo):
        return have(get_session(), files, folder, root, report)


@contextlib.contextmanager
def _explained(repo: str) -> Generator[None]:
    """Turn what the hub's client raises into sentences."""
    hub = constants.ENDPOINT
    try:
        yield
    except GatedRepoError as error:
        raise DownloadError(
            f"{repo} is gated: accept its terms at {hub}/{repo}, and set HF_TOKEN to a token of yours."
        ) from error
    except RepositoryNotFoundError as error:
        token = "the token in HF_TOKEN may not read it" if get_token() else "HF_TOKEN is not set"
        raise DownloadError(f"There is no repository {repo} at {hub}; or it is private, and {token}.") from error
    except (RevisionNotFoundError, EntryNotFoundError) as error:
        raise DownloadError(f"{repo} at {hub} has no such revision or file.") from error
    except HFValidationError as error:
        raise ModelError(f"{one_line(repo)} is not the name of a repository, as owner/name would be.") from error
    except OfflineModeIsEnabled as error:
        raise DownloadError("HF_HUB_OFFLINE is set, so the hub is not asked. Unset it to download.") from error
    except HfHubHTTPError as error:
        raise DownloadError(f"{hub} answered {error.response.status_code} for {repo}. Try again later.") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DownloadError(
            f"Could not reach the hub at {hub} ({error}). Check the network; HF_ENDPOINT can name another hub, and "
            "`lmstudio import` takes a file that you have."
        ) from error
