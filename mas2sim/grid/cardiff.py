"""The Cardiff substations: UK low-voltage networks generated from recipes.

The networks of the original demonstration were never published; these are of the same kind.
Nothing is drawn at random: a recipe gives the same network in every case.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import Fault, GridError
from mas2sim.domain.grid_state import Bus
from mas2sim.grid.check import Connection
from mas2sim.grid.network import Line, Network, Source, Transformer
from mas2sim.grid.recipe import (
    CableType,
    FeederRecipe,
    Kit,
    SubstationRecipe,
    TransformerType,
    read_kit,
)
from mas2sim.grid.street import along, corners
from mas2sim.grid.substation import (
    IMPORT_PERCENT,
    UK_BAND_V,
    UNBALANCE_PERCENT,
    Substation,
    connect,
    default_limits,
)

LV_KV = 0.4
"""Base of the low-voltage side, line to line. [kV]"""

HV_BUS, LV_BUS = "hv", "lv"
_M_PER_KM = 1000.0
_HV_VM_PU_RANGE = (0.8, 1.2)


def build_cardiff(
    directory: Path,
    substation: int,
    *,
    hv_vm_pu: float = 1.0,
    tap_pos: int = 0,
    transformer_import_kw: float | None = None,
    transformer_import_percent: float = IMPORT_PERCENT,
    transformer_export_kw: float | None = None,
    voltage_band_v: tuple[float, float] = UK_BAND_V,
    unbalance_percent: float = UNBALANCE_PERCENT,
) -> Substation:
    """Generate a substation from its recipe.

    Parameters
    ----------
    directory : Path
        Folder with the recipes and the tables of cables and transformers.
    substation : int
        Number of the recipe.
    hv_vm_pu : float
        Voltage of the HV grid, the same at all times.
    tap_pos : int
        Position of the tap changer; +1 adds one step to the HV winding and so lowers the voltage of
        the homes.
    transformer_import_kw, transformer_export_kw : float, optional
        Limits on the sum of the connections; when left out, import is limited to
        `transformer_import_percent` of the rating and export to the rating.
    transformer_import_percent : float
    voltage_band_v : (float, float)
        Least and greatest voltage, phase to neutral. [V]
    unbalance_percent : float
        Limit on the voltage unbalance.

    Raises
    ------
    GridError
        With all faults of the files, or of the settings.
    """
    kit = read_kit(directory, substation)
    faults = _setting_faults(kit.transformer, hv_vm_pu, tap_pos)
    if faults:
        raise GridError(faults)
    network, users = _network(kit, hv_vm_pu=hv_vm_pu, tap_pos=tap_pos)
    shops = set(kit.recipe.commercial)
    limits = default_limits(
        network.rating_kva,
        transformer_import_kw=transformer_import_kw,
        transformer_import_percent=transformer_import_percent,
        transformer_export_kw=transformer_export_kw,
        voltage_band_v=voltage_band_v,
        unbalance_percent=unbalance_percent,
    )
    return connect(
        network,
        [user for number, user in enumerate(users, start=1) if number not in shops],
        limits,
        commercial=[user for number, user in enumerate(users, start=1) if number in shops],
    )


def _setting_faults(unit: TransformerType, hv_vm_pu: float, tap_pos: int) -> list[Fault]:
    faults = []
    low, high = _HV_VM_PU_RANGE
    if not low <= hv_vm_pu <= high:
        faults.append(Fault("hv_vm_pu", f"{hv_vm_pu:g}", f"{low:g} to {high:g}"))
    if not unit.tap_min <= tap_pos <= unit.tap_max:
        allowed = f"{unit.tap_min} to {unit.tap_max} ({unit.transformer})"
        faults.append(Fault("tap_pos", str(tap_pos), allowed))
    return faults


def _network(kit: Kit, *, hv_vm_pu: float, tap_pos: int) -> tuple[Network, list[Connection]]:
    """The network and its users, homes and others, in the order of the recipe."""
    recipe, unit = kit.recipe, kit.transformer
    buses = [Bus(HV_BUS, unit.vn_hv_kv, *recipe.at_m), Bus(LV_BUS, LV_KV, *recipe.at_m)]
    lines: list[Line] = []
    users: list[Connection] = []
    for feeder in recipe.feeders:
        feeder_buses, feeder_lines, feeder_users = _feeder(kit, feeder, first=len(users) + 1)
        buses += feeder_buses
        lines += feeder_lines
        users += feeder_users
    network = Network(
        name=recipe.name,
        buses=tuple(buses),
        lines=tuple(lines),
        transformers=(_transformer(unit, tap_pos),),
        sources=(Source(HV_BUS, hv_vm_pu),),
    )
    return network, users


def _feeder(
    kit: Kit, feeder: FeederRecipe, *, first: int
) -> tuple[list[Bus], list[Line], list[Connection]]:
    """Buses, cables and users of one feeder, which are numbered from `first`.

    Each user has a joint of its own on the main, its service crosses to its side of the street, and
    sides alternate.
    """
    recipe = kit.recipe
    number = first + np.arange(feeder.users)
    service_m = np.take(recipe.service.length_m, number - 1, mode="wrap")
    street = corners([(leg.bearing_deg, leg.length_m) for leg in feeder.street])
    distance_m: FloatArray = recipe.main_m_per_user * np.arange(1.0, feeder.users + 1)
    side = np.where(np.arange(feeder.users) % 2, -1.0, 1.0)
    joint_at = (along(street, distance_m, np.zeros(feeder.users)) + recipe.at_m).tolist()
    user_at = (along(street, distance_m, side * service_m) + recipe.at_m).tolist()
    cables = [section.cable for section in feeder.main for _ in range(section.users)]

    buses: list[Bus] = []
    lines: list[Line] = []
    users: list[Connection] = []
    upstream = LV_BUS
    for index, cable in enumerate(cables):
        joint, name = f"{feeder.name}_{index + 1:02d}", _user_name(recipe, int(number[index]))
        buses += [Bus(joint, LV_KV, *joint_at[index]), Bus(name, LV_KV, *user_at[index])]
        lines += [
            _cable(kit.cables[cable], recipe.main_m_per_user, upstream, joint, "main", feeder.name),
            _cable(
                kit.cables[recipe.service.cable],
                float(service_m[index]),
                joint,
                name,
                "service",
                feeder.name,
            ),
        ]
        users.append(Connection(name, name, recipe.phase(int(number[index]))))
        upstream = joint
    return buses, lines, users


def _user_name(recipe: SubstationRecipe, number: int) -> str:
    """Shops are named after their number along the recipe, homes are counted without them."""
    if number in recipe.commercial:
        return f"shop{number:03d}"
    return f"h{number - sum(shop < number for shop in recipe.commercial):03d}"


def _cable(
    cable: CableType, length_m: float, from_bus: str, to_bus: str, kind: str, feeder: str
) -> Line:
    length_km = length_m / _M_PER_KM
    return Line(
        name=f"{kind}_{to_bus}",
        from_bus=from_bus,
        to_bus=to_bus,
        length_m=length_m,
        r_ohm=cable.r1_ohm_per_km * length_km,
        x_ohm=cable.x1_ohm_per_km * length_km,
        rating_a=cable.rating_a,
        r0_ohm=cable.r0_ohm_per_km * length_km,
        x0_ohm=cable.x0_ohm_per_km * length_km,
        c_nf=cable.c1_nf_per_km * length_km,
        c0_nf=cable.c1_nf_per_km * length_km,
        kind=kind,
        feeder=feeder,
    )


def _transformer(unit: TransformerType, tap_pos: int) -> Transformer:
    return Transformer(
        name="transformer",
        hv_bus=HV_BUS,
        lv_bus=LV_BUS,
        sn_kva=unit.sn_kva,
        rating_kva=unit.sn_kva,
        vn_hv_kv=unit.vn_hv_kv,
        vn_lv_kv=unit.vn_lv_kv,
        vector_group=unit.vector_group,
        vk_percent=unit.vk_percent,
        vkr_percent=unit.vkr_percent,
        iron_kw=unit.iron_kw,
        i0_percent=unit.i0_percent,
        tap_steps=tap_pos,
        tap_step_percent=unit.tap_step_percent,
    )
