"""What both engines share on the way in and out: shapes checked, unsolved times masked."""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray
from mas2sim.domain.errors import Fault, GridError
from mas2sim.domain.grid_state import GridState
from mas2sim.grid.network import Network


def powers_or_fault(
    p_kw: FloatArray, q_kvar: FloatArray, *, homes: int
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Powers of a batch as arrays of numbers, and which times can be solved.

    Returns
    -------
    p_kw, q_kvar : array, shape (time, home)
        With 0 in place of what is no number.
    known : array of bool, shape (time)
        False where a power is no number. Such a time must be masked: it is solved as if that home
        drew nothing.

    Raises
    ------
    GridError
        When the shapes are not (time, home).
    """
    p_kw, q_kvar = np.asarray(p_kw, dtype=np.float64), np.asarray(q_kvar, dtype=np.float64)
    faults = [
        Fault(name, f"shape {array.shape}", f"(time, {homes})", "one column a home, in order")
        for name, array in (("p_kw", p_kw), ("q_kvar", q_kvar))
        if array.shape != (len(p_kw) if p_kw.ndim else 0, homes)
    ]
    if faults:
        raise GridError(faults)
    finite = np.isfinite(p_kw) & np.isfinite(q_kvar)
    known: BoolArray = np.all(finite, axis=1)
    return np.where(finite, p_kw, 0.0), np.where(finite, q_kvar, 0.0), known


def no_load_kw(network: Network, vm_pu: FloatArray) -> FloatArray:
    """No-load loss of all transformers.

    Half of the magnetising branch is at either end of the transformer's pi model, so the iron loss
    goes with the square of the voltage over the winding's rated one, half by half, and with the
    mean of the squares over the phases.

    Parameters
    ----------
    vm_pu : array, shape (time, bus, phase)

    Returns
    -------
    array, shape (time)
        [kW]
    """
    place = {bus.name: index for index, bus in enumerate(network.buses)}
    loss_kw = np.zeros(len(vm_pu))
    for unit in network.transformers:
        for bus, rated_kv in zip((unit.hv_bus, unit.lv_bus), unit.tapped_kv, strict=True):
            index = place[bus]
            over_rated = vm_pu[:, index] * network.buses[index].vn_kv / rated_kv
            loss_kw += 0.5 * unit.iron_kw * np.square(over_rated).mean(axis=-1)
    return loss_kw


def masked_state(
    converged: BoolArray,
    *,
    vm_pu: FloatArray,
    loading_percent: FloatArray,
    import_kw: FloatArray,
    import_kvar: FloatArray,
    loss_line_kw: FloatArray,
    loss_transformer_load_kw: FloatArray,
    loss_transformer_no_load_kw: FloatArray,
) -> GridState:
    """Put a state together, NaN wherever the flow did not converge.

    An engine may leave anything at all in the place of a failed time.
    """

    def solved(values: FloatArray) -> FloatArray:
        mask = converged.reshape(-1, *(1,) * (values.ndim - 1))
        return np.where(mask, values, np.nan)

    return GridState(
        vm_pu=solved(vm_pu),
        loading_percent=solved(loading_percent),
        import_kw=solved(import_kw),
        import_kvar=solved(import_kvar),
        loss_line_kw=solved(loss_line_kw),
        loss_transformer_load_kw=solved(loss_transformer_load_kw),
        loss_transformer_no_load_kw=solved(loss_transformer_no_load_kw),
        converged=converged,
    )
