import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mas2sim.domain.errors import GridError
from mas2sim.grid import Substation, build_cardiff, power_flow

SLACK = 1e-9
"""Lengths are sums of 46 figures given to the metre."""

NO_LOAD_PU = 1e-3
"""Without load only the magnetising current flows: 0.4 % through 4.75 % is 2e-4 of the voltage."""


def test_counts(cardiff: Substation) -> None:
    layout = cardiff.layout
    assert len(layout.home_bus) == len(set(layout.home_bus)) == 184
    assert len(layout.buses) == 2 + 2 * 184
    assert Counter(b.kind for b in layout.branches) == {
        "transformer": 1, "main": 184, "service": 184,
    }  # fmt: skip
    assert Counter(layout.home_phase) == {"a": 62, "b": 61, "c": 61}
    assert layout.branches[0].kind == "transformer"
    assert {b.feeder for b in layout.branches[1:]} == {"north", "east", "south", "west"}


def test_mains_taper_away_from_the_transformer(cardiff: Substation) -> None:
    for feeder in ("north", "east", "south", "west"):
        mains = [b for b in cardiff.layout.branches if b.kind == "main" and b.feeder == feeder]
        assert mains[0].from_bus == "lv"
        assert [b.from_bus for b in mains[1:]] == [b.to_bus for b in mains[:-1]]
        ratings = [b.rating for b in mains]
        assert ratings == sorted(ratings, reverse=True)
        assert len(set(ratings)) == 3
        assert sum(b.length_m for b in mains) == pytest.approx(46 * 14, abs=SLACK)


def test_cable_per_home_is_within_the_surveyed_range(cardiff: Substation) -> None:
    """30-40 m a customer, service included (ENWL LV Network Solutions)."""
    total = sum(branch.length_m for branch in cardiff.layout.branches)
    assert 30 <= total / 184 <= 40


def test_services_are_as_long_on_the_map_as_in_the_model(cardiff: Substation) -> None:
    place = {bus.name: (bus.x_m, bus.y_m) for bus in cardiff.layout.buses}
    for branch in cardiff.layout.branches:
        if branch.kind == "service":
            distance = math.dist(place[branch.from_bus], place[branch.to_bus])
            assert distance == pytest.approx(branch.length_m, abs=SLACK)
    homes = np.array([place[bus] for bus in cardiff.layout.home_bus])
    apart = np.hypot(*(homes[:, None] - homes[None]).transpose(2, 0, 1))
    assert apart[np.triu_indices(184, 1)].min() > 5.0, "two homes in one place"


def test_homes_lie_on_alternate_sides_of_their_street(cardiff: Substation) -> None:
    place = {bus.name: np.array([bus.x_m, bus.y_m]) for bus in cardiff.layout.buses}
    mains = [line for line in cardiff.network.lines if line.kind == "main"]
    services = [line for line in cardiff.network.lines if line.kind == "service"]
    right = []
    for main, service in zip(mains, services, strict=True):
        ahead = place[main.to_bus] - place[main.from_bus]
        across = place[service.to_bus] - place[service.from_bus]
        right.append(bool(ahead[0] * across[1] - ahead[1] * across[0] < 0))
    assert right == [True, False] * 92


def test_cables_by_hand(cardiff: Substation) -> None:
    """14 m of 300 mm2 main, and 14 m of 35 mm2 service, from the table."""
    main, service = cardiff.network.lines[:2]
    assert (main.length_m, service.length_m) == (14, 14)
    assert (main.r_ohm, main.x_ohm) == pytest.approx((0.001428, 0.001022))
    assert (main.r0_ohm, main.x0_ohm) == pytest.approx((0.008316, 0.00147))
    assert (service.r_ohm, service.r0_ohm) == pytest.approx((0.012152, 0.048608))
    assert (main.rating_a, service.rating_a) == (465, 115)


def test_the_recipe_alone_decides(cardiff: Substation, cardiff_files: Path) -> None:
    assert build_cardiff(cardiff_files, 1).network == cardiff.network


def test_limits_by_default_and_as_given(cardiff: Substation, cardiff_files: Path) -> None:
    assert cardiff.limits.transformer_import_kw == pytest.approx(225.0)
    assert cardiff.limits.transformer_export_kw == 500.0
    assert (cardiff.limits.voltage_min_v, cardiff.limits.voltage_max_v) == (216.2, 253.0)
    other = build_cardiff(
        cardiff_files,
        1,
        transformer_import_kw=200,
        transformer_export_kw=0.0,
        voltage_band_v=(207.0, 253.0),
    ).limits
    assert (other.transformer_import_kw, other.transformer_export_kw) == (200, 0.0)
    assert other.voltage_min_v == 207.0


@pytest.mark.parametrize(("hv_vm_pu", "tap_pos"), [(1.0, 0), (0.975, 0), (1.0, 2), (1.03, -1)])
def test_no_load_voltage_follows_ratio_and_hv_side(
    cardiff_files: Path, hv_vm_pu: float, tap_pos: int
) -> None:
    substation = build_cardiff(cardiff_files, 1, hv_vm_pu=hv_vm_pu, tap_pos=tap_pos)
    nothing = np.zeros((1, 184))
    state = power_flow(substation, unbalanced=False).solve(nothing, nothing)
    expected = hv_vm_pu * 0.433 / 0.4 / (1 + 0.025 * tap_pos)
    np.testing.assert_allclose(state.vm_pu[0, 1:], expected, rtol=NO_LOAD_PU)
    iron_kw = 0.68 * (hv_vm_pu / (1 + 0.025 * tap_pos)) ** 2
    assert state.loss_transformer_no_load_kw[0] == pytest.approx(iron_kw, rel=NO_LOAD_PU)


def test_settings_out_of_range_come_together(cardiff_files: Path) -> None:
    with pytest.raises(GridError) as caught:
        build_cardiff(cardiff_files, 1, hv_vm_pu=11.0, tap_pos=3)
    assert [fault.where for fault in caught.value.faults] == ["hv_vm_pu", "tap_pos"]
