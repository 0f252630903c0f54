"""What is set reaches the world: each setting changes what it is meant to change."""

import numpy as np
import pytest

from mas2sim.cosim import CaseSetup, run_world
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.plan import PlanStatus, TieRule
from mas2sim.domain.typical_day import Level
from mas2sim.scenario import compose_case
from mas2sim.scenario.build import build_setup

PLAN_KW = 1e-5
"""The solver's row tolerance over the smallest efficiency and PTU."""


def setup(*overrides: str) -> CaseSetup:
    return build_setup(compose_case(overrides))[0]


def no_load_pu(of: CaseSetup) -> float:
    nothing = np.zeros((1, len(of.homes)))
    return float(np.nanmax(of.flow.solve(nothing, nothing).vm_pu))


def test_hv_voltage_and_tap_reach_the_flow() -> None:
    assert no_load_pu(setup("grid.hv_vm_pu=0.95")) == pytest.approx(
        0.95 * no_load_pu(setup()), rel=1e-3
    )
    assert no_load_pu(setup("grid.tap_pos=1")) == pytest.approx(
        no_load_pu(setup()) / 1.025, rel=1e-3
    )


def test_the_power_flow_is_by_phase_unless_asked_otherwise() -> None:
    load = np.ones((1, 184))
    for words, phases in ((("power_flow=unbalanced",), 3), (("power_flow=balanced",), 1)):
        assert setup(*words).flow.solve(load, 0 * load).vm_pu.shape[-1] == phases


def test_limits_and_band_reach_the_case() -> None:
    limits = setup(
        "grid.transformer_limit_kw=150",
        "grid.transformer_export_limit_kw=90",
        "grid.voltage_min_v=220",
        "grid.voltage_max_v=250",
    ).limits
    assert (limits.transformer_import_kw, limits.transformer_export_kw) == (150, 90)
    assert (limits.voltage_min_v, limits.voltage_max_v) == (220, 250)
    assert setup().limits.transformer_import_kw == pytest.approx(225)
    of_rating = setup("grid.transformer_limit_percent=56").limits
    assert of_rating.transformer_import_kw == pytest.approx(280)


def test_ties_gates_and_horizon_reach_the_case() -> None:
    made = setup("ties=earliest", "market.plan_hour=8", "market.gate_minutes=30", "ptu_minutes=30")
    assert made.ties is TieRule.EARLIEST
    assert (made.timetable.plan_s, made.timetable.gate_s) == (8 * 3600, 1800)
    assert made.horizon.ptus == 48
    assert len(made.homes[0].base_kw) == 48


def test_more_owners_than_the_scenarios_know_are_found() -> None:
    homes = setup("smart.pv_percent=60", "smart.any_percent=70").homes
    assert sum("pv" in home.owns for home in homes) == round(0.60 * 184)
    assert sum(bool(home.owns) for home in homes) == round(0.70 * 184)
    shipped = setup().homes
    for home, before in zip(homes, shipped, strict=True):
        assert before.owns <= home.owns


def test_faults_of_grid_communities_and_files_come_together(tmp_path) -> None:
    bad = tmp_path / "annual.csv"
    bad.write_text("home,annual_wh\nh001,3000\n")
    case = compose_case(["grid.tap_pos=9", "communities=500", f"population.annual_energy={bad}"])
    with pytest.raises(ConfigurationError) as caught:
        build_setup(case)
    found = {fault.where for fault in caught.value.faults}
    assert "grid.tap_pos" in found
    assert any("annual.csv" in where for where in found)


@pytest.mark.parametrize(
    "words",
    [
        ("season=winter",),
        ("season=summer", "weather=sunny", "flexibility=high", "day=sunday", "seed=3"),
        ("season=autumn", "tariff=dynamic", "ties=earliest", "power_flow=balanced"),
    ],
)
def test_plans_of_the_real_case_hold_in_the_plant(words: tuple[str, ...]) -> None:
    record = run_world(setup(*words)).record
    planned = np.array([[plan.net_kw for plan in record.plans[level]] for level in record.levels])
    np.testing.assert_allclose(record.net_kw, planned, atol=PLAN_KW)
    assert {plan.status for plan in record.plans[Level.UC1]} == {PlanStatus.OPTIMAL}
    assert (record.bill_eur[1] <= record.bill_eur[0] + 1e-8).all()


def test_random_ties_scatter_what_earliest_ties_herd() -> None:
    """At a flat night price every vehicle may charge at any time: random ones do not agree."""
    peaks = {}
    for rule in ("random", "earliest"):
        record = run_world(setup("flexibility=high", f"ties={rule}")).record
        charging = [place for place, (_, name) in enumerate(record.devices) if name == "ev"]
        peaks[rule] = (record.device_kw[1, charging] > 0).sum(axis=0).max()
    assert peaks["random"] < 0.85 * peaks["earliest"]
