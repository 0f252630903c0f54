"""What a worker tells: every case to its parent, now and then a heartbeat to everybody."""

import io
import json
from pathlib import Path

import pytest

from mas2sim.campaign import worker
from mas2sim.campaign.ledger import Ledger, Task
from mas2sim.campaign.plan import PlannedCase


def test_every_case_is_told_and_heartbeats_are_a_second_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_s = 100.0
    monkeypatch.setattr(worker, "monotonic", lambda: clock_s)
    told, beats = io.StringIO(), []
    (tmp_path / worker.HEARTBEATS).mkdir()
    reporter = worker._Reporter(told, Ledger(tmp_path))
    reporter.begin(Task(1, 0, 10))
    for number in range(10):
        clock_s += 0.3
        reporter.ended(PlannedCase(number, f"case {number}", (), {}), "ok")
        (path,) = (tmp_path / worker.HEARTBEATS).iterdir()
        beats.append(json.loads(path.read_text())["done"])
    assert [json.loads(line)["number"] for line in told.getvalue().splitlines()] == list(range(10))
    # At 0.3, 1.5 and 2.7 s: the first case is told at once, since somebody waits for it.
    assert beats == [1, 1, 1, 1, 5, 5, 5, 5, 9, 9]
