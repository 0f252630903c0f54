"""The time series of a case as one labelled dataset, and its file.

The dataset holds everything a figure or a later study may ask for, so nobody has to run a case
again to look at it. Time is the start of each PTU, in local clock time of the representative date.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import membership
from mas2sim.domain.device import (
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    InterruptibleLoad,
    MicroChp,
    WindTurbine,
)
from mas2sim.domain.grid_state import GridState
from mas2sim.domain.home import Home
from mas2sim.domain.limits import Regime
from mas2sim.results.congestion_series import congestion_variables, offer_coordinates
from mas2sim.results.kpi_definition import CaseLevel
from mas2sim.results.record import CaseRecord, OtherRecord
from mas2sim.results.series_variable import variable, words

if TYPE_CHECKING:
    import xarray as xr

COMPRESSION_LEVEL = 4
"""Of zlib, 1 to 9; higher ones take longer and save next to nothing on such series."""

STORED_AS_FLOAT32 = ("vm_pu", "loading_percent")
"""The two largest variables; seven digits are far beyond what a power flow means."""

NO_REGIME = -1

PHASES = ("a", "b", "c")


def device_kind(device: FlexibleDevice) -> str:
    """Kind of a flexible device.

    Returns
    -------
    str
        ``"appliance"``, ``"ev"``, ``"battery"``, ``"interruptible"``, or for a heater its name:
        ``"heat_pump"``, ``"direct_heater"`` or ``"hot_water"``.
    """
    if isinstance(device, Heater):
        return device.name
    if isinstance(device, ElectricVehicle):
        return "ev"
    if isinstance(device, Battery):
        return "battery"
    return "interruptible" if isinstance(device, InterruptibleLoad) else "appliance"


def series_dataset(record: CaseRecord) -> xr.Dataset:
    """Arrange the recorded series of a case.

    Parameters
    ----------
    record : CaseRecord

    Returns
    -------
    Dataset
        Dimensions level, time, home, device, community, bus, phase, branch. Every variable carries
        ``units`` and ``long_name``. What a level lacks is NaN. Where the DSO wanted flexibility
        there are ``flex_requested_kw`` and its kin over time, and where it was offered some the
        dimension offer; elsewhere neither is there. Participants that are no homes bring
        ``other_kw`` and its kin and the dimension participant.
    """
    import xarray as xr

    bought, others = record.congestion, record.others
    dataset = xr.Dataset(
        data_vars={
            **_home_variables(record),
            **_comfort_variables(record),
            **_market_variables(record),
            **_grid_variables(record),
            **_day_variables(record),
            **({} if others is None else _other_variables(others)),
            **({} if bought is None else congestion_variables(bought, record.limits)),
        },
        coords={
            **_coordinates(record),
            **({} if others is None else _other_coordinates(others)),
            **({} if bought is None else offer_coordinates(bought)),
        },
        attrs={
            "title": "Series of one case",
            "date": record.date,
            "substation": record.layout.name,
            "tariff": record.tariff.name,
            "transformer_import_limit_kw": record.limits.transformer_import_kw,
            "transformer_export_limit_kw": record.limits.transformer_export_kw,
            "voltage_min_v": record.limits.voltage_min_v,
            "voltage_max_v": record.limits.voltage_max_v,
            "loading_limit_percent": record.limits.loading_percent,
            "unbalance_limit_percent": record.limits.unbalance_percent,
            **{f"axis_{name}": value for name, value in record.axes.items()},
        },
    )
    dataset["time"].attrs.update(long_name="start of the PTU, local clock time")
    return dataset


def write_series(dataset: xr.Dataset, path: Path) -> None:
    """Write the series as NetCDF; the same series give the same bytes."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, held in dataset.variables.items():
        if held.dtype.kind in "fi" and held.ndim:
            encoding[str(name)] = {"zlib": True, "complevel": COMPRESSION_LEVEL, "shuffle": True}
        if name in STORED_AS_FLOAT32:
            encoding[str(name)]["dtype"] = "float32"
    minutes = f"minutes since {dataset.attrs['date']} 00:00:00"
    encoding["time"] = {"units": minutes, "calendar": "standard", "dtype": "int64"}
    dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding)


def _home_variables(record: CaseRecord) -> dict[str, Any]:
    connection = ("level", "time", "home")
    device = ("level", "time", "device")
    fixed = ("time", "home")
    homes, ptus = record.homes, record.horizon.ptus

    def stack(values: Callable[[Home], FloatArray]) -> FloatArray:
        return np.array([values(home) for home in homes]).reshape(len(homes), ptus).T

    def plant_kw(plant: WindTurbine | MicroChp | None) -> FloatArray:
        return np.zeros(ptus) if plant is None else plant.p_kw

    return {
        "p_kw": variable(
            connection, record.net_kw.swapaxes(1, 2), "kW", "active power, positive is import"
        ),
        "q_kvar": variable(
            connection, record.reactive_kvar.swapaxes(1, 2), "kvar", "reactive power"
        ),
        "device_kw": variable(
            device, record.device_kw.swapaxes(1, 2), "kW", "power of flexible devices"
        ),
        "stored_kwh": variable(
            device,
            record.stored_kwh.swapaxes(1, 2),
            "kWh",
            "energy at the end of the PTU; heat is counted from 0 degC",
        ),
        "stored_start_kwh": variable(
            ("level", "device"), record.stored_start_kwh, "kWh", "energy at midnight"
        ),
        "base_kw": variable(fixed, stack(lambda home: home.base_kw), "kW", "base load"),
        "pv_kw": variable(fixed, stack(lambda home: home.pv_kw), "kW", "PV, never positive"),
        "wind_kw": variable(
            fixed, stack(lambda home: plant_kw(home.wind)), "kW", "wind turbine, never positive"
        ),
        "micro_chp_kw": variable(
            fixed, stack(lambda home: plant_kw(home.micro_chp)), "kW", "micro-CHP, never positive"
        ),
    }


def _comfort_variables(record: CaseRecord) -> dict[str, Any]:
    """Temperature of what heaters warm, and the band it is to keep; NaN for other devices."""
    levels, ptus, devices = len(record.levels), record.horizon.ptus, len(record.devices)
    temperature_c = np.full((levels, ptus, devices), np.nan)
    lower_c, upper_c = np.full((ptus, devices), np.nan), np.full((ptus, devices), np.nan)
    for column, device in enumerate(record.device_values):
        if isinstance(device, Heater):
            store = device.store
            temperature_c[:, :, column] = record.stored_kwh[:, column] / store.capacity_kwh_per_k
            lower_c[:, column], upper_c[:, column] = store.lower_c, store.upper_c
    band = ("time", "device")
    return {
        "temperature_c": variable(
            ("level", "time", "device"),
            temperature_c,
            "degC",
            "temperature of the building or tank at the end of the PTU",
        ),
        "comfort_lower_c": variable(band, lower_c, "degC", "lower end of the comfort band"),
        "comfort_upper_c": variable(band, upper_c, "degC", "upper end of the comfort band"),
    }


def _market_variables(record: CaseRecord) -> dict[str, Any]:
    order = list(Regime)
    shape = (len(record.levels), record.horizon.ptus)
    regimes = np.full(shape, NO_REGIME, dtype=np.int8)
    cases = (CaseLevel(record, index) for index in range(len(record.levels)))
    curtailed_kw = [case.curtailed_kw.sum(axis=0) for case in cases]
    for row, level in enumerate(record.regimes):
        if level:
            regimes[row] = [order.index(regime) for regime in level]
    return {
        "a_plan_kw": variable(
            ("level", "time", "community"),
            record.a_plan_kw.swapaxes(1, 2),
            "kW",
            "A-plan of the community",
        ),
        "d_prognosis_kw": variable(
            ("level", "time"), record.d_prognosis_kw, "kW", "D-prognosis of the substation"
        ),
        "curtailed_kw": variable(
            ("level", "time"),
            np.array(curtailed_kw),
            "kW",
            "what all connections together had to give up; negative of feed-in",
        ),
        "regime": variable(
            ("level", "time"),
            regimes,
            "1",
            "operating regime",
            flag_values=np.arange(NO_REGIME, len(order), dtype=np.int8),
            flag_meanings=" ".join(("unknown", *(regime.value for regime in order))),
        ),
    }


def _grid_variables(record: CaseRecord) -> dict[str, Any]:
    per_time = ("level", "time")
    phases = _phases(record)

    def stack(values: Callable[[GridState], Any], *shape: int) -> FloatArray:
        missing = np.full((record.horizon.ptus, *shape), np.nan)
        rows = [
            missing if (flow := record.grid.get(level)) is None else values(flow)
            for level in record.levels
        ]
        return np.array(rows, dtype=np.float64)

    converged = [
        np.zeros(record.horizon.ptus, dtype=bool)
        if (flow := record.grid.get(level)) is None
        else flow.converged
        for level in record.levels
    ]
    return {
        "vm_pu": variable(
            (*per_time, "bus", "phase"),
            stack(lambda flow: flow.vm_pu, len(record.layout.buses), len(phases)),
            "1",
            "voltage phase to neutral over the bus's nominal voltage; missing also on phases that "
            "the bus does not have",
        ),
        "loading_percent": variable(
            (*per_time, "branch"),
            stack(lambda flow: flow.loading_percent, len(record.layout.branches)),
            "percent",
            "loading against the rating",
        ),
        "unbalance_percent": variable(
            per_time,
            stack(lambda flow: np.fmax.reduce(flow.unbalance_percent, axis=1)),
            "percent",
            "greatest voltage unbalance of all buses with three phases; missing when balanced",
        ),
        "grid_import_kw": variable(
            per_time, stack(lambda flow: flow.import_kw), "kW", "power from the grid above"
        ),
        "grid_import_kvar": variable(
            per_time, stack(lambda flow: flow.import_kvar), "kvar", "reactive power from above"
        ),
        "loss_line_kw": variable(
            per_time, stack(lambda flow: flow.loss_line_kw), "kW", "losses in lines"
        ),
        "loss_transformer_load_kw": variable(
            per_time,
            stack(lambda flow: flow.loss_transformer_load_kw),
            "kW",
            "losses in the transformer's windings",
        ),
        "loss_transformer_no_load_kw": variable(
            per_time,
            stack(lambda flow: flow.loss_transformer_no_load_kw),
            "kW",
            "losses in the transformer's iron",
        ),
        "converged": variable(
            per_time, np.array(converged, dtype=np.int8), "1", "1 where the power flow converged"
        ),
    }


def _day_variables(record: CaseRecord) -> dict[str, Any]:
    tariff, time = record.tariff, ("time",)
    return {
        "import_eur_per_kwh": variable(
            time, tariff.import_eur_per_kwh, "EUR/kWh", "price of imported energy"
        ),
        "export_eur_per_kwh": variable(
            time, tariff.export_eur_per_kwh, "EUR/kWh", "price of exported energy"
        ),
        "outdoor_c": variable(time, record.outdoor_c, "degC", "air temperature"),
        "clearness": variable(time, record.clearness, "1", "irradiance over the clear sky's"),
    }


def _other_variables(others: OtherRecord) -> dict[str, Any]:
    """What the participants that are no homes metered and pay."""
    power, money = ("level", "participant", "time"), ("level", "participant")
    return {
        "other_kw": variable(
            power, others.net_kw, "kW", "power of participants that are no homes, import positive"
        ),
        "other_kvar": variable(power, others.reactive_kvar, "kvar", "their reactive power"),
        "other_curtailed_kw": variable(
            power, others.curtailed_kw, "kW", "what they had to give up; negative of feed-in"
        ),
        "other_bill_eur": variable(money, others.bill_eur, "EUR", "bill by own meter and tariff"),
        "other_payment_eur": variable(
            money, others.payment_eur, "EUR", "the bill less what the DSO pays"
        ),
    }


def _other_coordinates(others: OtherRecord) -> dict[str, Any]:
    return {
        "participant": words([each.name for each in others.participants]),
        "participant_bus": ("participant", words([each.bus for each in others.participants])),
        "participant_tariff": (
            "participant",
            words([each.tariff.name for each in others.participants]),
        ),
    }


def _coordinates(record: CaseRecord) -> dict[str, Any]:
    layout, homes = record.layout, record.homes
    community = membership(record.communities)
    minutes = np.arange(record.horizon.ptus) * record.horizon.ptu_minutes
    start = np.datetime64(record.date, "ns")
    devices = [(homes[index], name) for index, name in record.devices]
    return {
        "level": words([level.value for level in record.levels]),
        "time": start + minutes.astype("timedelta64[m]").astype("timedelta64[ns]"),
        "clock_h": variable(("time",), minutes / 60.0, "h", "hours since midnight"),
        "home": words([home.name for home in homes]),
        "home_bus": ("home", words(layout.home_bus)),
        "home_phase": ("home", words(layout.home_phase)),
        "home_community": ("home", words([community.get(i, "") for i in range(len(homes))])),
        "home_has_flexibility": ("home", np.array([h.has_flexibility for h in homes], np.int8)),
        "community": words([each.name for each in record.communities]),
        "device": words([f"{home.name}/{name}" for home, name in devices]),
        "device_home": ("device", words([home.name for home, _ in devices])),
        "device_kind": ("device", words([device_kind(device) for device in record.device_values])),
        "bus": words([bus.name for bus in layout.buses]),
        "bus_vn_kv": variable(
            ("bus",), np.array([b.vn_kv for b in layout.buses], float), "kV", "nominal voltage"
        ),
        "bus_x_m": variable(
            ("bus",), np.array([bus.x_m for bus in layout.buses], float), "m", "place on the map"
        ),
        "bus_y_m": variable(
            ("bus",), np.array([bus.y_m for bus in layout.buses], float), "m", "place on the map"
        ),
        "phase": words(_phases(record)),
        "branch": words([branch.name for branch in layout.branches]),
        "branch_kind": ("branch", words([branch.kind for branch in layout.branches])),
        "branch_from": ("branch", words([branch.from_bus for branch in layout.branches])),
        "branch_to": ("branch", words([branch.to_bus for branch in layout.branches])),
        "branch_feeder": ("branch", words([branch.feeder for branch in layout.branches])),
        "branch_rating": (
            "branch",
            np.array([branch.rating for branch in layout.branches], float),
            {"units": "A; kVA of transformers", "long_name": "rating"},
        ),
        "branch_length_m": variable(
            ("branch",), np.array([b.length_m for b in layout.branches], float), "m", "length"
        ),
    }


def _phases(record: CaseRecord) -> tuple[str, ...]:
    for flow in record.grid.values():
        if flow.vm_pu.shape[-1] == len(PHASES):
            return PHASES
    return ("balanced",)
