"""KPIs of energy: what crosses the connections, what stays local, and what moved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mas2sim.results.balance import (
    BoundaryEnergy,
    community_energy,
    home_energy,
    substation_energy,
)
from mas2sim.results.kpi_definition import NAN, CaseLevel, Kpi, compared, once_a_level, ratio

CHANGED_KW = 1e-3
"""A home's plan counts as changed when it differs by more than one watt somewhere: solvers leave
smaller differences behind without meaning them."""

Boundary = Callable[[CaseLevel], BoundaryEnergy]


def _grid_net_kwh(case: CaseLevel) -> float:
    flow = case.solved_flow
    return NAN if flow is None else float(flow.import_kw.sum() * case.hours)


def _curtailed_kwh(case: CaseLevel) -> float:
    return float(np.abs(case.curtailed_kw).sum() * case.hours)


def _activated_kwh(reference: CaseLevel, case: CaseLevel) -> float:
    return float(0.5 * np.abs(case.drawn_kw - reference.drawn_kw).sum() * case.hours)


def _changed(reference: CaseLevel, case: CaseLevel) -> tuple[int, int]:
    moved = np.abs(case.drawn_kw - reference.drawn_kw).max(axis=1) > CHANGED_KW
    return int((moved & case.flexible).sum()), int(case.flexible.sum())


@once_a_level
def _homes_energy(case: CaseLevel) -> BoundaryEnergy:
    return home_energy(case).together()


def _own_use(what: str, boundary: str, within: Boundary) -> Kpi:
    suffix = "" if boundary == "home" else f"_{boundary}"
    consumption = what == "self_consumption"

    def compute(case: CaseLevel) -> float:
        energy = within(case)
        return energy.self_consumption_percent if consumption else energy.self_sufficiency_percent

    return Kpi(
        name=f"{what}{suffix}_percent",
        unit="percent",
        label=("Self-consumption" if consumption else "Self-sufficiency") + f", {boundary}",
        group="energy",
        formula="(G - X) / G" if consumption else "(G - X) / (G - X + I)",
        sign="positive; more is more local use",
        boundary=boundary,
        missing="without generation" if consumption else "with neither generation nor import",
        sentence=(
            (
                "Share of the generated energy used inside the boundary"
                if consumption
                else "Share of the energy used inside the boundary that is generated there"
            )
            + "; exports of energy that a storage drew from the grid are left out of X."
        ),
        compute=compute,
        better="higher",
    )


ENERGY = (
    Kpi(
        name="homes_net_kwh",
        unit="kWh",
        label="Net energy of the homes",
        group="energy",
        formula="sum over homes and PTUs of h n",
        sign="positive: import",
        boundary="substation",
        missing="never",
        sentence="Energy that all homes draw less what they feed in.",
        compute=lambda case: float(case.net_kw.sum(axis=0).sum() * case.hours),
    ),
    Kpi(
        name="other_net_kwh",
        unit="kWh",
        label="Net energy of other participants",
        group="energy",
        formula="sum over participants that are no homes and PTUs of h n",
        sign="positive: import",
        boundary="substation",
        missing="never; 0 where there are none",
        sentence="Energy that larger plants and charging stations draw less what they feed in.",
        compute=lambda case: float(case.other_kw.sum() * case.hours),
    ),
    Kpi(
        name="grid_net_kwh",
        unit="kWh",
        label="Net energy through the transformer",
        group="energy",
        formula="sum over PTUs of h P_HV",
        sign="positive: import",
        boundary="substation",
        missing="when the power flow was not run or a PTU did not converge",
        sentence="Energy drawn from the grid above: the connections' net energy and all losses.",
        compute=_grid_net_kwh,
    ),
    Kpi(
        name="energy_import_kwh",
        unit="kWh",
        label="Imported by homes",
        group="energy",
        formula="sum over homes and PTUs of h max(n, 0)",
        sign="positive: import",
        boundary="home",
        missing="never",
        sentence="Energy drawn at the connection points.",
        compute=lambda case: _homes_energy(case).imported_kwh,
    ),
    Kpi(
        name="energy_export_kwh",
        unit="kWh",
        label="Exported by homes",
        group="energy",
        formula="sum over homes and PTUs of h max(-n, 0)",
        sign="positive: export",
        boundary="home",
        missing="never",
        sentence="Energy fed in at the connection points.",
        compute=lambda case: _homes_energy(case).exported_kwh,
    ),
    Kpi(
        name="generation_kwh",
        unit="kWh",
        label="Generated",
        group="energy",
        formula="sum over homes and PTUs of h times power of PV, wind and micro-CHP, not curtailed",
        sign="positive: generation",
        boundary="home",
        missing="never",
        sentence="Energy from PV, wind turbines and micro-CHP.",
        compute=lambda case: _homes_energy(case).generated_kwh,
    ),
    *(
        _own_use(what, boundary, within)
        for boundary, within in (
            ("home", _homes_energy),
            ("community", community_energy),
            ("substation", substation_energy),
        )
        for what in ("self_consumption", "self_sufficiency")
    ),
    *compared(
        "flexibility_activated",
        "kwh",
        label="Flexibility activated",
        group="energy",
        formula="1/2 sum over homes and PTUs of h |n - n_ref|",
        sign="positive",
        boundary="home",
        sentence="Energy moved from one time to another, counted once.",
        compare=_activated_kwh,
    ),
    *compared(
        "homes_changed",
        "count",
        label="Homes whose day changed",
        group="energy",
        formula="number of homes with flexible assets with max |n - n_ref| > 1 W",
        sign="positive",
        boundary="home",
        sentence="Homes with flexible assets that use power at other times.",
        compare=lambda ref, case: float(_changed(ref, case)[0]),
    ),
    *compared(
        "homes_changed",
        "percent",
        label="Share of homes whose day changed",
        group="energy",
        formula="homes changed / homes with flexible assets",
        sign="positive",
        boundary="home",
        sentence="The same as a share of the homes with flexible assets.",
        compare=lambda ref, case: 100.0 * ratio(*map(float, _changed(ref, case))),
        missing="without homes with flexible assets",
    ),
    Kpi(
        name="curtailed_kwh",
        unit="kWh",
        label="Curtailed",
        group="energy",
        formula="sum over homes and PTUs of h |base + generation + devices - n|",
        sign="positive",
        boundary="home",
        missing="never",
        sentence=(
            "Import and feed-in that connections had to give up because there was not enough "
            "flexibility to buy; moved energy and settlement count them as if they had not."
        ),
        compute=_curtailed_kwh,
        better="lower",
    ),
)
"""KPIs of energy."""
