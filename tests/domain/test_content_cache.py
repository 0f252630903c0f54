"""Plans from the cache are those that would have been made; a wrong one shows."""

from dataclasses import replace

import numpy as np
import pytest

from mas2sim.domain.content_cache import ContentCache, content_key
from mas2sim.domain.device import Battery
from mas2sim.domain.home import Home
from mas2sim.domain.plan import HomePlan


def home(**changes: object) -> Home:
    return replace(
        Home("h", 3000.0, np.ones(4), battery=Battery(7.0, 3.0, 0.9, 0.9), owns=frozenset("abc")),
        **changes,
    )


def test_equal_content_has_one_key_whatever_holds_it() -> None:
    assert content_key((home(), 1)) == content_key((home(owns=frozenset("cba")), 1))


@pytest.mark.parametrize(
    "other",
    [
        home(base_kw=np.array([1.0, 1.0, 1.0, np.nextafter(1.0, 2.0)])),
        home(battery=Battery(7.0, 3.0, 0.9, 0.9, reserve_kwh=1e-12)),
        home(owns=frozenset("ab")),
        home(name="g"),
    ],
)
def test_one_bit_makes_another_key(other: Home) -> None:
    assert content_key(other) != content_key(home())


def test_a_plan_is_made_once_and_the_oldest_goes_first() -> None:
    cache = ContentCache(most=2)
    plans = [HomePlan(np.full(4, float(k))) for k in range(3)]
    for k in (0, 1, 0, 2, 0):
        assert cache.get((k,), lambda k=k: plans[k]) is plans[k]
    assert (cache.hits, cache.misses) == (1, 4)


def test_what_has_no_content_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        content_key((object(),))


def test_of_what_is_large_only_the_latest_is_kept() -> None:
    cache = ContentCache()
    made = []

    def flow(name: str) -> list[str]:
        return cache.latest("flow", (name,), lambda: made.append(name) or [name])

    assert flow("a") is flow("a")
    assert cache.get(("flow", "a"), list) == ["a"]
    flow("b")
    flow("b")
    flow("a")
    assert made == ["a", "b", "a"]
    assert len(cache._values) == 1
