"""The congestion and losses studies from end to end, on a small grid and by a plain loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mas2sim.cosim import run_world
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.typical_day import Level
from mas2sim.results.study_result import StudyResult
from mas2sim.scenario import compose_case
from mas2sim.scenario.build import build_setup
from mas2sim.study.congestion import congestion_study
from mas2sim.study.grid_days import day_levels
from mas2sim.study.losses import losses_study
from mas2sim.study.typical_year import DESIGN_DAYS, YearDay, run_days, typical_year

PROFILES = Path(__file__).resolve().parents[2] / "profiles"
SAME = 1e-9
"""Two ways of adding up the same figures."""
FLOW_KW = 1e-6
"""The same flow solved in another batch."""
LEVELS = (Level.BASELINE, Level.UC1)
LOW_BAND = ("grid.voltage_max_v=249",)
"""Below what the transformer gives without load, so that there is something to find."""


def some_days() -> list[YearDay]:
    wanted = ("winter weekday, cloudy", "summer weekday, sunny")
    return [day for day in typical_year(PROFILES) if day.name in wanted]


@pytest.fixture(scope="module")
def found(tiny_data: Path) -> StudyResult:
    days = [*some_days(), DESIGN_DAYS[1]]
    return congestion_study(LOW_BAND, levels=LEVELS, days=days, data=tiny_data)


def test_a_study_finds_what_it_should_and_says_where(found: StudyResult) -> None:
    names = [table.name for table in found.tables]
    assert names == [
        "summary",
        "assets",
        "nodes",
        "remedies",
        "days",
        "regimes",
        "reverse",
        "duration",
    ]
    nodes = found.table("nodes").frame
    assert (nodes["hours_high"] > 0).any()
    remedies = found.table("remedies").frame
    taps = remedies[remedies["remedy"] == "tap"]
    assert taps["after"].tolist() == ["position +1"] * 2
    total = remedies[remedies["remedy"] == "all of it"]
    assert (total["hours_left"] == 0.0).all()
    assert (total["hours_before"] > 0.0).all()
    assert not found.failures


def test_the_map_has_the_worst_day_and_the_design_days_at_each_level(found: StudyResult) -> None:
    assert [day.name for day in found.days] == [
        f"{day}, {level}"
        for day in ("summer weekday, sunny", "clear summer Sunday")
        for level in ("baseline", "uc1")
    ]
    assert found.layout is not None
    assert found.days[0].loading_percent.shape == (96, len(found.layout.branches))
    assert np.isnan(found.days[0].high_v[:, 0]).all()


@pytest.mark.slow
def test_the_same_study_gives_the_same_tables(found: StudyResult, tiny_data: Path) -> None:
    days = [*some_days(), DESIGN_DAYS[1]]
    again = congestion_study(LOW_BAND, levels=LEVELS, days=days, data=tiny_data)
    for one, other in zip(found.tables, again.tables, strict=True):
        pd.testing.assert_frame_equal(one.frame, other.frame, check_exact=True)


def test_powers_by_connection_give_the_recorded_flow_again(tiny_data: Path) -> None:
    """Participants with several points behind one meter, too."""
    overrides = ["participants=[{name: depot, kind: charging_station, points: 3}]"]
    (run,) = run_days(some_days()[:1], overrides, levels=LEVELS, data=tiny_data)
    for day in day_levels(run):
        assert day.p_kw.shape[1] == len(run.record.homes) + 3
        state = run.setup.flow.solve(day.p_kw, day.q_kvar)
        assert state.import_kw == pytest.approx(day.state.import_kw, abs=FLOW_KW)


def test_levels_and_overrides_are_checked_before_anything_is_run(tiny_data: Path) -> None:
    with pytest.raises(ConfigurationError, match="levels"):
        congestion_study([], levels=(), data=tiny_data)
    with pytest.raises(ConfigurationError, match="levels"):
        losses_study([], levels=(Level.UC1, Level.UC1), data=tiny_data)
    with pytest.raises(ConfigurationError, match="set by the study"):
        losses_study(["weather=sunny"], data=tiny_data)


def test_losses_from_end_to_end(tiny_data: Path) -> None:
    study = losses_study([], levels=LEVELS, days=some_days(), data=tiny_data)
    rows = study.table("losses").frame.set_index("level")
    reach = study.table("reach").frame.set_index("level")
    assert (rows["total_kwh"] > 0).all()
    assert (reach["reach_total_percent"] > 0).all()
    assert (reach["flat_variable_kwh"] < reach["variable_kwh"]).all()
    assert len(study.table("marginal_ptu").frame) == 2 * 2 * 96
    assert study.table("marginal").frame["slope"].between(-0.2, 0.2).all()


@pytest.mark.slow
def test_cardiff_by_a_plain_loop() -> None:
    """Each figure added up again PTU by PTU, with nothing of the studies but the days."""
    days = [day for day in typical_year(PROFILES) if day.choice("day") == "weekday"][::2]
    study = congestion_study(levels=LEVELS, days=days)
    lost = losses_study(levels=LEVELS, days=days)
    for level in LEVELS:
        high_h = dict.fromkeys(range(1000), 0.0)
        back_kwh = total_kwh = delivered_kwh = 0.0
        for day in days:
            case = compose_case([*day.overrides, "levels=[baseline,uc1]"])
            record = run_world(build_setup(case)[0]).record
            at, state = record.levels.index(level), record.grid[level]
            for ptu in range(96):
                hours = 0.25 * day.days
                back_kwh += hours * max(-state.import_kw[ptu], 0.0)
                total_kwh += hours * (
                    state.loss_line_kw[ptu]
                    + state.loss_transformer_load_kw[ptu]
                    + state.loss_transformer_no_load_kw[ptu]
                )
                delivered_kwh += hours * sum(max(p, 0.0) for p in record.net_kw[at, :, ptu])
                for bus, volts in enumerate(state.vm_pu[ptu] * 400.0 / 3**0.5):
                    known = [volt for volt in volts if volt == volt]
                    if record.layout.buses[bus].vn_kv < 1.0 and max(known) > 253.0:
                        high_h[bus] += hours
        nodes = study.table("nodes").frame
        nodes = nodes[nodes["level"] == level.value].set_index("node")["hours_high"]
        for bus, place in enumerate(record.layout.buses):
            if place.name in nodes.index:
                assert nodes[place.name] == pytest.approx(high_h[bus], abs=SAME)
        reverse = study.table("reverse").frame
        row = reverse[(reverse["level"] == level.value) & (reverse["kind"] == "substation")].iloc[0]
        assert row["energy_kwh"] == pytest.approx(back_kwh, rel=1e-6)
        losses = lost.table("losses").frame.set_index("level").loc[level.value]
        assert losses["total_kwh"] == pytest.approx(total_kwh, rel=SAME)
        assert losses["delivered_kwh"] == pytest.approx(delivered_kwh, rel=SAME)


@pytest.mark.parametrize("study", [congestion_study, losses_study])
def test_days_without_any_weight_and_all_substations_at_once_are_refused(
    study: Callable[..., StudyResult],
) -> None:
    with pytest.raises(ConfigurationError, match="days: found design days alone"):
        study(days=DESIGN_DAYS)

    def never(stage: str, _done: int, _total: int) -> None:
        raise AssertionError(stage)

    with pytest.raises(ConfigurationError, match="substation: found all") as error:
        study(["substation=all"], progress=never)
    assert len(error.value.faults) == 1
