"""The file of what was typed, beside other sessions and other kinds of files."""

import multiprocessing
import os
from pathlib import Path

from prompt_toolkit.history import FileHistory

from vtcode.tui.history import History


def _write(path: Path, name: str) -> None:
    history = History(path)
    for number in range(60):
        history.append_string(f"{name} {number} " + "x" * 15_000)


def test_what_others_type_while_the_file_is_shortened_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "history"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.stat().st_size <= 1_100_000
    found = [text[:5].split()[:2] for text in reversed(History(path).search(""))]
    for name in "abc":
        kept = [int(number) for who, number in found if who == name]
        # The newest of each are there, and none is missing between them.
        assert not kept or kept == list(range(kept[0], 60))
    assert len(found) >= 30


def test_what_is_typed_before_the_file_was_read_is_remembered_without_a_place_to_keep_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(tmp_path / "file" / "history")
    history.append_string("first")
    history.append_string(" secret")
    assert history.search("") == ["first"]


def test_a_pipe_in_the_place_of_the_file_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "history")
    history = History(tmp_path / "history")
    history.append_string("first")
    assert history.search("") == ["first"]


def test_a_file_of_an_earlier_version_is_made_private_and_read(tmp_path: Path) -> None:
    path = tmp_path / "history"
    FileHistory(path).store_string("old\ntext")
    path.chmod(0o644)
    history = History(path)
    assert history.search("") == ["old\ntext"]
    assert path.stat().st_mode & 0o777 == 0o600
    history.append_string("new")
    assert list(FileHistory(path).load_history_strings()) == ["new", "old\ntext"]
