"""Axes as Hydra reads them; many cases composed at once, each the same as composed alone."""

from itertools import product
from pathlib import Path

import pytest

from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.randomness import stream
from mas2sim.scenario import compose_case
from mas2sim.scenario.axes import Axis, parse_axes
from mas2sim.scenario.sweep import CaseFactory, compose_many

SAMPLES = 6


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("season=winter,summer", ("winter", "summer")),
        ("season=winter", ("winter",)),
        ("seed=range(1,4)", ("1", "2", "3")),
        ("smart.pv_percent=range(0,1,0.25)", ("0.0", "0.25", "0.5", "0.75")),
        ("smart.pv_percent=choice(1,2.5)", ("1", "2.5")),
        ("ties=sort(random,earliest)", ("earliest", "random")),
        ("day=glob(s*)", ("saturday", "sunday")),
        ("season=glob([*summer,w*],exclude=summer)", ("high_summer", "winter")),
        ("grid.transformer_limit_kw=null,250", ("null", "250")),
        ('"population.ladder=[2020_bau],[2030_bau]"'.strip('"'), ("[2020_bau]", "[2030_bau]")),
        ("smart=2020_bau,2030_bau", ("2020_bau", "2030_bau")),
    ],
)
def test_axes_are_read_as_hydra_reads_a_sweep(text: str, values: tuple[str, ...]) -> None:
    (axis,) = parse_axes([text])
    assert axis == Axis(text.split("=", 1)[0], values)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("season", "no key=values"),
        ("seed=range(1,", "no key=values"),
        ("seed=interval(1,2)", "interval"),
        ("seed=shuffle(1,2)", "left to chance"),
        ("seed=range(0,1000000)", "more than"),
        ("seed=1,2,1", "1 more than once"),
        ("season=glob(x*)", "finds no choice"),
        ("seed=range(3,3)", "no value"),
        ("+seed=1,2", "added or removed"),
        ("seed=${communities},2", "reference"),
        ("seed=${communities}", "reference"),
    ],
)
def test_an_axis_that_cannot_be_swept_is_refused(text: str, found: str) -> None:
    with pytest.raises(ConfigurationError, match=found):
        parse_axes([text])


def test_all_axes_at_fault_are_named_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_axes(["season", "seed=1,1", "day=weekday", "day=sunday"])
    assert len(caught.value.faults) == 3


VARIED = (
    ("season=winter", "season=high_summer"),
    ("smart=2020_bau", "smart=2030_green", "smart=full_mix"),
    ("communities=1", "communities=5"),
    ("grid.tap_pos=1", "grid.tap_pos=0"),
    ("tariff=uk_flat", "tariff=uk_time_of_use", "tariff.export_per_kwh=0.07"),
    ("population=uk", "population=uk_full_rules", "population.ladder=[2020_bau,2030_green]"),
    (
        "market.watch_voltage=true",
        "market.price_cap_eur_per_kwh=2e-1",
        "market.central_limit_s=null",
    ),
    ("seed=1", "seed=7"),
    (
        "participants=[]",
        "participants=[{name: farm, kind: pv_plant, tariff: uk_flat}]",
        "grid.site={latitude_deg: 50.0}",
    ),
)


def test_a_case_is_the_same_as_composed_alone() -> None:
    base = ["levels=[uc1,baseline]", "grid.hv_vm_pu=1.02", "market.willing_percent=50"]
    generator = stream(1, "varied cases")
    many = [
        tuple(values[generator.integers(len(values))] for values in VARIED) for _ in range(SAMPLES)
    ]
    for overrides, case in zip(many, compose_many(base, many), strict=True):
        alone = compose_case([*base, *overrides])
        assert case == alone
        assert case.identity == alone.identity
        assert case.axes == alone.axes


def test_all_faults_of_all_cases_come_together_and_once() -> None:
    axes = [
        ("season=winter", "season=wintr"),
        ("seed=1", "seed=abc", "seed=-1"),
        ("smart.pv_percent=20", "smart.pv_percent=60"),
        ("communities=1", "community=2"),
    ]
    with pytest.raises(ConfigurationError) as caught:
        compose_many([], list(product(*axes)))
    assert sorted(fault.where for fault in caught.value.faults) == [
        "override community",
        "season",
        "seed",
        "seed",
        "smart.any_percent",
    ]


def test_faults_are_told_as_those_of_a_single_case() -> None:
    for override in ("season=wintr", "seed=abc", "grid.voltage_min_v=300"):
        with pytest.raises(ConfigurationError) as alone:
            compose_case([override])
        with pytest.raises(ConfigurationError) as swept:
            CaseFactory().case([override])
        assert swept.value.faults == alone.value.faults


def test_what_refers_to_other_keys_is_left_to_hydra(tmp_path: Path) -> None:
    own = tmp_path / "scenarios" / "flexibility"
    own.mkdir(parents=True)
    (own / "as_pv.yaml").write_text("name: as_pv\noffered_percent: ${smart.pv_percent}\n")
    many = [("smart=2030_green", "flexibility=as_pv"), ("smart=2020_bau", "flexibility=as_pv")]
    cases = compose_many([], many, data=tmp_path)
    assert [case.configuration.flexibility.offered_percent for case in cases] == [20, 3]


def test_own_choices_go_first_and_own_files_are_part_of_it(tmp_path: Path) -> None:
    own = tmp_path / "scenarios" / "season"
    own.mkdir(parents=True)
    (own / "winter.yaml").write_text("name: autumn\n")
    (tmp_path / "energy.csv").write_text("home,annual_kwh\n")
    override = f"population.annual_energy={tmp_path / 'energy.csv'}"
    factory = CaseFactory([override], data=tmp_path)
    assert factory.case(["season=winter"]).axes["season"] == "autumn"
    assert list(factory.files) == [str(tmp_path / "energy.csv")]
