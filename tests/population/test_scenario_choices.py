"""The shipped choices of smart scenario and population say what the room understands."""

import pytest

from mas2sim.domain.errors import ConfigurationError
from mas2sim.population.adoption import FURTHER
from mas2sim.scenario.case import compose_case

from .population_samples import FULL_MIX, LADDER

SHIPPED = [rung.name for rung in LADDER]


@pytest.mark.parametrize("rung", LADDER, ids=SHIPPED)
def test_ladder_has_nothing_outside_itself(rung):
    smart = compose_case([f"smart={rung.name}"]).configuration.smart
    assert smart.v2h_percent == 0
    for name in (*rung.percent, "any"):
        wanted = 0 if name in FURTHER else getattr(rung, f"{name}_percent")
        assert getattr(smart, f"{name}_percent") == wanted


def test_full_mix_is_no_rung():
    case = compose_case(["smart=full_mix"])
    smart = case.configuration.smart
    for name in (*FULL_MIX.percent, "any", "v2h"):
        assert getattr(smart, f"{name}_percent") == getattr(FULL_MIX, f"{name}_percent") > 0
    assert [rung.name for rung in case.ladder] == [
        "2020_bau",
        "2030_bau",
        "2020_green",
        "2030_green",
    ]


def test_population_choices():
    usual = compose_case().configuration.population
    full = compose_case(["population=uk_full_rules"]).configuration.population
    assert (usual.import_cap_kw, usual.export_cap_kw) == (None, None)
    assert (usual.ev_least_charge_kw, usual.most_cycles_per_day) == (0, 1)
    assert (full.ev_least_charge_kw, full.most_cycles_per_day) == (1.4, 2)
    new = {"name", "ev_least_charge_kw", "most_cycles_per_day"}
    assert usual.model_dump(exclude=new) == full.model_dump(exclude=new)


def test_values_can_be_set_and_are_bounded():
    wanted = ["population.import_cap_kw=9", "population.export_cap_kw=0", "smart.wind_percent=5"]
    case = compose_case(wanted).configuration
    assert (case.population.import_cap_kw, case.population.export_cap_kw) == (9, 0)
    assert case.smart.wind_percent == 5
    with pytest.raises(ConfigurationError) as caught:
        compose_case(["population.import_cap_kw=0", "population.most_cycles_per_day=3"])
    assert len(caught.value.faults) == 2
