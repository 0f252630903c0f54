"""The page of one home: complete in itself, and its figures are those of the files."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mas2sim.cli import main
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.typical_day import Level
from mas2sim.report import home_page_name, write_home_page
from mas2sim.report.home_page import account_rows, home_page, meter_quality, of_home, shifts
from mas2sim.report.kpi_view import number
from mas2sim.results import Result

EXACT = 1e-9
"""The same sums over the same stored numbers, in another order."""


def names_of(result: Result) -> list[str]:
    return [str(name) for name in result.series["home"].to_numpy()]


def test_a_home_alone_has_its_own_series_and_rows(reported: Any) -> None:
    for name in names_of(reported.result):
        own = of_home(reported.result, name)
        assert names_of(own) == [name]
        assert set(own.series["device_home"].to_numpy()) <= {name}
        assert set(own.homes["home"]) == {name}
        column = names_of(reported.result).index(name)
        np.testing.assert_array_equal(
            own.series["p_kw"].to_numpy()[:, :, 0],
            reported.result.series["p_kw"].to_numpy()[:, :, column],
        )


def test_the_account_is_what_the_table_of_homes_says(reported: Any) -> None:
    for name in names_of(reported.result):
        rows = {row.name: row.cells for row in account_rows(of_home(reported.result, name))}
        table = reported.result.homes.query("home == @name").set_index("level")
        for place, level in enumerate(reported.result.levels):
            home = table.loc[level]
            assert rows["Drawn from the grid"][place] == number(home["import_kwh"], "kWh")
            assert rows["Fed in"][place] == number(home["export_kwh"], "kWh")
            assert rows["Paid in the end"][place] == number(home["payment_eur"], "EUR")


def test_a_shift_is_worth_what_the_bill_would_change(reported: Any) -> None:
    """Stated anew from the record: baseline, with one device's power replaced by that of uc1."""
    record = reported.record
    before, after = record.levels.index(Level.BASELINE), record.levels.index(Level.UC1)
    tariff, hours = record.tariff, record.horizon.ptu_hours

    def cost_eur(net_kw: np.ndarray) -> float:
        bought, sold = np.maximum(net_kw, 0.0), np.maximum(-net_kw, 0.0)
        prices = tariff.import_eur_per_kwh, tariff.export_eur_per_kwh
        return float(bought @ prices[0] - sold @ prices[1]) * hours

    expected: dict[str, list[float]] = {home.name: [] for home in record.homes}
    for place, (index, _) in enumerate(record.devices):
        net_kw = record.net_kw[before, index]
        moved_kw = net_kw + record.device_kw[after, place] - record.device_kw[before, place]
        saving_eur = cost_eur(net_kw) - cost_eur(moved_kw)
        if saving_eur >= 0.01:
            expected[record.homes[index].name].append(saving_eur)
    assert any(expected.values())
    for name, savings_eur in expected.items():
        found = [shift.saving_eur for shift in shifts(of_home(reported.result, name))]
        assert found == pytest.approx(sorted(savings_eur, reverse=True), abs=EXACT)


def test_the_page_tells_all_of_it_and_asks_for_nothing(reported: Any, tmp_path: Path) -> None:
    name = max(names_of(reported.result), key=lambda n: len(shifts(of_home(reported.result, n))))
    path = tmp_path / "new" / home_page_name(name)
    write_home_page(reported.result, name, path)
    page = type(reported.page)(path.read_text(encoding="utf-8"))
    words = page.visible_text
    assert f"Home {name}" in words
    assert "96 of 96 PTUs" in words
    assert "complete, as in a simulated day" in words
    for shift in shifts(of_home(reported.result, name)):
        for part in (shift.device, shift.before, shift.after, shift.saving):
            assert part in words
    for row in account_rows(of_home(reported.result, name)):
        for cell in row.cells:
            assert cell in words
    for tag, attributes in page.tags:
        assert not {"src", "href", "srcset", "data", "action", "poster"} & set(attributes), tag
        assert tag not in ("link", "iframe", "object", "embed", "base")
    assert [trace["meta"] for trace in page.traces("cost")] == list(reported.result.levels)


def test_the_day_ends_at_the_cost_of_its_energy(reported: Any, decode: Any) -> None:
    name = names_of(reported.result)[0]
    page = type(reported.page)(home_page(reported.result, name))
    rows = {row.name: row.cells for row in account_rows(of_home(reported.result, name))}
    for place, level in enumerate(reported.result.levels):
        spent_eur = decode(page.trace("cost", level)["y"])
        assert len(spent_eur) == 97
        assert number(float(spent_eur[-1]), "EUR") == rows["Cost of the energy"][place]


def test_a_missing_reading_shows_as_a_gap(reported: Any) -> None:
    own = of_home(reported.result, names_of(reported.result)[0])
    holed = own.series.copy(deep=True)
    holed["p_kw"][:, 10:12, 0] = np.nan
    quality = meter_quality(dataclasses.replace(own, series=holed))
    assert not quality.complete
    assert [gap.ptus for gap in quality.gaps] == [2]


def test_one_level_alone_makes_a_page_without_suggestions(
    toy: ModuleType, page_of: Any, tmp_path: Path
) -> None:
    page_of(toy.synthetic_record((Level.UC1,)))
    folder = tmp_path / "case"
    name = toy.synthetic_record((Level.UC1,)).homes[0].name
    assert main(["report", str(folder), "--home", name]) == 0
    text = (folder / "report" / home_page_name(name)).read_text(encoding="utf-8")
    assert "this case does not have both" in text


def test_the_command_refuses_a_home_that_is_not_there(
    toy: ModuleType, page_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page_of(toy.synthetic_record((Level.UC1,)))
    assert main(["report", str(tmp_path / "case"), "--home", "nobody"]) == 1
    assert "'nobody'" in capsys.readouterr().err


def test_an_unknown_home_is_told_with_the_nearest(reported: Any) -> None:
    name = names_of(reported.result)[0]
    with pytest.raises(ConfigurationError) as told:
        of_home(reported.result, name + "x")
    assert name in told.value.faults[0].remedy


def test_a_name_cannot_break_out_of_page_or_folder(
    toy: ModuleType, page_of: Any, tmp_path: Path
) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1))
    evil = "../</script><script>alert(1)</script>"
    first = dataclasses.replace(record.homes[0], name=evil)
    page_of(dataclasses.replace(record, homes=(first, *record.homes[1:])))
    assert main(["report", str(tmp_path / "case"), "--home", evil]) == 0
    written = tmp_path / "case" / "report" / home_page_name(evil)
    assert written.parent == tmp_path / "case" / "report"
    assert re.fullmatch(r"home_[A-Za-z0-9._-]+\.html", written.name)
    assert evil not in written.read_text(encoding="utf-8")
