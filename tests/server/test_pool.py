"""The pool of loaded models and the queue before each, with engines that answer from a script."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import msgspec
import pytest

from lmserver.admission import Admission
from lmserver.catalog import Catalog, Model
from lmserver.engines import Engine
from lmserver.engines.scripted import ScriptedEngine, ScriptedReply
from lmserver.errors import ApiError
from lmserver.loading import batch, fitting_context
from lmserver.memory import Footprint, available, footprint
from lmserver.pool import Pool, Wanted
from lmserver.settings import ModelSettings
from tests.server.ggufmaker import model, number, put

Test = Callable[[], Coroutine[None, None, None]]


def run(test: Test) -> None:
    """Run a test of asynchronous code, and fail if it hangs."""
    asyncio.run(asyncio.wait_for(test(), 10))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Shop:
    """Makes engines, and knows which there were."""

    def __init__(self) -> None:
        self.engines: list[Engine] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.free: list[int] = []

    def wanted(
        self,
        name: str,
        *,
        ttl: float | None = 60,
        parallel: int = 4,
        stamp: int = 0,
        size: int = 0,
        settings: ModelSettings = ModelSettings(),  # noqa: B008
        load: Callable[[int], Awaitable[Engine]] | None = None,
    ) -> Wanted:
        return Wanted(
            id=name,
            stamp=(stamp,),
            ttl=ttl,
            parallel=parallel,
            footprint=Footprint(size),
            settings=settings,
            load=load or self.load,
        )

    async def load(self, free: int) -> Engine:
        self.free.append(free)
        await self.gate.wait()
        engine = ScriptedEngine([ScriptedReply()])
        self.engines.append(engine)
        return engine


@contextlib.asynccontextmanager
async def opened(pool: Pool):
    try:
        yield pool
    finally:
        await pool.close()


async def use(pool: Pool, wanted: Wanted, *, ttl: float | None = None) -> Engine:
    async with pool.lease(wanted, ttl=ttl) as engine:
        return engine


# The queue ----------------------------------------------------------------------------------------------


def test_no_more_requests_get_in_than_there_are_slots_and_the_rest_in_order() -> None:
    async def test() -> None:
        admission, order = Admission(slots=2, bound=10), list[int]()
        release = asyncio.Event()

        async def ask(index: int) -> None:
            async with admission.enter("one"):
                order.append(index)
                await release.wait()

        async with asyncio.TaskGroup() as group:
            for index in range(5):
                group.create_task(ask(index))
            await settle()
            assert (order, admission.running, admission.waiting) == ([0, 1], 2, 3)
            release.set()
        assert order == [0, 1, 2, 3, 4]
        assert admission.in_use == 0

    run(test)


def test_a_client_with_many_requests_does_not_starve_another() -> None:
    async def test() -> None:
        admission, order = Admission(slots=1, bound=100), list[str]()

        async def ask(client: str) -> None:
            async with admission.enter(client):
                order.append(client)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for client in ["greedy"] * 50 + ["modest"] * 2 + ["late"]:
                group.create_task(ask(client))
        assert order[:6] == ["greedy", "greedy", "modest", "late", "greedy", "modest"]
        assert order.count("greedy") == 50

    run(test)


def test_a_full_queue_refuses_and_says_when_to_come_again() -> None:
    async def test() -> None:
        admission = Admission(slots=1, bound=1)
        async with admission.enter("a"):
            waiting = asyncio.create_task(admission.enter("a").__aenter__())
            await settle()
            with pytest.raises(ApiError) as caught:
                await admission.enter("b").__aenter__()
            assert (caught.value.status, caught.value.body.code) == (429, "queue_full")
            assert int(caught.value.headers["Retry-After"]) >= 1
            waiting.cancel()
            await settle()
            assert admission.waiting == 0

    run(test)


def test_a_cancelled_wait_leaves_the_queue_even_in_the_moment_of_its_turn() -> None:
    async def test() -> None:
        admission = Admission(slots=1, bound=9)
        first, entered = admission.enter("a"), list[str]()
        await first.__aenter__()

        async def ask(name: str) -> None:
            async with admission.enter(name):
                entered.append(name)

        early, turn, last = (asyncio.create_task(ask(name)) for name in ("early", "turn", "last"))
        await settle()
        early.cancel()
        await settle()
        assert admission.waiting == 2
        await first.__aexit__(None, None, None)
        turn.cancel()
        await asyncio.wait({turn, last})
        assert entered == ["last"]
        assert admission.in_use == 0

    run(test)


# Loading ------------------------------------------------------------------------------------------------


def test_requests_for_one_model_share_a_load_which_outlives_who_asked_first() -> None:
    async def test() -> None:
        shop = Shop()
        shop.gate.clear()
        async with opened(Pool(limit=2)) as pool:
            first = asyncio.create_task(use(pool, shop.wanted("a")))
            second = asyncio.create_task(use(pool, shop.wanted("a")))
            await settle()
            first.cancel()
            await settle()
            shop.gate.set()
            assert await second is shop.engines[0]
            assert first.cancelled()

            shop.gate.clear()
            alone = asyncio.create_task(use(pool, shop.wanted("b")))
            await settle()
            alone.cancel()
            shop.gate.set()
            await settle()
            # Whoever lost patience will be back.
            assert pool.residents()["b"].is_idle
            assert len(shop.engines) == 2

    run(test)


def test_a_load_that_fails_fails_all_who_wait_and_the_next_request_tries_again() -> None:
    async def test() -> None:
        shop, gate = Shop(), asyncio.Event()

        async def fail(_: int) -> Engine:
            await gate.wait()
            raise ApiError(500, "no", code="model_load_failed")  # pyright: ignore[reportArgumentType]

        async with opened(Pool(limit=2)) as pool:
            asking = [asyncio.create_task(use(pool, shop.wanted("a", parallel=1, load=fail))) for _ in range(3)]
            await settle()
            gate.set()
            results = await asyncio.gather(*asking, return_exceptions=True)
            assert all(isinstance(result, ApiError) for result in results)
            assert not pool.residents()
            assert await use(pool, shop.wanted("a")) is shop.engines[0]

    run(test)


def test_a_dead_engine_is_replaced_also_for_those_who_waited() -> None:
    async def test() -> None:
        shop = Shop()
        async with opened(Pool(limit=2)) as pool:
            async with pool.lease(shop.wanted("a", parallel=4)) as engine:
                holders = [contextlib.AsyncExitStack() for _ in range(3)]
                for holder in holders:
                    await holder.enter_async_context(pool.lease(shop.wanted("a")))
                waiting = asyncio.create_task(use(pool, shop.wanted("a")))
                await settle()
                await engine.close()
            assert await waiting is shop.engines[1]
            for holder in holders:
                await holder.aclose()

    run(test)


def test_a_file_that_changed_is_another_model_and_requests_on_the_former_go_on() -> None:
    async def test() -> None:
        shop = Shop()
        async with opened(Pool(limit=2)) as pool:
            async with pool.lease(shop.wanted("a", stamp=1)) as former:
                assert await use(pool, shop.wanted("a", stamp=2)) is not former
                assert former.is_alive
            await settle()
            assert [engine.is_alive for engine in shop.engines] == [False, True]
            assert list(pool.residents()) == ["a"]

    run(test)


# Letting go ---------------------------------------------------------------------------------------------


def test_the_least_recently_used_goes_when_there_are_too_many_but_none_in_use() -> None:
    async def test() -> None:
        shop = Shop()
        async with opened(Pool(limit=2)) as pool:
            await use(pool, shop.wanted("a"))
            await use(pool, shop.wanted("b"))
            await use(pool, shop.wanted("a"))
            async with pool.lease(shop.wanted("c")):
                assert set(pool.residents()) == {"a", "c"}
                async with pool.lease(shop.wanted("a")), pool.lease(shop.wanted("d")):
                    assert set(pool.residents()) == {"a", "c", "d"}

    run(test)


def test_what_was_loaded_to_stay_neither_counts_nor_goes() -> None:
    async def test() -> None:
        shop = Shop()
        async with opened(Pool(limit=1)) as pool:
            await pool.load(shop.wanted("stays", ttl=None), is_exact=False)
            # A request's own time is for models that came with a request.
            await use(pool, shop.wanted("stays"), ttl=0.01)
            await use(pool, shop.wanted("a"))
            await use(pool, shop.wanted("b"))
            await asyncio.sleep(0.05)
            assert set(pool.residents()) == {"stays", "b"}

    run(test)


def test_models_go_until_the_next_one_fits_into_memory() -> None:
    async def test() -> None:
        shop = Shop()
        pool = Pool(limit=9, available=lambda loaded: 100 - sum(each.total for each in loaded))
        async with opened(pool):
            for name, size in (("a", 30), ("b", 30), ("c", 30)):
                await use(pool, shop.wanted(name, size=size))
            await use(pool, shop.wanted("d", size=50))
            assert set(pool.residents()) == {"c", "d"}
            assert shop.free == [100, 70, 40, 70]

    run(test)


def test_an_unused_model_goes_after_its_time_and_a_request_can_set_that() -> None:
    async def test() -> None:
        shop = Shop()
        async with opened(Pool(limit=2)) as pool:
            async with pool.lease(shop.wanted("a", ttl=0.05)):
                await asyncio.sleep(0.1)
                assert "a" in pool.residents()
            await use(pool, shop.wanted("b"))
            await asyncio.sleep(0.1)
            assert set(pool.residents()) == {"b"}
            await use(pool, shop.wanted("b"), ttl=0.05)
            await asyncio.sleep(0.1)
            assert not pool.residents()
            assert not any(engine.is_alive for engine in shop.engines)

    run(test)


def test_unloading_needs_force_while_requests_use_the_model() -> None:
    async def test() -> None:
        shop = Shop()
        async with opened(Pool(limit=2)) as pool:
            assert not await pool.unload("a", is_forced=False)
            async with pool.lease(shop.wanted("a", parallel=1)):
                shop.gate.clear()
                holders = [asyncio.create_task(use(pool, shop.wanted("a"))) for _ in range(4)]
                await settle()
                with pytest.raises(ApiError, match="force") as caught:
                    await pool.unload("a", is_forced=False)
                assert caught.value.status == 409
                assert await pool.unload("a", is_forced=True)
            shop.gate.set()
            await asyncio.gather(*holders, return_exceptions=True)
            assert not shop.engines[0].is_alive

    run(test)


def test_unloading_ends_a_load_and_tells_who_waited() -> None:
    async def test() -> None:
        shop = Shop()
        shop.gate.clear()
        async with opened(Pool(limit=2)) as pool:
            waiting = asyncio.create_task(use(pool, shop.wanted("a")))
            await settle()
            assert await pool.unload("a", is_forced=True)
            with pytest.raises(ApiError, match="unloaded while"):
                await waiting
            assert not shop.engines

    run(test)


def test_an_explicit_load_with_other_settings_replaces_the_model() -> None:
    async def test() -> None:
        shop = Shop()
        short = ModelSettings(context_length=512)
        async with opened(Pool(limit=2)) as pool:
            await use(pool, shop.wanted("a"))
            assert (await pool.load(shop.wanted("a", settings=short), is_exact=True)).engine is shop.engines[1]
            assert (await pool.load(shop.wanted("a", settings=short), is_exact=True)).engine is shop.engines[1]
            assert (await pool.load(shop.wanted("a"), is_exact=False)).engine is shop.engines[1]
            # As it was loaded, so it comes back.
            await shop.engines[1].close()
            await use(pool, shop.wanted("a"))
            assert pool.residents()["a"].wanted.settings == short

    run(test)


# Memory -------------------------------------------------------------------------------------------------


def found(root: Path) -> Model:
    keys = [number("llama.attention.head_count", 4), number("llama.attention.head_count_kv", 2)]
    put(root / "lab/tiny/x.gguf", model(*keys))
    [entry] = Catalog(root).scan()
    assert isinstance(entry, Model)
    return entry


def test_a_model_that_is_replaced_makes_room_for_itself_first() -> None:
    async def test() -> None:
        shop = Shop()
        async with opened(Pool(limit=4, available=lambda loaded: 100 - sum(each.total for each in loaded))) as pool:
            await pool.load(shop.wanted("a", size=80), is_exact=True)
            await pool.load(shop.wanted("a", size=80, settings=ModelSettings(parallel=2)), is_exact=True)
            assert shop.free == [100, 100]
            assert [engine.is_alive for engine in shop.engines] == [False, True]

    run(test)


def test_the_footprint_counts_keys_and_values_of_the_heads_that_are_kept(tmp_path: Path) -> None:
    header = found(tmp_path).header
    assert header.kv_width == 16
    assert footprint(header, 1001).total - footprint(header, 1).total == 1000 * 16 * 2 * 2


def test_a_context_is_shortened_to_what_memory_allows_and_then_refused(tmp_path: Path) -> None:
    tiny = found(tmp_path)
    full = footprint(tiny.header, 8192).total
    assert fitting_context(tiny, 8192, full) == 8192
    assert fitting_context(tiny, 8192, full - 1) == 7936
    assert fitting_context(tiny, 8192, footprint(tiny.header, 2048).total) == 2048
    assert fitting_context(tiny, 512, footprint(tiny.header, 512).total) == 512
    with pytest.raises(
        ApiError, match=r"0\.3 GB of memory even with a context of 2048 tokens, and 0\.1 GB"
    ) as caught:
        fitting_context(tiny, 8192, 100_000_000)
    assert caught.value.status == 503


def test_this_machine_has_memory_and_what_is_mapped_does_not_count_as_free() -> None:
    assert available([]) > 100 << 20
    assert available([]) - available([Footprint(1 << 40)]) > 1 << 39


def test_a_batch_is_small_enough_for_others_to_go_on(tmp_path: Path) -> None:
    header = found(tmp_path).header
    assert batch(header, 1) == 512

    sizes = {
        (parameters, threads): batch(msgspec.structs.replace(header, parameters=parameters), threads)
        for parameters in (135_000_000, 8_000_000_000)
        for threads in (1, 16)
    }
    assert sizes == {
        (135_000_000, 1): 64,
        (135_000_000, 16): 512,
        (8_000_000_000, 1): 32,
        (8_000_000_000, 16): 32,
    }


def test_an_engine_that_ends_each_time_it_is_started_is_given_up() -> None:
    async def test() -> None:
        shop = Shop()

        async def load(free: int) -> Engine:
            engine = await shop.load(free)
            await engine.close()
            return engine

        async with opened(Pool(limit=2)) as pool:
            with pytest.raises(ApiError, match="each of the 3 times") as caught:
                await use(pool, shop.wanted("a", load=load))
            assert caught.value.status == 500 and len(shop.engines) == 3

    run(test)
