"""A year of congestion by hand: hours, energies, worst values, bands, what was not solved."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.grid_state import Branch
from mas2sim.domain.limits import Regime
from mas2sim.study.congestion_limits import (
    EXPORT,
    FEEDER,
    HIGH_V,
    IMPORT,
    LINE,
    LOW_V,
    UNIT,
    ratings_kva,
)
from mas2sim.study.congestion_overview import (
    days_table,
    duration_table,
    regimes_table,
    reverse_table,
    substation_reverse,
    summary_table,
)
from mas2sim.study.congestion_tables import assets_table, nodes_table, percentiles
from mas2sim.study.congestion_voltage import EN_95, EN_ALL, NATIONAL, band_shares, year_shares
from mas2sim.study.congestion_year import LevelYear
from mas2sim.study.duration import not_exceeded
from mas2sim.study.grid_days import DayLevel

ROUNDING = 1e-9


def gathered(*days: DayLevel) -> LevelYear:
    year = LevelYear.begin(days[0])
    for day in days:
        year.add(day)
    return year


def of_kind(year: LevelYear, kind: str):  # type: ignore[no-untyped-def]
    found = year.year_of(kind)
    assert found is not None
    return found


@pytest.fixture
def loaded(small: ModuleType) -> LevelYear:
    """300 days with two hours above the rating of the first line, 65 with one, a design day."""
    common = small.hand_day(
        small.year_day(300.0), loading={18: (90.0, 110.0, 60.0), 19: (80.0, 130.0, 100.0)}
    )
    rare = small.hand_day(small.year_day(65.0, "summer"), loading={12: (101.0, 120.0, 70.0)})
    design = small.hand_day(small.year_day(0.0), loading={7: (150.0, 160.0, 170.0)})
    return gathered(common, rare, design)


def test_hours_energy_and_worst_of_a_year_by_hand(loaded: LevelYear) -> None:
    line = of_kind(loaded, LINE)
    assert line.hours == pytest.approx([300.0 * 2 + 65.0, 0.0])
    rating_kva = np.sqrt(3.0) * 0.4 * 100.0
    beyond_kvah = rating_kva * (300.0 * (0.1 + 0.3) + 65.0 * 0.2)
    assert line.beyond == pytest.approx([beyond_kvah, 0.0])
    value, day, ptu = line.worst(design=False)
    assert (value.tolist(), day.tolist(), ptu.tolist()) == ([130.0, 100.0], [0, 0], [19, 19])
    unit = of_kind(loaded, UNIT)
    assert unit.hours == pytest.approx([65.0])
    assert unit.beyond == pytest.approx([65.0 * 0.01 * 100.0])
    assert loaded.hours_beyond() == pytest.approx(665.0)


def test_a_design_day_is_in_no_sum_and_has_worst_values_of_its_own(loaded: LevelYear) -> None:
    value, day, _ = of_kind(loaded, UNIT).worst(design=True)
    assert value == pytest.approx([150.0])
    assert day.tolist() == [2]
    assert of_kind(loaded, UNIT).worst(design=False)[0] == pytest.approx([101.0])
    table = assets_table([loaded]).frame
    line = table[(table["kind"] == LINE) & (table["asset"] == "first")].iloc[0]
    assert line["design_worst"] == pytest.approx(160.0)
    assert line["worst_at"].endswith("19:00")


def test_a_feeder_is_its_first_line_and_longest_above_comes_first(loaded: LevelYear) -> None:
    feeder = of_kind(loaded, FEEDER)
    assert feeder.limit.assets == ("north",)
    assert feeder.hours == pytest.approx([665.0])
    table = assets_table([loaded]).frame
    assert table["hours_above"].is_monotonic_decreasing
    assert set(table["asset"].head(2)) == {"first", "north"}


def test_sums_of_the_connections_against_the_operating_limits(small: ModuleType) -> None:
    power = np.zeros(24)
    power[[8, 9, 12]] = [120.0, 100.0, -60.0]
    year = gathered(small.hand_day(small.year_day(365.0), p_kw=power))
    assert of_kind(year, IMPORT).hours == pytest.approx([365.0])
    assert of_kind(year, IMPORT).beyond == pytest.approx([365.0 * 20.0])
    assert of_kind(year, EXPORT).hours == pytest.approx([365.0])
    assert of_kind(year, EXPORT).beyond == pytest.approx([365.0 * 10.0])
    assert year.hours_beyond() == 0.0


def test_voltage_in_volt_hours_and_shares_of_time(small: ModuleType) -> None:
    high = small.hand_day(small.year_day(300.0), volts={12: 254.0, 13: 255.0})
    low = small.hand_day(small.year_day(65.0, "summer"), volts={18: 210.0, 19: 200.0, 20: 190.0})
    year = gathered(high, low)
    assert of_kind(year, HIGH_V).hours == pytest.approx([0.0, 0.0, 600.0])
    assert of_kind(year, HIGH_V).beyond == pytest.approx([0.0, 0.0, 300.0 * 3.0])
    assert of_kind(year, LOW_V).beyond == pytest.approx([0.0, 0.0, 65.0 * (6.2 + 16.2 + 26.2)])
    shares = year_shares(year.days, year.bands)
    bus = 3
    assert shares.year[NATIONAL, bus] == pytest.approx(
        (300.0 * 22 / 24 + 65.0 * 21 / 24) / 365.0, abs=ROUNDING
    )
    # 210 V is outside the national band and inside +-10 %; 200 V only inside -15 %.
    assert year.bands[1][[EN_95, EN_ALL], bus] == pytest.approx([22 / 24, 23 / 24])
    assert shares.worst_day[NATIONAL, bus] == pytest.approx(21 / 24)
    assert np.isnan(shares.year[:, 0]).all()
    lowest = nodes_table([year]).frame.iloc[0]
    assert (lowest["node"], lowest["en_50160"]) == ("b", "not kept")


def test_a_week_of_en_50160_by_hand(small: ModuleType) -> None:
    """Nine hours at 200 V on a Saturday are 9/168 of a week: 94.6 %, which is not enough."""

    def week(hours: int) -> list[DayLevel]:
        return [
            small.hand_day(small.year_day(5.0)),
            small.hand_day(
                small.year_day(1.0, day="saturday"), volts=dict.fromkeys(range(hours), 200.0)
            ),
            small.hand_day(small.year_day(1.0, day="sunday")),
        ]

    for hours, kept in ((8, True), (9, False)):
        days = week(hours)
        shares = year_shares([day.day for day in days], [band_shares(day) for day in days])
        assert shares.worst_week[EN_95, 3] == pytest.approx(1.0 - hours / 168.0)
        assert shares.worst_week[EN_ALL, 3] == pytest.approx(1.0)
        assert shares.en_50160[3] is kept


def test_what_was_not_solved_is_counted_and_never_kept(small: ModuleType) -> None:
    day = small.hand_day(small.year_day(365.0), loading={5: (10.0, 120.0, 10.0)}, lost=(17, 18, 19))
    year = gathered(day)
    assert year.not_solved_h == pytest.approx(365.0 * 3)
    assert of_kind(year, LINE).hours == pytest.approx([365.0, 0.0])
    assert of_kind(year, LINE).worst(design=False)[0] == pytest.approx([120.0, 10.0])
    assert year.bands[0][:, 3] == pytest.approx([21 / 24] * 3)
    assert np.isnan(percentiles(year, (0.95,))[LINE]).all()
    row = summary_table([year]).frame.set_index("figure").loc["Power flow not solved"]
    assert row["baseline"] == pytest.approx(1095.0)
    assert (nodes_table([year]).frame["not_solved_hours"] == 1095.0).all()


def test_a_day_without_any_solution_has_no_worst_value(small: ModuleType) -> None:
    year = gathered(small.hand_day(small.year_day(365.0), lost=tuple(range(24))))
    assert np.isnan(of_kind(year, UNIT).worst(design=False)[0]).all()
    assert year.bands[0][:, 3] == pytest.approx([0.0] * 3)
    frame = assets_table([year]).frame
    assert (frame.loc[frame["kind"] == UNIT, "worst_at"] == "").all()


def test_reverse_flow_by_hand(small: ModuleType) -> None:
    power = np.full(24, 5.0)
    power[[12, 13]] = [-8.0, -0.05]
    year = gathered(small.hand_day(small.year_day(100.0), p_kw=power))
    # At the HV side 0.1 kW are lost, so that 0.05 kW of feed-in do not come through.
    back = substation_reverse(year)
    assert (back.hours, back.energy_kwh, back.greatest_kw) == pytest.approx((100.0, 790.0, 7.9))
    feeder = reverse_table([year]).frame.set_index("asset").loc["north"]
    assert feeder["hours"] == pytest.approx(200.0)
    assert feeder["energy_kwh"] == pytest.approx(805.0)


def test_regimes_by_weight_and_design_days_apart(small: ModuleType) -> None:
    year = gathered(
        small.hand_day(small.year_day(365.0), regimes={18: Regime.YELLOW, 19: Regime.ORANGE}),
        small.hand_day(small.year_day(0.0), regimes={18: Regime.RED}),
    )
    table = regimes_table([year]).frame
    of_year, of_day = table.iloc[0], table.iloc[1]
    assert of_year[["green_h", "yellow_h", "orange_h", "red_h"]].tolist() == [
        365.0 * 22,
        365.0,
        365.0,
        0.0,
    ]
    assert of_day["red_h"] == 1.0
    assert days_table([year]).frame.loc[0, "regime_worst"] == "red"


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), min_size=1, max_size=30).filter(
        lambda pairs: any(hours for _, hours in pairs)
    ),
    st.floats(0.0, 1.0),
)
def test_percentiles_are_those_of_values_written_out(
    pairs: list[tuple[int, int]], share: float
) -> None:
    values = np.array([[float(value)] for value, _ in pairs])
    hours = np.array([float(hours) for _, hours in pairs])
    written = sorted(value for value, times in pairs for _ in range(times))
    enough = [k for k in range(len(written)) if (k + 1) / len(written) >= share - 1e-9]
    assert not_exceeded(values, hours, share)[0] == written[enough[0]]


def test_duration_curve_begins_with_the_greatest_and_falls(loaded: LevelYear) -> None:
    frame = duration_table([loaded]).frame
    unit = frame[frame["kind"] == UNIT]["loading_percent"].tolist()
    assert unit[0] == 101.0
    assert unit == sorted(unit, reverse=True)
    # 365 of 8,760 hours are above 10 %: 300 at 90, 300 at 80, 65 at 101.
    five_percent = frame[(frame["kind"] == UNIT) & (frame["exceeded_percent"] == 5.0)]
    assert five_percent["loading_percent"].tolist() == [80.0]


def test_a_week_without_weekends_is_the_week_that_there_is(small: ModuleType) -> None:
    """A study of weekdays alone: what they keep is kept, not five sevenths of it."""
    day = small.hand_day(small.year_day(365.0), volts={3: 200.0})
    shares = year_shares([day.day], [band_shares(day)])
    assert shares.worst_week[EN_95, 3] == pytest.approx(23 / 24)
    assert shares.worst_week[EN_ALL, 3] == pytest.approx(1.0)
    assert shares.en_50160[2:] == [True, True]


@pytest.mark.parametrize(("by_phase", "kva"), [(True, 23.0), (False, 69.0)])
def test_a_service_of_one_phase_carries_a_third(
    small: ModuleType, *, by_phase: bool, kva: float
) -> None:
    """100 A at 230 V are 23 kVA; a balanced flow takes them for three phases."""
    unit, main, _ = small.LAYOUT.branches
    service = Branch("second", "service", "a", "b", 100.0, 5.0, "north")
    buses = tuple(replace(bus, vn_kv=0.23 * 3**0.5) for bus in small.LAYOUT.buses)
    layout = replace(
        small.LAYOUT, buses=buses, branches=(unit, main, service), home_phase=("abc", "b")
    )
    assert ratings_kva(layout, by_phase=by_phase) == pytest.approx([100.0, 69.0, kva])
