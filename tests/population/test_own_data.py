"""Own data: what is read, and that every fault is found and named."""

import numpy as np
import pytest

from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TYPICAL_DAYS
from mas2sim.population import OwnData, SmartScenario

from .population_samples import population

EXACT = 1e-9
"""Fitted sums; see the tests of diversification."""
HOMES = 4
NOTHING = SmartScenario("nothing", 0, 0, 0, 0, 0, 0)


def write(path, header, rows):
    lines = [",".join(header), *(",".join(str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def annual(tmp_path):
    rows = [(f"meter_{k}", 2000 + 500 * k) for k in range(HOMES)]
    return write(tmp_path / "annual.csv", ["home", "annual_kwh"], rows)


def average_rows(steps=24):
    return [
        (day.season, day.day_type, ptu, 0.3 + 0.2 * (ptu >= steps * 2 // 3))
        for day in TYPICAL_DAYS
        for ptu in range(steps)
    ]


AVERAGE = ["season", "day_type", "ptu", "p_kw"]


def faults(**own):
    with pytest.raises(ConfigurationError) as caught:
        population(homes=HOMES, own_data=OwnData(**own))
    return [str(fault) for fault in caught.value.faults]


def test_annual_energy_names_and_scales_the_homes(annual):
    found = population(homes=HOMES, own_data=OwnData(annual_energy=annual))
    assert [home.name for home in found.homes] == [f"meter_{k}" for k in range(HOMES)]
    assert [home.annual_kwh for home in found.homes] == [2000, 2500, 3000, 3500]


def test_average_profiles_set_the_shape(tmp_path):
    own = OwnData(average_profiles=write(tmp_path / "mean.csv", AVERAGE, average_rows()))
    found = population(homes=HOMES, own_data=own, smart=NOTHING, horizon=Horizon(60))
    mean = np.mean([home.base_kw for home in found.homes], axis=0)
    wanted = np.where(np.arange(24) >= 16, 0.5, 0.3)
    # Level by the mean annual energy, shape by the file.
    np.testing.assert_allclose(mean, wanted * 3300 / (wanted.sum() * 365), rtol=EXACT)


@pytest.mark.parametrize("clock", ["ptu", "time"])
def test_measured_profile_replaces_the_load(tmp_path, clock):
    times = [k if clock == "ptu" else f"{k // 2:02d}:{k % 2 * 30:02d}" for k in range(48)]
    rows = [("h002", time, 0.1 + 0.01 * k) for k, time in enumerate(times)]
    path = write(tmp_path / "measured.csv", ["home", clock, "p_kw"], rows)
    own = OwnData(measured_profiles=path)
    found = population(homes=HOMES, own_data=own, smart=NOTHING, horizon=Horizon(30))
    made = population(homes=HOMES, smart=NOTHING, horizon=Horizon(30))
    np.testing.assert_allclose(found.homes[1].base_kw, 0.1 + 0.01 * np.arange(48), rtol=EXACT)
    np.testing.assert_array_equal(found.homes[0].base_kw, made.homes[0].base_kw)


def test_parquet_is_read_as_csv_is(tmp_path, annual):
    import pyarrow as pa
    from pyarrow import parquet

    names = [f"meter_{k}" for k in range(HOMES)]
    table = pa.table({"home": names, "annual_kwh": [2000.0, 2500.0, 3000.0, 3500.0]})
    parquet.write_table(table, tmp_path / "annual.parquet")
    own = OwnData(annual_energy=tmp_path / "annual.parquet")
    one = population(homes=HOMES, own_data=own)
    other = population(homes=HOMES, own_data=OwnData(annual_energy=annual))
    for left, right in zip(one.homes, other.homes, strict=True):
        assert left.name == right.name
        np.testing.assert_array_equal(left.base_kw, right.base_kw)


ALLOCATION = ["home", "device", "rated_kwp", "capacity_kwh", "offered"]


def test_allocation_says_who_owns_what(tmp_path):
    rows = [
        ("h001", "pv", 5.5, "", ""),
        ("h001", "battery", "", 10, "no"),
        ("h003", "ev", "", 40, "yes"),
        ("h003", "washing_machine", "", "", "yes"),
    ]
    path = write(tmp_path / "who.csv", ALLOCATION, rows)
    homes = population(homes=HOMES, own_data=OwnData(allocation=path)).homes
    assert [set(home.owns) for home in homes] == [
        {"pv", "battery"},
        set(),
        {"ev", "washing_machine"},
        set(),
    ]
    assert homes[0].pv.rated_kwp == 5.5
    assert homes[0].battery.capacity_kwh == 10
    assert homes[2].ev.capacity_kwh == 40
    assert [set(home.offered) for home in homes] == [set(), set(), {"ev", "washing_machine"}, set()]


def test_faults_of_all_files_come_together(tmp_path):
    found = faults(
        average_profiles=write(tmp_path / "mean.csv", ["season", "ptu", "p_w"], [("winter", 0, 3)]),
        annual_energy=write(tmp_path / "annual.csv", ["home", "annual_mwh"], [("h1", 3)]),
        measured_profiles=tmp_path / "nowhere.csv",
        allocation=write(tmp_path / "who.csv", ["home", "device"], [("h001", "fridge")]),
    )
    text = "\n".join(found)
    for words in ("a column day_type", "divide by 1000", "multiply by 1000", "no such file"):
        assert words in text
    assert "who.csv, line 2: found unknown device 'fridge'" in text


def test_annual_energy_faults_name_the_lines(tmp_path):
    rows = [("a", 3000), ("a", -5), ("b", "nan"), ("", 4e6), ("c", 100)]
    found = faults(annual_energy=write(tmp_path / "annual.csv", ["home", "annual_kwh"], rows))
    text = "\n".join(found)
    assert "lines 2, 3: found home a more than once" in text
    assert "line 3: found annual_kwh too small" in text
    assert "line 4: found annual_kwh no number" in text
    assert "line 5: found annual_kwh too large" in text
    assert "kWh, not Wh" in text
    assert "line 5: found no home" in text
    assert "5 homes; allowed: 4 homes" in text


def test_average_profile_faults(tmp_path):
    rows = [row for row in average_rows() if not (row[0] == "autumn" and row[1] == "sunday")]
    rows[3] = (*rows[3][:3], "")
    rows[5] = ("monsoon", *rows[5][1:])
    del rows[30]
    rows.append(rows[40])
    text = "\n".join(faults(average_profiles=write(tmp_path / "mean.csv", AVERAGE, rows)))
    assert "line 5: found p_kw no number" in text
    assert "unknown season 'monsoon'" in text
    assert "1 missing: PTU 6" in text
    assert "1 duplicate" in text
    assert "nothing for autumn sunday" in text


def test_wrong_number_of_ptus_is_refused(tmp_path):
    rows = [("h001", ptu, 1) for ptu in range(1, 97)]
    path = write(tmp_path / "measured.csv", ["home", "ptu", "p_kw"], rows)
    (text,) = faults(measured_profiles=path)
    assert "97 PTUs in a day" in text
    assert "count PTUs from 0" in text


def test_ptu_before_midnight_is_refused(tmp_path):
    rows = [("h001", ptu, 1) for ptu in range(-1, 96)]
    path = write(tmp_path / "measured.csv", ["home", "ptu", "p_kw"], rows)
    (text,) = faults(measured_profiles=path)
    assert "line 2: found ptu too small" in text


def test_measured_faults(tmp_path):
    good = [("h001", f"{k // 4:02d}:{k % 4 * 15:02d}", 1) for k in range(96)]
    gap = [("h002", *row[1:]) for row in good if row[1] != "10:00"]
    watts = [("h003", row[1], 700) for row in good]
    odd = [("h004", "25:99", 1), ("h004", "10:07", 1), ("h999", "10:00", 1)]
    path = write(tmp_path / "m.csv", ["home", "time", "p_kw"], [*good, *gap, *watts, *odd])
    text = "\n".join(faults(measured_profiles=path))
    assert "p_kw too large, first '700'" in text
    assert "give kW, not W" in text
    assert "time '25:99'" in text
    assert "unknown home 'h999'" in text


def test_gap_in_one_home_is_named(tmp_path):
    rows = [
        (home, ptu, 1)
        for home in ("h001", "h002")
        for ptu in range(96)
        if (home, ptu) != ("h002", 40)
    ]
    (text,) = faults(measured_profiles=write(tmp_path / "m.csv", ["home", "ptu", "p_kw"], rows))
    assert "m.csv, h002: found 1 missing: PTU 40" in text


def test_allocation_faults(tmp_path):
    rows = [
        ("h001", "pv", -3, "", ""),
        ("h001", "pv", 3, "", ""),
        ("h002", "ev", 3, "", ""),
        ("h003", "battery", "", "", "maybe"),
        ("h003", "wind", "", "", "yes"),
        ("h077", "ev", "", "", ""),
    ]
    path = write(tmp_path / "who.csv", ALLOCATION, rows)
    text = "\n".join(faults(allocation=path))
    for words in (
        "rated_kwp '-3'",
        "h001 pv more than once",
        "rated_kwp for ev",
        "offered 'maybe'",
        "wind that is offered",
        "unknown home 'h077'",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", b"", "ending '.xlsx'"),
        ("a.csv", b"\xff\xfe\x00\xff", "cannot be read"),
        ("a.csv", b"", "it is empty"),
        ("a.parquet", b"not parquet", "cannot be read"),
        ("a.csv", b"home;annual_kwh\nh1;3,5\n", "a column home"),
        ("a.csv", b"home,annual_kwh\nh1,3,5\n", "line 2: found 3 cells"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    assert words in "\n".join(faults(annual_energy=path))
