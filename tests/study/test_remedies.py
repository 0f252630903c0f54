"""Reinforcement on grids overloaded on purpose, each remedy solved again; prices and annuity."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.grid_state import Bus
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import Regime
from mas2sim.domain.typical_day import Level
from mas2sim.grid import (
    Connection,
    Line,
    Network,
    Source,
    Substation,
    Transformer,
    VectorGroup,
    connect,
    power_flow,
)
from mas2sim.study.congestion_year import LevelYear
from mas2sim.study.grid_days import DayLevel
from mas2sim.study.reinforcement import relaid, sections, tapped, way_to, with_lines
from mas2sim.study.remedies import remedies_table
from mas2sim.study.remedy_prices import RemedyKit, RemedyTerms, read_remedy_kit
from mas2sim.study.remedy_search import RemedySearch
from mas2sim.study.typical_year import YearDay

GRIDS = Path(__file__).resolve().parents[2] / "grids"
HOURLY = Horizon(60)
WINTER = ("season=winter", "day=weekday", "weather=cloudy")
BAND_V = (216.2, 253.0)
STRETCH_M = 240.0


@pytest.fixture(scope="module")
def kit() -> RemedyKit:
    return read_remedy_kit(GRIDS)


def street(
    kit: RemedyKit, *, cables: tuple[str, ...], length_m: float, rating: float
) -> Substation:
    """A 400/230 V street with one three-phase connection at the end of each stretch of main."""
    types = {cable.cable: cable for cable in kit.cables}
    buses = [Bus("hv", 10.0, 0, 0), Bus("lv", 0.4, 0, 0)]
    lines = []
    for number, name in enumerate(cables):
        end = f"n{number}"
        buses.append(Bus(end, 0.4, float("nan"), float("nan")))
        bare = Line(f"l{number}", buses[-2].name, end, length_m, 1.0, 1.0, 1.0, kind="line")
        lines.append(relaid(bare, types[name]))
    unit = Transformer(
        "unit",
        "hv",
        "lv",
        rating,
        rating,
        10.0,
        0.4,
        VectorGroup.parse("Dyn5"),
        4.0,
        1.0,
        0.5,
        0.2,
        tap_step_percent=2.5,
    )
    network = Network("street", tuple(buses), tuple(lines), (unit,), (Source("hv", 1.0),))
    homes = [Connection(f"h{k}", f"n{k}") for k in range(len(cables))]
    return connect(network, homes)


def year_of(
    substation: Substation, profile_kw: np.ndarray, shares: tuple[float, ...] | None = None
) -> LevelYear:
    """A year of one typical day, with the profile at every connection or some share of it."""
    power = np.outer(profile_kw, shares or np.ones(len(substation.homes)))
    state = power_flow(substation, unbalanced=False).solve(power, np.zeros_like(power))
    day = DayLevel(
        YearDay("winter weekday, cloudy", WINTER, 365.0),
        Level.BASELINE,
        HOURLY,
        substation.layout,
        substation.limits,
        state,
        power,
        np.zeros_like(power),
        (Regime.GREEN,) * 24,
        float("nan"),
    )
    year = LevelYear.begin(day)
    year.add(day)
    return year


def evening(peak_kw: float) -> np.ndarray:
    profile = np.full(24, 0.1 * peak_kw)
    profile[18:20] = peak_kw
    return profile


def searched(year: LevelYear, substation: Substation, kit: RemedyKit, **terms: float):  # type: ignore[no-untyped-def]
    search = RemedySearch(
        year,
        substation,
        kit,
        RemedyTerms(**terms),
        unbalanced=False,  # type: ignore[arg-type]
    )
    return search.reinforce()


def test_an_overloaded_line_and_all_thinner_before_it_are_relaid(kit: RemedyKit) -> None:
    cables = ("main_120_al", "main_185_al", "main_70", "main_70")
    substation = street(kit, cables=cables, length_m=20.0, rating=500.0)
    year = year_of(substation, evening(50.0))
    before, found, after = searched(year, substation, kit)
    # 200 kW are about 300 A at the beginning, 150 kW 225 A behind, 100 kW 150 A on the first 70.
    assert before.branch_percent[1] > 100.0
    assert before.branch_percent[3] < 100.0
    assert set(found.cables) == {0}
    rating = {cable.cable: cable.rating_a for cable in kit.cables}
    worst_a = before.branch_percent[1] / 100.0 * rating["main_120_al"]
    assert rating[found.cables[0]] >= 1.1 * worst_a
    assert not after.amiss(year.grid_limits).any()


def test_lines_upstream_thinner_than_the_new_cable_go_with_it(kit: RemedyKit) -> None:
    # 160 kW at the far end are some 230 A: too much for the 70 (205 A), not for the 95 (245 A)
    # before it; the next with a margin of 10 % is the 120 (280 A), and the 95 would be a neck.
    cables = ("main_300_al", "main_95_al", "main_70")
    substation = street(kit, cables=cables, length_m=20.0, rating=500.0)
    year = year_of(substation, evening(160.0), (0.0, 0.0, 1.0))
    before, found, after = searched(year, substation, kit)
    assert (before.branch_percent > 100.0).tolist() == [False, False, False, True]
    assert found.cables == {1: "main_120_al", 2: "main_120_al"}
    assert not after.amiss(year.grid_limits).any()


def test_a_load_beyond_the_largest_cable_is_named(kit: RemedyKit) -> None:
    substation = street(kit, cables=("main_70",), length_m=20.0, rating=500.0)
    year = year_of(substation, evening(320.0))
    _, found, after = searched(year, substation, kit)
    assert found.no_cable == (0,)
    assert after.amiss(year.grid_limits).any()


def test_a_transformer_is_exchanged_for_the_next_that_carries_the_worst_with_margin(
    kit: RemedyKit,
) -> None:
    substation = street(kit, cables=("main_300_al",), length_m=5.0, rating=250.0)
    year = year_of(substation, evening(270.0))
    before, found, after = searched(year, substation, kit, margin_percent=10.0)
    needed = 1.1 * 250.0 * before.branch_percent[0] / 100.0
    enough = [unit for unit in kit.units if unit.sn_kva >= needed and unit.vn_hv_kv == 10.0]
    assert found.units == {0: enough[0].transformer}
    unit = found.network.transformers[0]
    assert (unit.sn_kva, unit.vn_lv_kv) == (enough[0].sn_kva, 0.4)
    assert not after.amiss(year.grid_limits).any()


def test_a_tap_comes_before_cables_and_is_seen_to_do(kit: RemedyKit) -> None:
    substation = street(kit, cables=("main_185_al",) * 4, length_m=160.0, rating=500.0)
    year = year_of(substation, evening(35.0))
    before, found, after = searched(year, substation, kit)
    assert before.low_v.min() < BAND_V[0]
    assert found.tap_steps == -1.0
    assert not found.cables
    assert not after.amiss(year.grid_limits).any()
    flow = power_flow(connect(tapped(substation.network, -1.0), substation.homes), unbalanced=False)
    power = np.full((1, 4), 35.0)
    low_pu = flow.solve(power, np.zeros_like(power)).vm_pu[:, 1:].min()
    assert low_pu * 400.0 / np.sqrt(3.0) == pytest.approx(after.low_v.min(), abs=1e-9)


def test_an_overloaded_cable_does_not_keep_the_tap_from_mending_voltages(kit: RemedyKit) -> None:
    """The first main is overloaded, and the end of the street too low: one cable and one step."""
    cables = ("main_120_al", "main_185_al", "main_185_al", "main_185_al")
    feeble = street(kit, cables=cables, length_m=100.0, rating=500.0)
    low = replace(feeble.network, sources=(Source("hv", 0.99),))
    substation = connect(low, feeble.homes)
    year = year_of(substation, evening(105.0), (0.9, 0.0, 0.0, 1.0))
    before, found, after = searched(year, substation, kit)
    assert before.branch_percent[1] > 100.0
    assert float(before.low_v.min()) < BAND_V[0]
    # Cables alone would have to be laid all along the street.
    assert set(found.cables) == {0}
    assert found.tap_steps == -1.0
    assert not after.amiss(year.grid_limits).any()


def test_an_overload_is_mended_where_voltages_cannot_be(kit: RemedyKit) -> None:
    """Too high a voltage at every hour, with the tap where it has to stay, and a small unit."""
    weak = street(kit, cables=("main_300_al",), length_m=20.0, rating=250.0)
    high = replace(weak.network, sources=(Source("hv", 1.2),))
    substation = connect(high, weak.homes)
    year = year_of(substation, evening(270.0))
    before, found, after = searched(year, substation, kit, tap_steps=0)
    limits = year.grid_limits
    assert before.amiss(limits).all()
    assert after.amiss(limits).all()
    assert found.units
    assert float(before.unit_percent.max()) > 100.0 > float(after.unit_percent.max())


def test_cables_mend_what_no_tap_can(kit: RemedyKit) -> None:
    """Evenings too low and noons too high: whatever the tap, one of them stays amiss."""
    substation = street(kit, cables=("main_95_al",) * 3, length_m=STRETCH_M, rating=500.0)
    profile = np.full(24, 1.0)
    profile[18], profile[12] = 37.0, -37.0
    year = year_of(substation, profile)
    before, found, after = searched(year, substation, kit)
    assert before.high_v.max() > BAND_V[1]
    assert before.low_v.min() < BAND_V[0]
    assert found.cables
    assert not after.amiss(year.grid_limits).any()
    # Nothing is relaid that the table of costs would not show.
    table = remedies_table([year], substation, kit, RemedyTerms(), unbalanced=False).frame
    length_m = table.loc[table["remedy"] == "cable", "length_m"].sum()
    assert length_m == pytest.approx(STRETCH_M * len(found.cables))
    total = table[table["remedy"] == "all of it"].iloc[0]
    steps = table[table["remedy"].isin(["cable", "tap"])]
    assert total["cost_eur"] == pytest.approx(steps["cost_eur"].sum())
    assert total["annual_eur"] == pytest.approx(RemedyTerms().annuity(total["cost_eur"]))
    assert (total["hours_before"], total["hours_left"]) == (pytest.approx(730.0), 0.0)


def test_nothing_is_spent_on_what_cannot_be_mended(kit: RemedyKit) -> None:
    substation = street(kit, cables=("main_185_al",) * 3, length_m=600.0, rating=500.0)
    profile = np.full(24, 1.0)
    profile[18], profile[12] = 40.0, -40.0
    year = year_of(substation, profile)
    table = remedies_table([year], substation, kit, RemedyTerms(), unbalanced=False).frame
    total = table[table["remedy"] == "all of it"].iloc[0]
    assert "cable" not in set(table["remedy"])
    assert total["cost_eur"] == 0.0
    assert total["remark"] == "no reinforcement of this kind helps"
    assert total["hours_left"] == total["hours_before"] == pytest.approx(730.0)


def test_nothing_is_searched_for_where_nothing_is_amiss(kit: RemedyKit) -> None:
    substation = street(kit, cables=("main_300_al",), length_m=20.0, rating=500.0)
    table = remedies_table(
        [year_of(substation, evening(20.0))], substation, kit, RemedyTerms(), unbalanced=False
    ).frame
    assert table["remedy"].tolist() == ["none needed"]


def test_the_operating_limit_has_a_row_of_its_own(kit: RemedyKit) -> None:
    substation = street(kit, cables=("main_300_al",), length_m=5.0, rating=400.0)
    year = year_of(substation, evening(270.0))
    table = remedies_table([year], substation, kit, RemedyTerms(), unbalanced=False).frame
    row = table[table["for"] == "operating limit"].iloc[0]
    # 56 % of 400 kVA are 224 kW; 270 kW need 270 / 0.56 = 482 kVA.
    assert row["hours_before"] == pytest.approx(730.0)
    assert row["after"].startswith("630 kVA")


def test_annuity_by_hand() -> None:
    # 1.04^40 = 4.80102; 0.04 / (1 - 1 / 4.80102) = 0.0505235.
    assert RemedyTerms().annuity(1000.0) == pytest.approx(50.5235, abs=1e-3)
    assert RemedyTerms(rate_percent=0.0, life_a=20.0).annuity(1000.0) == pytest.approx(50.0)


def test_sections_are_stretches_of_one_cable_on_the_way(kit: RemedyKit) -> None:
    cables = ("main_300_al", "main_300_al", "main_95_al", "main_95_al")
    network = street(kit, cables=cables, length_m=20.0, rating=500.0).network
    assert way_to(network, "n3") == [0, 1, 2, 3]
    assert way_to(network, "n1") == [0, 1]
    assert way_to(network, "lv") == []
    assert sections(network, way_to(network, "n3")) == [(0, 1), (2, 3)]
    service = replace(network.lines[3], kind="service")
    assert sections(with_lines(network, {3: service}), [0, 1, 2, 3]) == [(0, 1), (2,)]


def test_all_faults_of_prices_and_terms_come_together(tmp_path: Path) -> None:
    shutil.copytree(GRIDS, tmp_path / "grids")
    path = tmp_path / "grids" / "remedies.csv"
    path.write_text(
        "remedy,item,eur,per,provenance\n"
        "cable,gold,1,m,x\n"
        "cable,main_70,-3,m,x\n"
        "transformer,fixed,12000,unit,\n"
        "transformer,fixed,12000,unit,x\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigurationError) as raised:
        read_remedy_kit(tmp_path / "grids")
    told = str(raised.value)
    for words in ("cable gold", "line 3, eur", "provenance", "again", "no price of tap visit"):
        assert words in told
    with pytest.raises(ConfigurationError, match="rate_percent") as raised:
        RemedyTerms(rate_percent=-1.0, life_a=0.0)
    assert len(raised.value.faults) == 2
    (tmp_path / "grids" / "remedies.csv").unlink()
    with pytest.raises(ConfigurationError, match="no such file"):
        read_remedy_kit(tmp_path / "grids")
