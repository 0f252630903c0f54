"""What crosses boundaries around homes, communities and the substation, against sums by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.device import (
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    MicroChp,
    PvPlant,
    WindTurbine,
)
from mas2sim.domain.home import Home
from mas2sim.domain.typical_day import Level
from mas2sim.results import CaseRecord, kpi_table
from mas2sim.results.balance import (
    GroupFlows,
    boundary_energy,
    community_energy,
    community_groups,
    home_energy,
    substation_energy,
)
from mas2sim.results.kpi_definition import CaseLevel

ROUNDING = 1e-9
"""Sums of 96 x 6 doubles in another order differ in the last digits only."""

H = 0.25


@pytest.fixture(scope="module")
def record(toy: ModuleType) -> CaseRecord:
    made: CaseRecord = toy.synthetic_record(tuple(Level), markets=True)
    return made


@pytest.fixture(scope="module")
def table(record: CaseRecord) -> pd.DataFrame:
    return kpi_table(record).set_index("level")


BATTERY = Battery(9.0, 9.0, 1.0, 1.0)


def one_home(
    toy: ModuleType,
    *,
    base: np.ndarray,
    pv: np.ndarray,
    power: np.ndarray,
    storage: FlexibleDevice = BATTERY,
) -> CaseLevel:
    """A record of one home with PV and a storage at given powers."""
    record = toy.synthetic_record((Level.UC1,))
    home = Home(
        "only",
        1.0,
        base,
        battery=storage if isinstance(storage, Battery) else None,
        ev=storage if isinstance(storage, ElectricVehicle) else None,
        pv=PvPlant(9.0, 30.0, 180.0, -pv),
    )
    net = (base - pv + power)[None, None, :]
    changed = dataclasses.replace(
        record,
        homes=(home,),
        communities=(),
        devices=((0, storage.name),),
        net_kw=net,
        device_kw=power[None, None, :],
    )
    return CaseLevel(changed, 0)


def test_energy_bought_at_night_and_sold_by_day_is_no_lost_generation(toy: ModuleType) -> None:
    base, pv, power = np.zeros(96), np.zeros(96), np.zeros(96)
    pv[48:52] = 2.0
    base[48:52] = 2.0  # all generation is used at once
    power[8:12], power[72:76] = 4.0, -4.0  # 4 kWh from the grid at night, sold in the evening
    energy = boundary_energy(one_home(toy, base=base, pv=pv, power=power), [(0,)])
    assert energy.exported_kwh == pytest.approx(4.0)
    assert energy.exported_generation_kwh == pytest.approx(0.0)
    assert energy.self_consumption_percent == pytest.approx(100.0)
    assert energy.self_sufficiency_percent == pytest.approx(100 * 2 / 6)


def test_generation_that_goes_through_the_battery_is_exported_all_the_same(
    toy: ModuleType,
) -> None:
    base, pv, power = np.zeros(96), np.zeros(96), np.zeros(96)
    pv[48:52] = 4.0
    power[48:52] = 3.0  # 3 kWh of it into the battery, 1 kWh out at once
    power[8:12] = 1.0  # and 1 kWh from the grid
    power[72:76] = -4.0
    energy = boundary_energy(one_home(toy, base=base, pv=pv, power=power), [(0,)])
    assert energy.exported_generation_kwh == pytest.approx(1.0 + 3.0)
    assert energy.self_consumption_percent == pytest.approx(0.0)


def test_a_vehicle_that_can_deliver_is_a_storage_and_one_that_cannot_a_load(
    toy: ModuleType,
) -> None:
    base, pv, power = np.zeros(96), np.zeros(96), np.zeros(96)
    pv[48:52] = 2.0  # all of it into the vehicle
    power[48:52] = 2.0
    power[8:12] = 2.0  # and as much from the grid
    power[72:74] = -4.0  # 2 kWh of the 4 delivered and exported, half of them from PV
    two_way = ElectricVehicle(9.0, 40.0, 1.0, 0, 0, 2.0, discharge_kw=9.0)
    day = {"base": base, "pv": pv, "power": power}
    energy = boundary_energy(one_home(toy, **day, storage=two_way), [(0,)])
    assert energy.exported_generation_kwh == pytest.approx(1.0)
    assert energy.self_consumption_percent == pytest.approx(50.0)
    # Beside a battery that sells what it took from the grid at night, the vehicle takes the PV.
    case = one_home(toy, base=base, pv=pv, power=np.where(pv > 0, 0.0, power / 2))
    one_way = dataclasses.replace(two_way, discharge_kw=0.0)
    (home,) = case.homes
    beside = dataclasses.replace(
        case.record,
        homes=(dataclasses.replace(home, ev=one_way),),
        devices=((0, "battery"), (0, "ev")),
        device_kw=np.stack([case.device_kw[0], pv])[None],
        net_kw=case.record.net_kw + pv,
    )
    energy = boundary_energy(CaseLevel(beside, 0), [(0,)])
    assert energy.exported_kwh == pytest.approx(1.0)
    assert energy.self_consumption_percent == pytest.approx(100.0)


def test_wind_and_micro_chp_generate_as_pv_does(toy: ModuleType) -> None:
    case = one_home(toy, base=np.ones(96), pv=np.full(96, 0.5), power=np.zeros(96))
    (home,) = case.homes
    home = dataclasses.replace(
        home,
        wind=WindTurbine(1.0, np.full(96, -0.5)),
        micro_chp=MicroChp(1.0, 6.0, np.full(96, -1.0)),
    )
    net = np.full((1, 1, 96), 1.0 - 0.5 - 0.5 - 1.0)
    case = CaseLevel(dataclasses.replace(case.record, homes=(home,), net_kw=net), 0)
    energy = boundary_energy(case, [(0,)])
    assert energy.generated_kwh == pytest.approx(24 * 2.0)
    assert energy.self_consumption_percent == pytest.approx(50.0)


def test_loads_are_served_before_batteries(toy: ModuleType) -> None:
    base, pv, power = np.zeros(96), np.zeros(96), np.zeros(96)
    pv[48:52] = 2.0
    base[48:52] = 1.0
    power[48:52] = 4.0  # 1 kWh of it is left over from the load, 3 kWh come from the grid
    power[72:76] = -4.0
    energy = boundary_energy(one_home(toy, base=base, pv=pv, power=power), [(0,)])
    assert energy.exported_generation_kwh == pytest.approx(1.0)
    assert energy.self_consumption_percent == pytest.approx(50.0)


def test_without_generation_there_is_no_self_consumption(toy: ModuleType) -> None:
    zero = np.zeros(96)
    energy = boundary_energy(one_home(toy, base=zero + 1.0, pv=zero, power=zero), [(0,)])
    assert math.isnan(energy.self_consumption_percent)
    assert energy.self_sufficiency_percent == 0.0
    nothing = boundary_energy(one_home(toy, base=zero, pv=zero, power=zero), [(0,)])
    assert math.isnan(nothing.self_sufficiency_percent)


day = st.lists(st.floats(0.0, 5.0), min_size=96, max_size=96).map(np.array)


@settings(max_examples=40, deadline=None)
@given(base=day, pv=day, power=st.lists(st.floats(-5.0, 5.0), min_size=96, max_size=96))
def test_shares_stay_between_nothing_and_all(
    toy: ModuleType, base: np.ndarray, pv: np.ndarray, power: list[float]
) -> None:
    case = one_home(toy, base=base, pv=pv, power=np.array(power))
    energy = boundary_energy(case, [(0,)])
    assert -ROUNDING <= energy.exported_generation_kwh <= energy.exported_kwh + ROUNDING
    assert energy.imported_kwh - energy.exported_kwh == pytest.approx(
        H * float(case.net_kw.sum()), abs=1e-6
    )


def test_wider_boundaries_keep_more_inside(record: CaseRecord, table: pd.DataFrame) -> None:
    case = CaseLevel(record, 2)
    home, community = home_energy(case).together(), community_energy(case)
    substation = substation_energy(case)
    assert substation.exported_kwh <= community.exported_kwh < home.exported_kwh
    assert substation.imported_kwh <= community.imported_kwh < home.imported_kwh
    assert community.generated_kwh == pytest.approx(home.generated_kwh)
    assert substation.generated_kwh == pytest.approx(home.generated_kwh)
    row = table.loc["uc2"]
    assert row["self_sufficiency_percent"] <= row["self_sufficiency_community_percent"]
    assert row["self_sufficiency_community_percent"] <= row["self_sufficiency_substation_percent"]


def test_homes_outside_communities_are_their_own_group(record: CaseRecord) -> None:
    outside = dataclasses.replace(record, communities=record.communities[:1])
    groups = community_groups(CaseLevel(outside, 0))
    assert sorted(index for group in groups for index in group) == list(range(6))
    assert len(groups) == 4


def test_each_home_is_a_group_of_its_own(record: CaseRecord) -> None:
    case = CaseLevel(record, 2)
    each = home_energy(case)
    for index, home in enumerate(record.homes):
        alone = boundary_energy(case, [(index,)])
        assert each.together(np.array([index])) == alone
        plants = [plant for plant in (home.pv, home.wind, home.micro_chp) if plant is not None]
        possible_kwh = H * -sum(float(plant.p_kw.sum()) for plant in plants)
        assert alone.generated_kwh == pytest.approx(possible_kwh, abs=ROUNDING)
    some = each.together(np.array([0, 3]))
    assert some.imported_kwh == pytest.approx(
        boundary_energy(case, [(3,), (0,)]).imported_kwh, abs=ROUNDING
    )


PTUS, MEMBERS = 3, 40
groups_of_homes = st.lists(
    st.lists(st.integers(0, MEMBERS - 1), max_size=MEMBERS, unique=True), max_size=6
)


def flows_of(seed: int) -> GroupFlows:
    draw = np.random.default_rng(seed)
    return GroupFlows(*(draw.normal(size=(MEMBERS, PTUS)) for _ in range(4)))


def in_turn(flows: GroupFlows) -> list[np.ndarray]:
    return [getattr(flows, field.name) for field in dataclasses.fields(flows)]


@settings(max_examples=60, deadline=None)
@given(groups=groups_of_homes, seed=st.integers(0, 2**16))
def test_a_group_is_the_sum_of_its_members_whoever_else_is_there(
    groups: Sequence[Sequence[int]], seed: int
) -> None:
    """Against exactly rounded sums; and bit for bit what the group gives without the others."""
    flows = flows_of(seed)
    summed = flows.by_group(groups)
    for whole, found in zip(in_turn(flows), in_turn(summed), strict=True):
        assert found.shape == (len(groups), PTUS)
        for row, members in enumerate(groups):
            exact = [math.fsum(whole[list(members), ptu]) for ptu in range(PTUS)]
            assert found[row] == pytest.approx(exact, abs=ROUNDING)
    for row, members in enumerate(groups):
        for found, alone in zip(in_turn(summed), in_turn(flows.by_group([members])), strict=True):
            assert found[row].tobytes() == alone[0].tobytes()
