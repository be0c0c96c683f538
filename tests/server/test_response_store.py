"""The file of stored responses: bounds, owners, chains, and files that cannot be used."""

import asyncio
import logging
import sqlite3
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from lmserver import response_store
from lmserver.response_store import ConversationTooLong, MissingLink, ResponseStore, Stored


def stored(name: str, previous: str | None = None, *, owner: str = "me", size: int = 10) -> Stored:
    return Stored(
        id=name,
        owner=owner,
        previous=previous,
        response=b"r" * size,
        input=b"[]",
        items=(f"item of {name}", "shared"),
    )


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "responses.sqlite3"


def put(store: ResponseStore, *responses: Stored) -> None:
    async def all_of_them() -> None:
        for response in responses:
            await store.put(response)

    run(all_of_them())


def test_what_was_put_is_there_after_opening_again(path: Path) -> None:
    put(ResponseStore(path), stored("a"))
    found = run(ResponseStore(path).get("me", "a"))
    assert (found.response, found.input, found.previous) == (b"r" * 10, b"[]", None)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_nobody_finds_what_is_anothers(path: Path) -> None:
    store = ResponseStore(path)
    put(store, stored("a", owner="me"))
    assert run(store.get("you", "a")) is None
    assert run(store.holding("you", "item of a")) is None
    assert run(store.delete("you", "a")) is False
    with pytest.raises(MissingLink):
        run(store.chain("you", "a"))
    put(store, stored("b", "a", owner="you"))
    with pytest.raises(MissingLink, match="a"):
        run(store.chain("you", "b"))


def test_items_lead_to_a_response_that_holds_them(path: Path) -> None:
    store = ResponseStore(path)
    put(store, stored("a"), stored("b"))
    assert run(store.holding("me", "item of b")).id == "b"
    run(store.delete("me", "a"))
    assert run(store.holding("me", "item of a")) is None
    assert run(store.holding("me", "shared")).id == "b"


def test_a_chain_is_given_from_its_beginning(path: Path) -> None:
    store = ResponseStore(path)
    put(store, stored("a"), stored("b", "a"), stored("c", "b"), stored("other", "a"))
    assert [each.id for each in run(store.chain("me", "c"))] == ["a", "b", "c"]
    run(store.delete("me", "a"))
    with pytest.raises(MissingLink, match=r"^a$"):
        run(store.chain("me", "c"))


def test_a_chain_without_end_is_refused(path: Path) -> None:
    store = ResponseStore(path)
    put(store, stored("a", "b"), stored("b", "a"), stored("self", "self"))
    for name in ("a", "self"):
        with pytest.raises(ConversationTooLong):
            run(store.chain("me", name))


def test_the_longest_chain_is_read_and_a_longer_one_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_store, "MAX_HOPS", 5)
    store = ResponseStore(path)
    put(store, *(stored(f"r{number}", f"r{number - 1}" if number else None) for number in range(6)))
    assert len(run(store.chain("me", "r4"))) == 5
    with pytest.raises(ConversationTooLong):
        run(store.chain("me", "r5"))


def test_the_least_recently_used_go_first(path: Path) -> None:
    store = ResponseStore(path, max_responses=3)
    put(store, stored("a"), stored("b"), stored("c"))
    run(store.chain("me", "a"))
    put(store, stored("d"))
    left = [name for name in "abcd" if run(store.get("me", name))]
    assert left == ["a", "c", "d"]
    store = ResponseStore(path, max_bytes=100)
    put(store, stored("large", size=90))
    assert [name for name in [*"abcd", "large"] if run(store.get("me", name))] == ["large"]


def test_a_newer_file_is_kept_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as newer:
        newer.execute("CREATE TABLE something (x)")
        newer.execute(f"PRAGMA user_version = {response_store.VERSION + 1}")
    newer.close()
    with caplog.at_level(logging.ERROR):
        put(ResponseStore(path), stored("a"))
    assert "newer server" in caplog.text and "kept as" in caplog.text
    (kept,) = path.parent.glob("*.newer-*")
    with sqlite3.connect(kept) as newer:
        assert newer.execute("SELECT count(*) FROM something").fetchone() == (0,)
    newer.close()


def test_a_file_that_is_damaged_inside_is_kept_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = ResponseStore(path)
    put(store, *(stored(f"r{number}", size=5000) for number in range(20)))
    run(store.close())
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    store = ResponseStore(path)
    put(store, stored("new"))
    assert run(store.get("me", "new"))
    assert "is damaged" in caplog.text
    (kept,) = path.parent.glob("*.damaged-*")
    assert kept.stat().st_size == len(content)


def test_two_servers_share_a_file(path: Path) -> None:
    async def both() -> None:
        one, other = ResponseStore(path), ResponseStore(path)
        await asyncio.gather(
            *(
                store.put(stored(f"{name}{number}"))
                for name, store in (("a", one), ("b", other))
                for number in range(20)
            )
        )
        assert len([name for name in range(20) if await one.get("me", f"b{name}")]) == 20
        await one.close()
        await other.close()

    run(both())
