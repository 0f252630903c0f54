"""The folder: what may be used, what is kept, and that nothing half-written is ever left."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from mas2sim.domain.errors import StoreError
from mas2sim.results import (
    FolderState,
    Result,
    ResultFolder,
    kpi_table,
    make_provenance,
    open_result,
    plan_hash,
    write_result,
)
from mas2sim.results import folder as folder_module
from mas2sim.results import writing as writing_module

CONFIGURATION = {"season": "summer", "seed": 7, "grid": {"transformer_limit_kw": 280}}


@pytest.fixture
def provenance() -> Mapping[str, Any]:
    return make_provenance(CONFIGURATION, code_version="c0de", seed=7, overrides=["seed=7"])


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "case"


def write(toy: ModuleType, target: Path, provenance: Mapping[str, Any], **options: Any) -> Path:
    force = options.pop("force", False)
    folder = ResultFolder.prepare(target, provenance["plan_hash"], force=force)
    return write_result(folder, toy.synthetic_record(), provenance, **options)


def beside(target: Path) -> list[str]:
    return sorted(entry.name for entry in target.parent.iterdir() if entry != target)


def content(target: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_the_plan_hash_follows_content_not_order() -> None:
    turned = {"grid": {"transformer_limit_kw": 280}, "seed": 7, "season": "summer"}
    assert plan_hash(CONFIGURATION, "a") == plan_hash(turned, "a")
    assert len(plan_hash(CONFIGURATION, "a")) == 12
    others = [plan_hash(CONFIGURATION, "b"), plan_hash({**CONFIGURATION, "seed": 8}, "a")]
    assert len({plan_hash(CONFIGURATION, "a"), *others}) == 3


def test_a_result_is_written_and_read_back(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    assert ResultFolder.prepare(target, provenance["plan_hash"]).state is FolderState.NEW
    write(toy, target, provenance)
    with open_result(target) as result:
        pd.testing.assert_frame_equal(result.kpi, kpi_table(toy.synthetic_record()))
        assert result.levels == ("baseline", "uc1", "uc2")
        assert result.series.sizes["home"] == 6
        assert result.provenance["overrides"] == ["seed=7"]
        assert result.provenance["created"].endswith("+00:00")
        assert result.provenance["versions"]["numpy"]
    assert beside(target) == []


def test_an_identical_result_is_kept_and_forced_work_replaces_it(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    write(toy, target, provenance)
    plan = provenance["plan_hash"]
    assert ResultFolder.prepare(target, plan).finished
    assert ResultFolder.prepare(target, plan, force=True).state is FolderState.REPLACE
    (target / "report").mkdir()
    (target / "report" / "old.html").write_text("old")
    write(toy, target, provenance, force=True)
    assert not (target / "report").exists()
    assert ResultFolder.prepare(target, plan).finished
    assert beside(target) == []


def test_a_damaged_result_is_computed_again(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    write(toy, target, provenance)
    with (target / "series.nc").open("r+b") as file:
        file.truncate(1000)
    folder = ResultFolder.prepare(target, provenance["plan_hash"])
    assert folder.state is FolderState.REPLACE


def test_another_plans_folder_is_refused_even_when_forced(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    write(toy, target, provenance)
    before = content(target)
    for force in (False, True):
        with pytest.raises(StoreError, match="another plan"):
            ResultFolder.prepare(target, "0123456789ab", force=force)
    assert content(target) == before


def test_a_folder_with_somebody_elses_files_is_refused(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    target.mkdir(parents=True)
    (target / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        ResultFolder.prepare(target, provenance["plan_hash"])
    (target / "thesis.tex").unlink()
    write(toy, target, provenance)
    (target / "notes.txt").write_text("look at 19:00")
    assert ResultFolder.prepare(target, provenance["plan_hash"]).finished
    with pytest.raises(StoreError, match=r"notes\.txt"):
        ResultFolder.prepare(target, provenance["plan_hash"], force=True)
    assert (target / "notes.txt").exists()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match="a file, not a folder"):
        ResultFolder.prepare(tmp_path / "out", "0")
    with pytest.raises(StoreError, match="cannot be written"):
        ResultFolder.prepare(tmp_path / "out" / "case", "0")


def test_a_read_only_place_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Permission bits do not bind every user, so the refusal is made here.
    monkeypatch.setattr(folder_module.tempfile, "TemporaryFile", refused)
    with pytest.raises(StoreError, match=r"cannot be written \(Permission denied\)"):
        ResultFolder.prepare(tmp_path / "case", "0")


def test_a_place_is_checked_without_making_anything(tmp_path: Path) -> None:
    ResultFolder.check_place(tmp_path / "new" / "case")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a file, not a folder"):
        ResultFolder.check_place(tmp_path / "file")
    with pytest.raises(StoreError, match="cannot be written"):
        ResultFolder.check_place(tmp_path / "file" / "case")


def test_an_interrupted_run_leaves_the_earlier_result_whole(
    toy: ModuleType,
    target: Path,
    provenance: Mapping[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(toy, target, provenance)
    before = content(target)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing_module, "write_series", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(toy, target, provenance, force=True)
    assert content(target) == before
    assert beside(target) == []


def test_an_interrupted_first_run_leaves_nothing(
    toy: ModuleType,
    target: Path,
    provenance: Mapping[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing_module, "write_series", full)
    with pytest.raises(StoreError, match="No space left"):
        write(toy, target, provenance)
    assert not target.exists()
    assert beside(target) == []


def leftover(target: Path, purpose: str, /, **owner: object) -> Path:
    folder = target.parent / f".{target.name}.{purpose}-other"
    folder.mkdir(parents=True)
    mark = {"target": target.name, "host": socket.gethostname(), "process": dead_process(), **owner}
    (folder / folder_module.OWNER_FILE).write_text(json.dumps(mark))
    return folder


def dead_process() -> int:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    return child


def test_a_result_caught_between_two_renames_comes_back(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    write(toy, target, provenance)
    before = content(target)
    target.rename(leftover(target, folder_module.REPLACED) / folder_module.EARLIER)
    assert ResultFolder.prepare(target, provenance["plan_hash"]).finished
    assert content(target) == before
    assert beside(target) == []


def test_only_our_own_dead_leftovers_are_removed(target: Path) -> None:
    dead = leftover(target, folder_module.WRITING)
    ResultFolder.prepare(target, "0")
    assert not dead.exists()
    for owner in (
        {"process": os.getppid()},
        {"host": "another-machine"},
        {"target": "another"},
    ):
        kept = leftover(target, folder_module.WRITING, **owner)
        ResultFolder.prepare(target, "0")
        assert kept.exists(), owner
        (kept / folder_module.OWNER_FILE).unlink()
        ResultFolder.prepare(target, "0")
        assert kept.exists()
        kept.rmdir()


def test_the_report_is_part_of_the_folder(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    def page(result: Result, path: Path) -> None:
        path.write_text(",".join(result.levels))

    write(toy, target, provenance, report=page)
    assert (target / "report" / "index.html").read_text() == "baseline,uc1,uc2"


def test_a_report_that_fails_does_not_cost_the_result(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    def page(result: Result, path: Path) -> None:
        raise ValueError("no such colour")

    with pytest.raises(StoreError, match=r"result is complete.*no such colour"):
        write(toy, target, provenance, report=page)
    assert ResultFolder.prepare(target, provenance["plan_hash"]).finished


def test_a_result_of_another_plan_is_not_written(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    folder = ResultFolder.prepare(target, "0123456789ab")
    with pytest.raises(StoreError, match="prepared for plan 0123456789ab"):
        write_result(folder, toy.synthetic_record(), provenance)


def test_what_cannot_be_opened_is_named(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_result(target)
    write(toy, target, provenance)
    whole = content(target)
    for name in ("kpi.parquet", "series.nc", "provenance.json"):
        (target / name).write_bytes(b"not what it says")
        with pytest.raises(StoreError, match=name):
            open_result(target)
        (target / name).unlink()
        with pytest.raises(StoreError, match=f"without {name}"):
            open_result(target)
        (target / name).write_bytes(whole[name])
    open_result(target).close()


@pytest.mark.parametrize("key", ["parts", "study_files"])
@pytest.mark.parametrize("value", [None, 3, [4], "abc", ["../other"], ["."], ["a/b"]])
def test_a_provenance_that_names_no_files_of_its_folder_is_damaged(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any], key: str, value: Any
) -> None:
    path = write(toy, target, provenance) / "provenance.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(StoreError, match=f"damaged, {key}"):
        ResultFolder.prepare(target, provenance["plan_hash"], force=True)
    with pytest.raises(StoreError, match=f"damaged, {key}"):
        open_result(target)


def test_somebody_elses_files_beside_the_pages_are_not_removed(
    toy: ModuleType, target: Path, provenance: Mapping[str, Any]
) -> None:
    write(toy, target, provenance)
    (target / "report").mkdir()
    (target / "report" / "home_h001.html").write_text("made afterwards")
    assert not ResultFolder.prepare(target, provenance["plan_hash"], force=True).finished
    (target / "report" / "letter.docx").write_text("to the mayor")
    with pytest.raises(StoreError, match=r"report/letter\.docx"):
        ResultFolder.prepare(target, provenance["plan_hash"], force=True)
