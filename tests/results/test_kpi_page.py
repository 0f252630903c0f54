"""The reference page is what the registry says."""

from __future__ import annotations

from pathlib import Path

from mas2sim.results import KPIS
from mas2sim.results.kpi_page import kpi_page, main

PAGE = Path(__file__).parents[2] / "docs" / "kpis.md"


def test_the_page_in_docs_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == kpi_page(), (
        "write it again: python -m mas2sim.results.kpi_page docs/kpis.md"
    )


def test_every_kpi_has_an_entry(tmp_path: Path) -> None:
    main([str(tmp_path / "kpis.md")])
    text = (tmp_path / "kpis.md").read_text(encoding="utf-8")
    for kpi in KPIS:
        assert f"### `{kpi.name}`\n" in text
