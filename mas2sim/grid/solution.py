"""What both engines share on the way in and out: shapes checked, unsolved times masked."""

from __future__ import annotations

from math import sqrt

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


def unbalance_percent(u_pu: FloatArray, angle_rad: FloatArray) -> FloatArray:
    """Voltage unbalance factor, negative over positive sequence (IEC 61000-4-30, 5.7).

    With a = exp(j 120 deg), 3 V1 = Va + a Vb + a^2 Vc and 3 V2 = Va + a^2 Vb + a Vc (C. L.
    Fortescue, Trans. AIEE 37, 1918, doi:10.1109/T-AIEE.1918.4765570). The ratio does not know by
    how much a transformer turns all three, so phase a is taken as the reference.

    Parameters
    ----------
    u_pu, angle_rad : array, shape (..., 3)
        Magnitude and angle of the voltages phase to neutral.

    Returns
    -------
    array, shape (...)
        [percent]
    """
    u_a, u_b, u_c = np.moveaxis(u_pu, -1, 0)
    angle_a, angle_b, angle_c = np.moveaxis(angle_rad, -1, 0)
    turn_b, turn_c = angle_b - angle_a, angle_c - angle_a
    real_b, imag_b = u_b * np.cos(turn_b), u_b * np.sin(turn_b)
    real_c, imag_c = u_c * np.cos(turn_c), u_c * np.sin(turn_c)
    # What both sequences have in common, and what a and a^2 change places in.
    real, imag = u_a - 0.5 * (real_b + real_c), -0.5 * (imag_b + imag_c)
    swap_real, swap_imag = 0.5 * sqrt(3.0) * (imag_b - imag_c), 0.5 * sqrt(3.0) * (real_b - real_c)
    positive = np.square(real - swap_real) + np.square(imag + swap_imag)
    negative = np.square(real + swap_real) + np.square(imag - swap_imag)
    return np.asarray(100.0 * np.sqrt(negative / positive))


def masked_state(
    converged: BoolArray,
    *,
    vm_pu: FloatArray,
    unbalance_percent: FloatArray | None,
    loading_percent: FloatArray,
    import_kw: FloatArray,
    import_kvar: FloatArray,
    loss_line_kw: FloatArray,
    loss_transformer_load_kw: FloatArray,
    loss_transformer_no_load_kw: FloatArray,
) -> GridState:
    """Put a state together, NaN wherever the flow did not converge.

    An engine may leave anything at all in the place of a failed time. The arrays become the state's
    own: what failed is overwritten in them.

    Parameters
    ----------
    unbalance_percent : array, shape (time, bus), optional
        None when the flow is balanced; all of the state's are NaN then.
    """

    def solved(values: FloatArray) -> FloatArray:
        values[~converged] = np.nan
        return values

    if unbalance_percent is None:
        # One number behind all places: a year of them would take as much room as the voltages.
        unbalance_percent = np.broadcast_to(np.nan, vm_pu.shape[:2])
    else:
        unbalance_percent = solved(unbalance_percent)
    return GridState(
        vm_pu=solved(vm_pu),
        unbalance_percent=unbalance_percent,
        loading_percent=solved(loading_percent),
        import_kw=solved(import_kw),
        import_kvar=solved(import_kvar),
        loss_line_kw=solved(loss_line_kw),
        loss_transformer_load_kw=solved(loss_transformer_load_kw),
        loss_transformer_no_load_kw=solved(loss_transformer_no_load_kw),
        converged=converged,
    )
