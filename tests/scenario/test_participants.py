"""Participants that are no homes, from the configuration to their places in the grid."""

from dataclasses import replace

import numpy as np
import pytest

from mas2sim.cosim import CaseSetup, congestion_register, run_world
from mas2sim.cosim.agent_terms import aggregator_terms
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.typical_day import DayType, Level
from mas2sim.results import kpi_table
from mas2sim.scenario import compose_case
from mas2sim.scenario.build import build_setup

DEPOT = "{name:depot,kind:charging_station,points:4,tariff:uk_flat}"
FARM = "{name:farm,kind:pv_plant,battery_kwh:40,battery_kw:20}"
BALANCE_KWH = 1e-6
"""The flow closes its energy balance to 1e-10 of a day's import."""
HOMES = 184


def setup(*entries: str, others: tuple[str, ...] = ()) -> CaseSetup:
    return build_setup(compose_case([f"participants=[{','.join(entries)}]", *others]))[0]


def faults_of(*overrides: str) -> dict[str, str]:
    """What was found, by place; composed and built as a run does."""
    with pytest.raises(ConfigurationError) as caught:
        build_setup(compose_case(overrides))
    return {fault.where: fault.found for fault in caught.value.faults}


def test_all_that_is_wrong_with_participants_is_named_at_once() -> None:
    entries = [
        "{name:a,kind:charging_station,points:0}",
        "{name:a,kind:windmill}",
        "{name:community_2,kind:pv_plant,battery_kwh:5}",
        "{name:B,kind:pv_plant,tariff:nix,colour:1}",
        "{kind:pv_plant}",
        "{name:x}",
        '{name:y,kind:charging_station,from:"08:00",to:"08:00"}',
    ]
    found = faults_of(f"participants=[{','.join(entries)}]", "seed=-1")
    assert set(found) == {
        "seed",
        "participants",
        "participants.0.points",
        "participants.1.kind",
        "participants.2.name",
        "participants.2.battery_kw",
        "participants.3.name",
        "participants.3.colour",
        "participants.3.tariff",
        "participants.4.name",
        "participants.5.kind",
        "participants.6.to",
    }
    assert found["participants.1.kind"] == "'windmill'"
    assert found["participants"] == "2 of the name 'a'"


def test_places_are_checked_with_the_rest_of_the_grid(tmp_path) -> None:
    bad = tmp_path / "annual.csv"
    bad.write_text("home,annual_wh\nh001,3000\n")
    found = faults_of(
        "participants=[{name:a,kind:pv_plant,bus:nowhere},{name:b,kind:pv_plant,bus:hv},"
        "{name:cardiff_1,kind:pv_plant}]",
        f"population.annual_energy={bad}",
        "communities=500",
    )
    places = {"participants.0.bus", "participants.1.bus", "participants.2.name", "communities"}
    assert places < set(found)
    assert any("annual.csv" in where for where in found)


def test_a_price_of_the_peak_is_for_one_charge_point() -> None:
    """One meter has one peak, and charge points are planned one by one."""
    several = f"participants=[{DEPOT.replace('uk_flat', 'null')}]"
    found = faults_of(several, "tariff.peak_per_kw=0.1")
    assert set(found) == {"participants.0.tariff"}
    one = several.replace("points:4", "points:1")
    assert compose_case([one, "tariff.peak_per_kw=0.1"]).configuration.participants


def test_homes_are_the_same_with_and_without_participants() -> None:
    without, made = setup(), setup(DEPOT, FARM)
    assert [home.name for home in made.homes] == [home.name for home in without.homes]
    assert all(
        np.array_equal(home.fixed_kw, before.fixed_kw)
        for home, before in zip(made.homes, without.homes, strict=True)
    )
    assert made.communities == without.communities
    assert without.participants == ()
    assert without.connections == without.homes
    assert compose_case().identity["tariffs"].keys() == {"uk_business"}


def test_they_are_connected_behind_the_homes_at_the_busbar_or_at_a_bus() -> None:
    made = setup(DEPOT, FARM.replace("{", "{bus:h007,"))
    layout = made.flow.layout
    assert layout.home_bus[HOMES:] == ("lv",) * 4 + ("h007",)
    assert layout.home_phase[HOMES:] == ("abc",) * 5
    assert layout.home_bus[:HOMES] == setup().flow.layout.home_bus
    assert [party.members for party in made.other_parties] == [
        tuple(range(HOMES, HOMES + 4)),
        (HOMES + 4,),
    ]
    assert [each.bus for each in made.participants] == ["lv", "h007"]


def test_each_has_the_tariff_that_it_names_or_that_of_the_homes() -> None:
    depot, farm = setup(DEPOT, FARM).participants
    assert depot.tariff.name == "uk_flat"
    assert np.ptp(depot.tariff.import_eur_per_kwh) == 0.0
    assert farm.tariff.name == setup().tariff.name


def test_the_tariff_named_decides_the_plan() -> None:
    flat, named = (
        compose_case([f"participants=[{DEPOT.replace('uk_flat', tariff)}]"]).identity
        for tariff in ("uk_flat", "uk_economy7")
    )
    assert flat["tariffs"].keys() == {"uk_business", "uk_flat"}
    assert flat != named


def test_a_station_serves_vehicles_in_their_stay_and_on_its_days() -> None:
    entry = "{name:depot,kind:charging_station,points:60,driven_kwh:20}"
    (station,) = setup(entry).participants
    vehicles = [point.ev for point in station.points]
    assert all(vehicle is not None for vehicle in vehicles)
    arrival_h = np.array([vehicle.arrival for vehicle in vehicles if vehicle]) / 4
    departure_h = np.array([vehicle.departure for vehicle in vehicles if vehicle]) / 4
    driven_kwh = np.array([vehicle.driven_kwh for vehicle in vehicles if vehicle])
    assert arrival_h.mean() == pytest.approx(8.5, abs=0.35)
    assert departure_h.mean() == pytest.approx(17.5, abs=0.35)
    assert driven_kwh.mean() == pytest.approx(20.0, abs=2.0)
    assert (departure_h - arrival_h).min() >= 1.0
    weekdays = entry.replace("}", ",days:[weekday]}")
    (closed,) = setup(weekdays, others=(f"day={DayType.SUNDAY}",)).participants
    assert {point.ev for point in closed.points} == {None}
    overnight = entry.replace("}", ',from:"18:00",to:"06:30"}')
    (depot,) = setup(overnight).participants
    stays = [point.ev for point in depot.points if point.ev is not None]
    assert np.mean([(ev.departure - ev.arrival) % 96 / 4 for ev in stays]) == pytest.approx(
        12.5, abs=0.5
    )


def test_a_station_grows_by_points_and_keeps_its_vehicles() -> None:
    (small,) = setup(DEPOT).participants
    (large,) = setup(DEPOT.replace("points:4", "points:9")).participants
    assert [point.ev for point in large.points[:4]] == [point.ev for point in small.points]
    assert len({point.ev for point in large.points}) == 9


def test_a_plant_is_under_the_sky_of_the_homes_and_grows_with_its_rating() -> None:
    sunny = ("season=summer", "weather=sunny")
    small, large = setup(
        "{name:a,kind:pv_plant,rated_kwp:50}", "{name:b,kind:pv_plant,rated_kwp:100}", others=sunny
    ).participants
    np.testing.assert_allclose(large.points[0].pv_kw, 2 * small.points[0].pv_kw)
    # A home's plant of the same tilt and azimuth, for each kWp.
    home = next(home for home in setup(others=sunny).homes if home.pv is not None)
    assert home.pv is not None
    roof = f"tilt_deg:{home.pv.tilt_deg},azimuth_deg:{home.pv.azimuth_deg}"
    (like,) = setup(f"{{name:a,kind:pv_plant,{roof}}}", others=sunny).participants
    np.testing.assert_allclose(
        like.points[0].pv_kw / 50.0, home.pv_kw / home.pv.rated_kwp, rtol=1e-6, atol=1e-9
    )


def test_the_flow_balances_homes_others_and_losses() -> None:
    made = replace(setup(DEPOT, FARM, others=("season=summer",)), levels=(Level.BASELINE,))
    record = run_world(made).record
    row = kpi_table(record).iloc[0]
    losses = [f"loss_{part}_kwh" for part in ("line", "transformer_load", "transformer_no_load")]
    drawn_kwh = row["homes_net_kwh"] + row["other_net_kwh"] + row[losses].sum()
    assert row["grid_net_kwh"] == pytest.approx(drawn_kwh, abs=BALANCE_KWH)
    assert row["other_net_kwh"] < -50.0
    assert row["status"] == "ok"
    assert len(record.layout.home_bus) == HOMES
    assert record.layout.other_loads == (("lv", "abc"),) * 5


def test_a_participant_may_have_a_contract_and_a_stranger_may_not() -> None:
    hours = 'from:"17:00",to:"21:00"'

    def contract(name: str) -> str:
        where = f"community:{name},point:cardiff_1,reduces:import,power_kw:10"
        return f"market.contracts=[{{{where},{hours}}}]"

    market = ("levels=[uc1,uc2,uc3]", contract("depot"))
    assert setup(DEPOT, others=market).market.contracts[0].community == "depot"
    found = faults_of(f"participants=[{DEPOT}]", market[0], contract("harbour"))
    assert set(found) == {"bilateral contract 1"}


def test_a_participant_speaks_for_itself_at_every_congestion_point() -> None:
    """Its power is told where it is; homes behind small feeders are told in one sum."""
    made = setup(DEPOT, FARM.replace("{", "{bus:h007,"), others=("market.watch_voltage=true",))
    register = congestion_register(made)
    assert register.homes_behind("busbar") == tuple(range(HOMES, HOMES + 4))
    depot, farm = (aggregator_terms(made, party, register) for party in made.other_parties)
    feeders = register.points[1:]
    np.testing.assert_array_equal(depot.attribution, np.eye(len(feeders)))
    assert {feeders[group] for group in depot.group} == {"busbar"}
    assert feeders[farm.group[0]] == register.feeder[6]


def test_what_is_assumed_of_them_is_said() -> None:
    _, sentences = build_setup(compose_case([f"participants=[{DEPOT},{FARM}]"]))
    assert any("charging station depot has 4 three-phase" in each for each in sentences)
    assert any("PV plant farm has 50 kWp" in each for each in sentences)
