"""What is offered while somebody types: names of files, quickly, and such that they can be typed."""

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from vtcode.tui.completion import Item, Names, complete

_WORDS = "src test lib core util model server agent config parse token render main index data file view".split()


def _many(count: int) -> Names:
    pick = random.Random(1)
    return Names(
        f"{pick.choice(_WORDS)}/{pick.choice(_WORDS)}{at % 97}/{pick.choice(_WORDS)}_{pick.choice(_WORDS)}{at}.py"
        for at in range(count)
    )


def _milliseconds(names: Names, query: str) -> float:
    times: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        names.best(query)
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def test_many_files_cost_a_fraction_of_a_moment() -> None:
    names = _many(50_000)
    # Some 30 ms on an idle machine; more, as others may be at work on it.
    assert max(_milliseconds(names, query) for query in ("s", "src", "modl", "srvagt49", "zzzz", "main_index4")) < 80


@given(st.lists(st.text("abc./_-^]\\ ", min_size=1, max_size=8)), st.text("abcA./_-^]\\", max_size=4))
def test_exactly_the_names_with_these_letters_in_order_are_offered(paths: list[str], query: str) -> None:
    def fits(name: str) -> bool:
        rest = iter(name.lower())
        return all(letter in rest for letter in query.lower())

    assert set(Names(paths).best(query, most=1_000)) == {path for path in paths if fits(path)}


def test_a_name_with_blanks_is_quoted_and_one_with_a_quotation_mark_left_out() -> None:
    names = Names(["a b.py", 'c"d.py', "e.py"])
    assert [item.text for item in complete("@", names, list).items] == ['@"a b.py"', "@e.py"]
    assert [item.text for item in complete('look at @"a ', names, list).items] == ['@"a b.py"']


def test_arguments_are_completed_where_they_are_known_beforehand() -> None:
    policy = Item("/policy", "/policy", words=(("read_file", "write_file"), ("allow", "deny")))

    def offered(text: str) -> list[str]:
        found = complete(text, Names(["x"]), lambda: [policy, Item("/model", "/model")])
        return [text[: found.start] + item.text for item in found.items]

    assert offered("/policy ") == []
    assert offered("/policy wr") == ["/policy write_file"]
    assert offered("/policy write_file d") == ["/policy write_file deny"]
    assert offered("/policy write_file ") == []
    assert offered("/policy write_file deny x") == []
    assert offered("/model x") == []
    assert offered("see /policy ") == []
