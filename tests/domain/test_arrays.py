"""Arrays that do not change."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

from mas2sim.domain.arrays import FloatArray, freeze_fields, frozen
from mas2sim.domain.device import PvPlant
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.plan import APlan, HomePlan, PPlans
from mas2sim.domain.tariff import Tariff


def test_frozen_array_cannot_be_written() -> None:
    array = frozen([1, 2, 3])

    assert array.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 9.0


def test_frozen_array_is_a_copy_of_its_source() -> None:
    source = np.array([1.0, 2.0])
    array = frozen(source)
    source[0] = 9.0

    assert array.tolist() == [1.0, 2.0]
    assert source.flags.writeable


def test_only_named_fields_are_frozen() -> None:
    @dataclass(frozen=True)
    class Pair:
        left: FloatArray
        right: FloatArray

        def __post_init__(self) -> None:
            freeze_fields(self, "left")

    pair = Pair(np.zeros(2), np.zeros(2))

    assert not pair.left.flags.writeable
    assert pair.right.flags.writeable


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Tariff("t", np.ones(4), np.ones(4)), "import_eur_per_kwh"),
        (Tariff("t", np.ones(4), np.ones(4)), "export_eur_per_kwh"),
        (PvPlant(3.5, 35.0, 180.0, -np.ones(4)), "p_kw"),
        (Home("h", 3300.0, np.ones(4)), "base_kw"),
        (ReferenceDay(np.ones(4)), "net_kw"),
        (HomePlan(np.ones(4)), "net_kw"),
        (PPlans("c", (0,), np.ones((1, 1, 4))), "net_kw"),
        (APlan("c", np.ones((1, 4)), 1), "net_kw"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_values_that_travel_cannot_be_written(value: object, field: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(value, field)[..., 0] = 9.0
    with pytest.raises(FrozenInstanceError):
        setattr(value, field, np.zeros(4))
