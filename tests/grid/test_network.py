import pytest

from mas2sim.domain.grid_state import Bus
from mas2sim.grid import Line, Network, Source, Transformer, VectorGroup


@pytest.mark.parametrize(
    ("text", "hv", "lv", "clock"),
    [
        ("Dyn11", "D", "yn", 11),
        ("YNyn0", "YN", "yn", 0),
        ("Yzn5", "Y", "zn", 5),
        ("Dd12", "D", "d", 0),
    ],
)
def test_vector_group_is_read(text: str, hv: str, lv: str, clock: int) -> None:
    assert VectorGroup.parse(text) == VectorGroup(hv, lv, clock)


@pytest.mark.parametrize("text", ["", "Dyn", "Dyn0", "YNyn1", "Dyn13", "dyN11", "Dyn11x"])
def test_vector_group_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"vector group|clock number"):
        VectorGroup.parse(text)


def a_transformer(**changes: object) -> Transformer:
    values = {
        "name": "t", "hv_bus": "hv", "lv_bus": "lv", "sn_kva": 500.0, "rating_kva": 500.0,
        "vn_hv_kv": 11.0, "vn_lv_kv": 0.433, "vector_group": VectorGroup.parse("Dyn11"),
        "vk_percent": 4.75, "vkr_percent": 1.0, "iron_kw": 0.68, "i0_percent": 0.4,
    } | changes  # fmt: skip
    return Transformer(**values)  # type: ignore[arg-type]


def test_tap_adds_its_step_to_its_own_winding() -> None:
    hv = a_transformer(tap_steps=2.0, tap_step_percent=2.5)
    lv = a_transformer(tap_steps=-1.0, tap_step_percent=2.5, tap_side="lv")
    assert hv.tapped_kv == pytest.approx((11.55, 0.433))
    assert lv.tapped_kv == pytest.approx((11.0, 0.422175))


def busbars(*joined: tuple[str, str]) -> Network:
    return Network(
        name="busbars",
        buses=tuple(Bus(name, 0.4, 0.0, 0.0) for name in "pqrst"),
        lines=(Line("l", "p", "t", 10.0, 0.01, 0.001, 100.0),),
        transformers=(),
        sources=(Source("q"),),
        joined=joined,
    )


def test_joined_buses_share_a_node() -> None:
    nodes = busbars(("p", "q"), ("r", "q")).nodes()
    assert nodes["p"] == nodes["q"] == nodes["r"]
    assert sorted(set(nodes.values())) == [0, 1, 2]
    assert len({nodes["p"], nodes["s"], nodes["t"]}) == 3


def test_dead_parts_are_what_no_source_reaches() -> None:
    network = busbars(("p", "q"), ("r", "s"))
    assert network.supplied() == {"p", "q", "t"}
    alive = network.without_dead_parts()
    assert [bus.name for bus in alive.buses] == ["p", "q", "t"]
    assert alive.joined == (("p", "q"),)
    assert busbars(("r", "s")).without_dead_parts().lines == ()
