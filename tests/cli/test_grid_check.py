"""`mas2sim grid check` as a planner meets it: words, exit codes, and the mended file."""

from pathlib import Path

import pandapower as pp
from click.testing import CliRunner, Result

from mas2sim.cli.grid_check import check
from mas2sim.domain.errors import GridError


def net(path: Path, *, rating_ka: float = 0.2) -> Path:
    made = pp.create_empty_network(name="lane")
    hv, lv, end = (
        pp.create_bus(made, kv, name=name) for kv, name in ((10.0, "hv"), (0.4, "lv"), (0.4, "end"))
    )
    pp.create_ext_grid(made, hv)
    pp.create_transformer(made, hv, lv, "0.25 MVA 10/0.4 kV", name="unit")
    made.trafo["tap_pos"] = -1
    made.trafo["tap_changer_type"] = None
    pp.create_line_from_parameters(
        made, lv, end, 0.1, r_ohm_per_km=0.32, x_ohm_per_km=0.08, c_nf_per_km=0.0,
        max_i_ka=rating_ka, name="cable",
    )  # fmt: skip
    pp.create_load(made, end, p_mw=0.002, name="home", type="wye")
    pp.to_json(made, str(path))
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(check, list(arguments))


def words_of(result: Result) -> str:
    return " ".join(result.output.split())


def test_a_grid_with_remarks_passes_and_says_them(tmp_path: Path) -> None:
    result = run(str(net(tmp_path / "lane.json")))
    assert result.exit_code == 0
    for words in ("transformer unit: 250 kVA", "assumed", "no faults", "balanced, 1 users at 1 kW"):
        assert words in words_of(result)


def test_a_grid_with_a_fault_ends_with_1(tmp_path: Path) -> None:
    result = run(str(net(tmp_path / "lane.json", rating_ka=200.0)))
    assert result.exit_code == 1
    assert "rating 200 kA" in words_of(result)
    assert "Not solved" in words_of(result)


def test_what_is_mended_is_written(tmp_path: Path) -> None:
    source, out = net(tmp_path / "lane.json"), tmp_path / "mended.json"
    result = run(str(source), "--mend", "--assume-zero-sequence", "--out", str(out))
    assert result.exit_code == 0
    assert "mended" in words_of(result)
    again = run(str(out))
    assert again.exit_code == 0
    assert "1 taps away" not in words_of(again)
    assert "unbalanced, 1 users" in words_of(again)


def test_a_fault_of_the_mapping_ends_with_1(tmp_path: Path) -> None:
    mapping = tmp_path / "homes.csv"
    mapping.write_text("load,phase\nhome,d\n", encoding="utf-8")
    result = run(str(net(tmp_path / "lane.json")), "--mapping", str(mapping))
    assert result.exit_code == 1
    assert "homes.csv, line 2" in words_of(result)


def test_what_is_no_net_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text("{}", encoding="utf-8")
    result = run(str(path))
    assert isinstance(result.exception, GridError)
    assert len(result.exception.faults) == 1
