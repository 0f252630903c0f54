"""Unbalanced networks whose solution another program has published.

The figures are results of DIgSILENT PowerFactory, which the authors of pandapower keep to hold
`runpp_3ph` against: e2nIEE/pandapower, pandapower/test/loadflow/test_runpp_3ph.py,
`test_3ph_two_bus_line_powerfactory` (400 m of 185 mm2 low-voltage cable) and
`test_4bus_network` (a ring of five 110 kV lines with capacitance). Only figures are taken over.

PowerFactory's external grid holds the positive sequence at its terminal and has an impedance for
the others alone. Here the source is stiff and stands behind a line of that impedance, and its
voltage is raised until the positive sequence behind the line is 1.0: V1 = E - Z (S / 3 E)*, since
a stiff source delivers power in the positive sequence only.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import Bus, GridState
from mas2sim.grid import BatchPowerFlow, Connection, Line, Network, Source, connect

FIXED_POINT_PU = 1e-10
"""The positive sequence at the terminal; three orders below what is compared."""

C_FACTOR = 1.1
"""Voltage factor by which the short-circuit power of an external grid counts (IEC 60909-0)."""


@dataclass(frozen=True)
class Reference:
    """A network without its external grid, its loads by bus and phase, and published results.

    Parameters
    ----------
    vm_pu : array, shape (bus, phase)
    i_ka : array, shape (line)
        Greatest current of the phases and ends.
    within_pu, within_ka : float
        How closely pandapower's own test meets the published figures: those of the cable are a few
        1e-6 pu apart, as both programs round its data differently; the ring's have eight digits.
    """

    name: str
    vn_kv: float
    short_circuit_mva: float
    buses: tuple[str, ...]
    lines: tuple[Line, ...]
    loads: tuple[tuple[str, str, float, float], ...]
    vm_pu: FloatArray
    i_ka: FloatArray
    within_pu: float
    within_ka: float


def cable(name: str, ends: str, length_km: float, **per_km: float) -> Line:
    start, end = ends.split("-")
    totals = {key: value * length_km for key, value in per_km.items()}
    return Line(name, start, end, 1e3 * length_km, rating_a=1000.0, **totals)


def by_phase(bus: str, **powers_mva: complex) -> tuple[tuple[str, str, float, float], ...]:
    """Loads of a bus in kW and kvar."""
    return tuple((bus, phase, 1e3 * s.real, 1e3 * s.imag) for phase, s in powers_mva.items())


LOW_VOLTAGE = Reference(
    name="400 m of low-voltage cable",
    vn_kv=0.4,
    short_circuit_mva=10.0,
    buses=("sending", "receiving"),
    lines=(
        cable(
            "N2XRY 3x185sm",
            "sending-receiving",
            0.4,
            r_ohm=0.1013,
            x_ohm=0.06911504,
            c_nf=690.0,
            r0_ohm=0.4053,
            x0_ohm=0.2764602,
            c0_nf=312.4,
        ),
    ),
    loads=(
        *by_phase("receiving", a=0.020 + 0.010j, b=0.015 + 0.005j, c=0.025 + 0.010j),
        ("receiving", "abc", 10.0, 10.0),
    ),
    vm_pu=np.array(
        [
            [0.99939853552, 1.0013885141, 0.99921580141],
            [0.97401782343, 0.98945593737, 0.96329605983],
        ]
    ),
    i_ka=np.array([0.14075063601]),
    within_pu=4e-6,
    within_ka=1e-5,
)

THIN = {"r_ohm": 0.0385, "x_ohm": 0.1319469, "c_nf": 170.0}
THIN_0 = {"r0_ohm": 0.154, "x0_ohm": 0.5277876, "c0_nf": 170.4}
RING = Reference(
    name="ring of 110 kV lines",
    vn_kv=110.0,
    short_circuit_mva=5000.0,
    buses=("n", "k", "m", "p"),
    lines=(
        cable("n-m", "n-m", 1.0, **THIN, **THIN_0),
        cable("n-p", "n-p", 1.0, **THIN, **THIN_0),
        cable(
            "n-k",
            "n-k",
            1.0,
            r_ohm=0.0251,
            x_ohm=0.1225221,
            c_nf=210.0,
            r0_ohm=0.1005,
            x0_ohm=0.4900884,
            c0_nf=200.5,
        ),
        cable(
            "k-m",
            "k-m",
            1.0,
            r_ohm=0.0212,
            x_ohm=0.1162389,
            c_nf=230.0,
            r0_ohm=0.0848,
            x0_ohm=0.4649556,
            c0_nf=230.6,
        ),
        cable(
            "k-p",
            "k-p",
            1.0,
            r_ohm=0.0762,
            x_ohm=0.1507964,
            c_nf=140.0,
            r0_ohm=0.3048,
            x0_ohm=0.6031856,
            c0_nf=140.3,
        ),
    ),
    loads=(
        *by_phase("k", a=50 + 20j, b=80 + 60j, c=20 + 5j),
        *by_phase("m", a=50 + 50j, b=10 + 15j, c=10 + 5j),
        *by_phase("p", a=50 + 20j, b=60 + 20j, c=10 + 5j),
    ),
    vm_pu=np.array(
        [
            [0.98085729, 0.97711997, 1.04353786],
            [0.97828577, 0.97534651, 1.04470864],
            [0.97774307, 0.97648197, 1.04421233],
            [0.9780892, 0.97586805, 1.04471106],
        ]
    ),
    i_ka=np.array([0.99093993, 1.03599167, 1.15028040, 0.42795803, 0.10766244]),
    within_pu=2e-8,
    within_ka=1e-6,
)


def solve(reference: Reference) -> GridState:
    """Solve a network behind its external grid, with the positive sequence at 1.0."""
    z_ohm = C_FACTOR * reference.vn_kv**2 / reference.short_circuit_mva
    x_ohm = z_ohm / np.sqrt(1.0 + 0.1**2)
    r_ohm = 0.1 * x_ohm
    # X0 = X1 and R0 = 0.1 X0.
    grid = Line("grid", "stiff", reference.buses[0], 0.0, r_ohm, x_ohm, 1000.0, r_ohm, x_ohm)
    network = Network(
        name=reference.name,
        buses=tuple(Bus(name, reference.vn_kv, 0, 0) for name in ("stiff", *reference.buses)),
        lines=(grid, *reference.lines),
        transformers=(),
        sources=(Source("stiff"),),
    )
    homes = [
        Connection(f"{number}", bus, phase)
        for number, (bus, phase, _, _) in enumerate(reference.loads)
    ]
    p_kw, q_kvar = np.array([load[2:] for load in reference.loads]).T
    source_pu = 1.0
    for _ in range(50):
        held = replace(network, sources=(Source("stiff", source_pu),))
        state = BatchPowerFlow(connect(held, homes), unbalanced=True).solve(
            p_kw[None], q_kvar[None]
        )
        drawn_mva = complex(state.import_kw[0], state.import_kvar[0]) / 1e3
        base_mva = reference.vn_kv**2
        terminal = (
            source_pu - complex(r_ohm, x_ohm) * (drawn_mva / source_pu).conjugate() / base_mva
        )
        if abs(abs(terminal) - 1.0) < FIXED_POINT_PU:
            return state
        source_pu += 1.0 - abs(terminal)
    raise AssertionError("the positive sequence does not come to 1.0")


@pytest.mark.parametrize("reference", [LOW_VOLTAGE, RING], ids=lambda reference: reference.name)
def test_published_results_are_met(reference: Reference) -> None:
    state = solve(reference)
    np.testing.assert_allclose(
        state.vm_pu[0, 1:], reference.vm_pu, rtol=0, atol=reference.within_pu
    )
    # Lines are rated at 1 kA, so the loading is the current.
    current_ka = state.loading_percent[0, 1:] / 100.0
    np.testing.assert_allclose(current_ka, reference.i_ka, rtol=0, atol=reference.within_ka)
