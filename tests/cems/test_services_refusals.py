"""What others send to the Energy Box is not trusted: faults are told, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mas2sim.cems.services import (
    EnergyBox,
    FlexibilityAnswer,
    FlexibilityRequest,
)
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.tariff import Tariff

from .service_samples import (
    INCREASE,
    MACHINE,
    MORNING,
    REDUCE,
    H,
    flat,
    machine_box,
    make,
)

NAN = float("nan")
WITH_NAN = np.where(np.arange(H.ptus) == 8, NAN, 0.2)


def refused(box: EnergyBox, send: Callable[[], object]) -> list[str]:
    """Faults of a refused message, after which plan and open answers are what they were."""
    before = box.plan()
    answer: FlexibilityAnswer = box.request(FlexibilityRequest(REDUCE, 40, 44, 0.8))
    with pytest.raises(ConfigurationError) as told:
        send()
    assert box.plan() is before
    box.drop(answer.answer_id)
    return [fault.where for fault in told.value.faults]


def test_bad_prices_are_refused_with_all_faults() -> None:
    box = machine_box()
    bad = Tariff("bad", WITH_NAN, np.zeros(95), standing_eur_per_day=NAN, peak_eur_per_kw=-1.0)
    assert refused(box, lambda: box.prices(bad)) == [
        "tariff.import_eur_per_kwh, 02:00",
        "tariff.export_eur_per_kwh",
        "tariff.standing_eur_per_day",
        "tariff.peak_eur_per_kw",
    ]
    infinite = Tariff("bad", np.where(np.arange(96) == 4, np.inf, 0.2), flat(0.0))
    assert refused(box, lambda: box.prices(infinite)) == ["tariff.import_eur_per_kwh, 01:00"]
    with pytest.raises(ConfigurationError):
        EnergyBox(*make(MACHINE), bad, H)


@pytest.mark.parametrize(
    ("forecast", "where"),
    [
        (np.zeros(95), ["pv_forecast"]),
        (np.zeros((2, 96)), ["pv_forecast"]),
        (["sun"] * 96, ["pv_forecast"]),
        (WITH_NAN * 0.0, ["pv_forecast, 02:00"]),
        (np.where(np.arange(96) < 2, 0.5, 0.0), ["pv_forecast, 00:00", "pv_forecast, 00:15"]),
        (np.where(np.arange(96) == 48, -1500.0, 0.0), ["pv_forecast, 12:00"]),
    ],
)
def test_bad_forecasts_are_refused(forecast: object, where: list[str]) -> None:
    box = EnergyBox(*make(MACHINE, pv_kw=np.zeros(H.ptus)), MORNING, H)
    assert refused(box, lambda: box.pv_forecast(forecast)) == where  # type: ignore[arg-type]


def test_a_home_without_pv_refuses_a_forecast() -> None:
    box = machine_box()
    assert refused(box, lambda: box.pv_forecast(np.zeros(H.ptus))) == ["pv_forecast"]


@pytest.mark.parametrize(
    ("request_", "where"),
    [
        (FlexibilityRequest(REDUCE, -1, 97, 1.0), ["request.start_ptu", "request.end_ptu"]),
        (FlexibilityRequest(REDUCE, 96, 4, 1.0), ["request.start_ptu"]),
        (FlexibilityRequest(REDUCE, 40, 40, 1.0), ["request.end_ptu"]),
        (FlexibilityRequest(REDUCE, 40, 44, -1.0), ["request.power_kw"]),
        (FlexibilityRequest(REDUCE, 40, 44, 0.0), ["request.power_kw"]),
        (FlexibilityRequest(REDUCE, 40, 44, NAN), ["request.power_kw"]),
        (FlexibilityRequest(REDUCE, 40, 44, float("inf")), ["request.power_kw"]),
        (
            FlexibilityRequest("sideways", 40.5, True, "much"),  # type: ignore[arg-type]
            ["request.direction", "request.start_ptu", "request.end_ptu", "request.power_kw"],
        ),
    ],
)
def test_bad_requests_are_refused(request_: FlexibilityRequest, where: list[str]) -> None:
    box = machine_box()
    assert refused(box, lambda: box.request(request_)) == where


def test_the_whole_day_can_be_asked_for() -> None:
    answer = machine_box().request(FlexibilityRequest(INCREASE, 0, H.ptus, 0.5))
    assert answer.rebound_kw.max() == 0.0
