"""Results of the synthetic case, and the figures as they stand in a page."""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mas2sim.domain.typical_day import Level
from mas2sim.report import write_report
from mas2sim.results import (
    CaseRecord,
    Result,
    ResultFolder,
    make_provenance,
    open_result,
    write_result,
)

SYNTHETIC = Path(__file__).parents[1] / "results" / "synthetic_record.py"
ASSUMPTIONS = ["Homes run at a power factor of 0.97 <lagging> [A]", "HV side at 1.0 pu"]


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("synthetic_record", SYNTHETIC)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page(HTMLParser):
    """A page taken apart: its tags, and the text of its elements by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.words: list[str] = []
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.words.append(data.strip())
        else:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data

    @property
    def visible_text(self) -> str:
        return " ".join(word for word in self.words if word)

    def traces(self, figure: str) -> list[dict[str, Any]]:
        return list(json.loads(self.scripts[f"figure-{figure}"])["data"])

    def trace(self, figure: str, meta: str) -> dict[str, Any]:
        (found,) = (trace for trace in self.traces(figure) if trace.get("meta") == meta)
        return found


def numbers(values: Any) -> np.ndarray:
    """Decode an array of a figure, written as a list or as base64 with its type."""
    if isinstance(values, dict):
        decoded = np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
        return decoded.astype(float)
    return np.array([np.nan if value is None else value for value in values], dtype=float)


@dataclass(frozen=True)
class Reported:
    record: CaseRecord
    result: Result
    page: Page
    path: Path


def report(record: CaseRecord, folder: Path, assumptions: list[str] = ASSUMPTIONS) -> Path:
    provenance = make_provenance({"seed": 7}, code_version="c0de", seed=7, assumptions=assumptions)
    place = ResultFolder.prepare(folder, provenance["plan_hash"])
    write_result(place, record, provenance, report=write_report)
    return folder


@pytest.fixture(scope="session")
def reported(toy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    record = toy.synthetic_record(tuple(Level))
    folder = report(record, tmp_path_factory.mktemp("results") / "case")
    path = folder / "report" / "index.html"
    with open_result(folder) as result:
        yield Reported(record, result, Page(path.read_text(encoding="utf-8")), path)


@pytest.fixture
def page_of(tmp_path: Path) -> Any:
    """Write a record and return its page."""

    def make(record: CaseRecord) -> Page:
        folder = report(record, tmp_path / "case")
        return Page((folder / "report" / "index.html").read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="session")
def decode() -> Any:
    return numbers
