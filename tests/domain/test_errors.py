"""Errors: every fault is in the message, and errors survive the way back from a worker."""

from __future__ import annotations

import pickle

import pytest

from mas2sim.domain.errors import (
    ConfigurationError,
    Fault,
    GridError,
    InfeasibleError,
    Mas2simError,
    PlantError,
    StoreError,
)

FAULTS = [
    Fault("season", "'sumer'", "one of the five seasons", "summer"),
    Fault("homes.csv, line 12", "-3 kWh", "a number >= 0"),
]


def test_message_lists_every_fault() -> None:
    assert str(ConfigurationError(FAULTS)).splitlines() == [
        "2 faults in the input:",
        "  - season: found 'sumer'; allowed: one of the five seasons; try: summer",
        "  - homes.csv, line 12: found -3 kWh; allowed: a number >= 0",
    ]


def test_one_fault_is_singular() -> None:
    assert str(ConfigurationError(FAULTS[:1])).startswith("1 fault in the input:")


@pytest.mark.parametrize("kind", [ConfigurationError, GridError])
def test_error_with_faults_can_be_pickled(kind: type[ConfigurationError]) -> None:
    error = kind(FAULTS)

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert type(copy) is kind
    assert copy.faults == tuple(FAULTS)
    assert str(copy) == str(error)


@pytest.mark.parametrize("kind", [Mas2simError, InfeasibleError, PlantError, StoreError])
def test_error_with_a_message_can_be_pickled(kind: type[Mas2simError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("home h001: no start fits")))  # noqa: S301

    assert type(copy) is kind
    assert str(copy) == "home h001: no start fits"


@pytest.mark.parametrize("kind", [ConfigurationError, InfeasibleError, PlantError, StoreError])
def test_every_error_has_one_root(kind: type[Exception]) -> None:
    assert issubclass(kind, Mas2simError)


def test_grid_faults_are_faults_of_the_input() -> None:
    assert issubclass(GridError, ConfigurationError)
