from dataclasses import replace

import pytest

from mas2sim.domain.errors import GridError
from mas2sim.domain.grid_state import Bus
from mas2sim.grid import (
    Connection,
    FixedLoad,
    Line,
    Network,
    Source,
    Substation,
    connect,
    loads_as_homes,
    power_flow,
)

STREET = Network(
    name="street",
    buses=(Bus("p", 0.4, 0.0, 0.0), Bus("q", 0.4, 10.0, 0.0)),
    lines=(Line("pq", "p", "q", 10.0, 0.01, 0.001, 100.0),),
    transformers=(),
    sources=(Source("p"),),
)


def faults(network: Network, *homes: Connection) -> list[str]:
    with pytest.raises(GridError) as caught:
        connect(network, homes)
    return [str(fault) for fault in caught.value.faults]


def test_faults_of_connections_come_together() -> None:
    found = faults(
        STREET,
        Connection("h1", "q"),
        Connection("h1", "q", "a"),
        Connection("h2", ""),
        Connection("h3", "z"),
        Connection("h4", "q", "n"),
    )
    assert [fault.split(":")[0] for fault in found] == ["home h1", "home h2", "home h3", "home h4"]


def test_two_homes_may_share_a_bus() -> None:
    flats = connect(STREET, [Connection("h1", "q", "a"), Connection("h2", "q", "a")])
    assert flats.layout.home_bus == ("q", "q")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"buses": (*STREET.buses, STREET.buses[0])}, "bus p: found named 2 times"),
        ({"sources": ()}, "no source"),
        ({"sources": (Source("x"),)}, "source: found bus 'x'"),
        ({"buses": (*STREET.buses, Bus("r", 0.4, 0, 0))}, "bus r: found no way to a source"),
        ({"joined": (("p", "y"),)}, "joined buses: found bus 'y'"),
        ({"lines": (replace(STREET.lines[0], rating_a=0.0),)}, "rating 0 A"),
        ({"lines": (replace(STREET.lines[0], r_ohm=0.0, x_ohm=0.0),)}, "closed switch"),
        ({"lines": (replace(STREET.lines[0], g_us=1.0),)}, "conductance"),
        ({"lines": (*STREET.lines, replace(STREET.lines[0], name="o", to_bus="p"))}, "both ends"),
        ({"buses": (STREET.buses[0], Bus("q", 11.0, 0, 0))}, "one voltage level"),
        ({"loads": (FixedLoad("l", "q", "x", float("nan"), 0.0),)}, "phase 'x'"),
    ],
)
def test_a_network_that_cannot_be_solved_says_why(changes: dict[str, object], part: str) -> None:
    found = faults(replace(STREET, **changes))  # type: ignore[arg-type]
    assert any(part in fault for fault in found), found


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"rating_kva": 0.0}, "rating 0 kVA"),
        ({"vkr_percent": 9.0}, "vkr 9 %"),
        ({"iron_kw": -1.0}, "iron loss -1 kW"),
        ({"tap_steps": -50.0}, "winding voltages"),
    ],
)
def test_a_transformer_that_cannot_be_says_why(
    cardiff: Substation, changes: dict[str, float], part: str
) -> None:
    unit = replace(cardiff.network.transformers[0], **changes)  # type: ignore[arg-type]
    (fault,) = faults(replace(cardiff.network, transformers=(unit,)))
    assert part in fault


def test_unbalanced_flow_needs_the_zero_sequence(cardiff: Substation) -> None:
    with pytest.raises(GridError, match="line pq: found no zero-sequence impedance"):
        power_flow(connect(STREET, [Connection("h", "q")]), unbalanced=True)
    unit = cardiff.network.transformers[0]
    for changed, part in (
        (replace(unit, vector_group=replace(unit.vector_group, lv="y")), "vector group Dy11"),
        (replace(unit, vk0_percent=4.0), "vk0 4 %"),
    ):
        network = replace(cardiff.network, transformers=(changed,))
        with pytest.raises(GridError, match=part):
            power_flow(connect(network, cardiff.homes), unbalanced=True)


def test_loads_become_homes_and_generators_stay() -> None:
    loads = (
        FixedLoad("l", "q", "b", 0.0, 0.0),
        FixedLoad("g", "q", "abc", -5.0, 0.0, "generator"),
        FixedLoad("s", "q", "abc", 2.0, 0.0, "storage"),
    )
    network, homes = loads_as_homes(replace(STREET, loads=loads))
    assert homes == (Connection("l", "q", "b"),)
    assert [load.name for load in network.loads] == ["g", "s"]
