import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmserver.catalog import Catalog, Model
from lmserver.errors import BadModelFile, ModelError, StorageError
from lmserver.importing import How, import_file
from lmserver.storage import Progress
from tests.server.ggufmaker import model, number, put, small_disk

F16, Q4_1, Q8_0, Q4_K_M = 1, 3, 7, 15


def models(catalog: Catalog) -> list[Model]:
    return [entry for entry in catalog.scan() if isinstance(entry, Model)]


def ids(catalog: Catalog) -> list[str]:
    return [model.id for model in models(catalog)]


def ignore(_: Progress) -> None:
    pass


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("how", ["copy", "move", "hardlink", "symlink"])
def test_an_imported_file_is_a_model_under_its_own_name(tmp_path: Path, how: How) -> None:
    source = put(tmp_path / "downloads/Tiny-1B-Instruct.Q8_0.gguf", model(file_type=Q8_0))
    path = import_file(source, tmp_path / "models", None, how, ignore)
    assert path == tmp_path / "models/imported-models/Tiny-1B-Instruct/Tiny-1B-Instruct.Q8_0.gguf"
    assert ids(Catalog(tmp_path / "models")) == ["tiny-1b-instruct"]
    assert source.exists() == (how != "move")
    assert (path.is_symlink(), path.stat().st_nlink) == (how == "symlink", 2 if how == "hardlink" else 1)


def test_an_import_goes_where_the_user_says(tmp_path: Path) -> None:
    source = put(tmp_path / "x.gguf", model())
    path = import_file(source, tmp_path / "models", "lab/Tiny-GGUF", "copy", ignore)
    assert path == tmp_path / "models/lab/Tiny-GGUF/x.gguf"


def test_a_copy_tells_how_far_it_is(tmp_path: Path) -> None:
    source = put(tmp_path / "x.gguf", model() + bytes(3 << 20))
    size = source.stat().st_size
    seen: list[Progress] = []
    import_file(source, tmp_path / "models", None, "copy", seen.append)
    assert seen[0] == Progress("copying x.gguf", 1 << 20, size)
    assert seen[-1] == Progress("copying x.gguf", size, size)


@pytest.mark.parametrize("how", ["copy", "move", "hardlink", "symlink"])
def test_importing_the_same_file_again_changes_nothing(tmp_path: Path, how: How) -> None:
    source = put(tmp_path / "x.gguf", model())
    path = import_file(source, tmp_path / "models", None, "copy", ignore)
    before = path.stat()
    assert import_file(source, tmp_path / "models", None, how, ignore) == path
    assert path.stat() == before
    assert source.exists() == (how != "move")


def test_moving_a_file_onto_itself_keeps_it(tmp_path: Path) -> None:
    path = put(tmp_path / "lab/tiny/x.gguf", model())
    assert import_file(path, tmp_path, "lab/tiny", "move", ignore) == path
    assert path.exists()


@pytest.mark.parametrize("how", ["copy", "move", "hardlink", "symlink"])
def test_another_file_in_the_place_is_never_overwritten(tmp_path: Path, how: How) -> None:
    taken = put(tmp_path / "models/lab/tiny/x.gguf", model(file_type=Q8_0))
    source = put(tmp_path / "x.gguf", model(file_type=Q4_1))
    with pytest.raises(ModelError, match=r"Another file is at .*/x.gguf"):
        import_file(source, tmp_path / "models", "lab/tiny", how, ignore)
    assert taken.read_bytes() == model(file_type=Q8_0)
    assert source.exists()


def test_moving_a_link_leaves_what_it_leads_to(tmp_path: Path) -> None:
    target = put(tmp_path / "real.gguf", model())
    link = tmp_path / "link.gguf"
    link.symlink_to("real.gguf")
    path = import_file(link, tmp_path / "models", None, "move", ignore)
    assert (path.is_symlink(), target.exists(), link.is_symlink()) == (False, True, False)


def test_all_parts_of_a_split_model_are_imported(tmp_path: Path) -> None:
    for part in (1, 2):
        put(tmp_path / f"big-Q8_0-0000{part}-of-00002.gguf", model(number("split.count", 2)))
    path = import_file(tmp_path / "big-Q8_0-00002-of-00002.gguf", tmp_path / "models", None, "move", ignore)
    assert path == tmp_path / "models/imported-models/big/big-Q8_0-00001-of-00002.gguf"
    assert ids(Catalog(tmp_path / "models")) == ["big"]


def test_a_file_that_is_no_model_is_not_imported(tmp_path: Path) -> None:
    source = put(tmp_path / "x.gguf", b"PK\x03\x04")
    with pytest.raises(BadModelFile, match=r"x\.gguf: not a GGUF file"):
        import_file(source, tmp_path / "models", None, "move", ignore)
    assert source.exists()
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    "name", ["-x.gguf", "a b.gguf", "a\nb.gguf", "é.gguf", "a@b.gguf", "x.bin", "x.gguf.txt", f"{'a' * 200}.gguf"]
)
def test_a_file_name_that_could_do_harm_is_refused(tmp_path: Path, name: str) -> None:
    source = put(tmp_path / name, model())
    with pytest.raises(ModelError, match=r"cannot be a name|does not end with \.gguf"):
        import_file(source, tmp_path / "models", None, "copy", ignore)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    "place",
    ["", "lab", "/", "lab/", "/tiny", "../tiny", "lab/..", ".hidden/tiny", "lab/tiny/x", "lab/a\\b", "lab/\0"],
)
def test_a_place_outside_the_models_folder_is_refused(tmp_path: Path, place: str) -> None:
    source = put(tmp_path / "x.gguf", model())
    with pytest.raises(ModelError, match=r"cannot be a name|is not PUBLISHER/REPO"):
        import_file(source, tmp_path / "models", place, "copy", ignore)
    assert not (tmp_path / "models").exists()


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    source = put(tmp_path / "x.gguf", model() + bytes(1 << 20))
    with pytest.raises(StorageError, match=r"^There is no room to write .*x\.gguf"), small_disk(4096):
        import_file(source, tmp_path / "models", None, "copy", ignore)
    assert left_in(tmp_path / "models") == []


def test_an_interrupted_copy_leaves_nothing_half_written(tmp_path: Path) -> None:
    source = put(tmp_path / "x.gguf", model())

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(source, tmp_path / "models", None, "copy", interrupt)
    assert left_in(tmp_path / "models") == []


@pytest.fixture
def unprivileged() -> Iterator[None]:
    # Permissions do not bind root.
    before = os.geteuid()
    os.seteuid(before or 65534)
    yield
    os.seteuid(before)


@pytest.mark.usefixtures("unprivileged")
def test_a_folder_that_may_not_be_written_is_named_with_what_to_do() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = put(Path(folder) / "x.gguf", model())
        (Path(folder) / "models").mkdir(mode=0o500)
        with pytest.raises(StorageError, match=r"models.* is not permitted .*set LMSTUDIO_MODELS_DIR"):
            import_file(source, Path(folder) / "models", None, "copy", ignore)
